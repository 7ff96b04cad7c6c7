"""Two networks on the same images, image by image: is one better, or was it luck? McNemar's exact test."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Answers = Mapping[str, tuple[str, bool]]  # name of an image -> its true class, and whether the prediction is correct
SIGNIFICANT = 0.05  # of p values: below it a difference is shown


@dataclass(frozen=True)
class Pair:
    """Images by which of two networks predicts them correctly."""

    first: str
    second: str
    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def images(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def p_value(self) -> float:
        """How often two equally good networks would differ as much or more (McNemar 1947, exact, two-sided).

        Images on which both are correct, or both incorrect, say nothing; each of the others falls to either side like a
        tossed coin.
        """
        # scipy's test of it takes half a second to import.
        fewer, differing = min(self.only_first, self.only_second), self.only_first + self.only_second
        ways, tail = 1, 0  # of so many heads, and of that many or fewer
        for heads in range(fewer + 1):
            tail += ways
            ways = ways * (differing - heads) // (heads + 1)
        return min(1.0, 2 * tail / 2**differing)

    @property
    def difference_shown(self) -> bool:
        return self.p_value < SIGNIFICANT

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {
            "images": self.images,
            "p_value": self.p_value,
            "difference_shown": self.difference_shown,
        }


def answers(
    names: Sequence[str], labels: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Sequence[str]
) -> Answers:
    """What a network predicts of each image: labels (N,), probabilities (N, classes)."""
    correct = (probabilities.argmax(axis=1) == labels).tolist()
    truths = [classes[label] for label in labels.tolist()]
    return {name: (truth, is_correct) for name, truth, is_correct in zip(names, truths, correct, strict=True)}


def pair(first: str, a: Answers, second: str, b: Answers) -> Pair | None:
    """Counts who is correct. None where the images or their classes are not the same by name."""
    if a.keys() != b.keys() or any(a[name][0] != b[name][0] for name in a):
        return None
    outcomes = [(a[name][1], b[name][1]) for name in a]
    return Pair(
        first,
        second,
        both=outcomes.count((True, True)),
        only_first=outcomes.count((True, False)),
        only_second=outcomes.count((False, True)),
        neither=outcomes.count((False, False)),
    )


def p_words(p: float) -> str:
    """A p value in words: "p = 0.52"."""
    if p >= 0.001:
        return f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"
    return "p < 0.001"
