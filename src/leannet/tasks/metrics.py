"""What a classifier is worth: accuracy with its interval, and where it errs."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.sections import Summary

MOST = 20  # classes that a notebook shows


@dataclass(frozen=True)
class ClassScore:
    """One class: of those predicted, how many right (precision); of those there are, how many found (recall)."""

    name: str
    precision: float
    recall: float
    f1: float
    images: int


@dataclass(frozen=True)
class Scores:
    """A classifier on some images. `confusion[true][predicted]` counts images."""

    images: int
    accuracy: float
    accuracy_low: float  # 95 % Wilson interval
    accuracy_high: float
    top5: float | None  # None with five classes or fewer
    top5_low: float | None
    top5_high: float | None
    loss: float  # mean cross-entropy, natural logarithm
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)

    def summary(self) -> Summary:
        """The figures of all classes together."""
        return Summary(**{name: getattr(self, name) for name in Summary.model_fields})

    @property
    def rank(self) -> tuple[float, ...]:
        """What the best epoch has most of: accuracy, and of equal ones the lower loss."""
        return self.accuracy, -self.loss

    @property
    def logged(self) -> dict[str, float]:
        """Columns of log.csv."""
        return {"validation_loss": self.loss, "validation_accuracy": self.accuracy}

    def short(self) -> str:
        """In a line of an epoch."""
        return f"validation {100 * self.accuracy:.1f} %"

    def line(self) -> str:
        """Accuracy as people quote it."""
        return f"{100 * self.accuracy:.2f} % of {self.images:,} ({interval(self.accuracy_low, self.accuracy_high)})"

    def _repr_markdown_(self) -> str:
        """For a notebook: the accuracy, and a line a class, the worst first where there are many."""
        from leannet.notebook import markdown_table

        shown = sorted(self.per_class, key=lambda c: c.f1)[:MOST] if len(self.per_class) > MOST else self.per_class
        lines = [
            (c.name, f"{100 * c.precision:.1f} %", f"{100 * c.recall:.1f} %", f"{c.f1:.3f}", c.images) for c in shown
        ]
        more = (
            f"the {MOST} of lowest F1 of {len(self.per_class)} classes" if len(shown) < len(self.per_class) else "class"
        )
        return f"{self.line()}\n\n{markdown_table((more, 'precision', 'recall', 'F1', 'images'), lines)}"


def interval(low: float, high: float) -> str:
    """A 95 % interval in words."""
    return f"95 % interval {100 * low:.1f} to {100 * high:.1f}"


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval that holds the true share with 95 % confidence (Wilson 1927), also near 0 and 1."""
    if total == 0:
        return 0.0, 1.0
    share = right / total
    center = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, center - half), min(1.0, center + half)


def score(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64], classes: tuple[str, ...]) -> Scores:
    """Scores of probabilities (N, classes) against labels (N,)."""
    number = len(labels)
    predicted = probabilities.argmax(axis=1)
    right = int((predicted == labels).sum())
    low, high = wilson(right, number)
    # scikit-learn's functions take a tenth of a second, and importing them a second and a half.
    confusion = np.bincount(labels * len(classes) + predicted, minlength=len(classes) ** 2).reshape(len(classes), -1)
    hits, said, support = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    precision, recall, f1 = (
        hits / np.maximum(said, 1), hits / np.maximum(support, 1), 2 * hits / np.maximum(said + support, 1)
    )  # fmt: skip
    top5 = top5_low = top5_high = None
    if len(classes) > 5:
        best = np.argpartition(-probabilities, 5, axis=1)[:, :5]
        among_five = int((best == labels[:, None]).any(axis=1).sum())
        top5 = among_five / number
        top5_low, top5_high = wilson(among_five, number)
    chosen = np.clip(probabilities[np.arange(number), labels].astype(np.float64), 1e-12, 1)
    return Scores(
        images=number,
        accuracy=right / number,
        accuracy_low=low,
        accuracy_high=high,
        top5=top5,
        top5_low=top5_low,
        top5_high=top5_high,
        loss=float(-np.log(chosen).mean()),
        per_class=tuple(
            ClassScore(name, float(p), float(r), float(f), int(s))
            for name, p, r, f, s in zip(classes, precision, recall, f1, support, strict=True)
        ),
        confusion=tuple(map(tuple, confusion.tolist())),
    )
