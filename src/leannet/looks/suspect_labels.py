"""Suspect labels: images that a network which did not train on them takes for something else.

Confident learning (Northcutt, Jiang, Chuang 2021, arXiv 1911.00068). It needs probabilities from networks that did not
train on the image: `leannet train --folds K` leaves them for every image, a plain run for its validation split.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError
from leannet.header import read_header
from leannet.run_files import FOLDS, MODEL, PREDICTIONS
from leannet.tasks.predictions import read_predictions

# In ten public test sets up to 10.1 % of the labels are wrong (Northcutt, Athalye, Mueller 2021, arXiv 2103.14749).
# Where a network calls more of them wrong, most of that is its own mistakes (docs/looks.md).
MOST_SUSPECTS = 0.1
MOST_OF_A_CLASS = 0.5


@dataclass(frozen=True)
class Suspect:
    """One image, its label, and the likeliest other class. margin: -1 (surely another) to 1 (surely as labelled)."""

    rank: int
    image: str
    label: str
    label_probability: float
    suggestion: str
    suggestion_probability: float
    margin: float  # the label's probability less the suggestion's
    likely: bool  # counted off the diagonal of the confident joint


@dataclass(frozen=True)
class Suspects:
    """Every image that was evaluated, the most doubtful label first. coverage: which images those are, in words."""

    images: tuple[Suspect, ...]
    coverage: str

    COLUMNS: ClassVar = tuple(Suspect.__dataclass_fields__)

    @property
    def called_wrong(self) -> int:
        """How many labels the confident joint calls wrong, whether the network can know or not."""
        return sum(each.likely for each in self.images)

    @cached_property
    def unknown_classes(self) -> frozenset[str]:
        """Classes of which it calls most labels wrong: those the network does not know."""
        total = Counter(each.label for each in self.images)
        wrong = Counter(each.label for each in self.images if each.likely)
        return frozenset(label for label, number in wrong.items() if number > MOST_OF_A_CLASS * total[label])

    @property
    def is_reliable(self) -> bool:
        """Whether the network can know: it calls at most a tenth of the labels wrong, which may be so."""
        return self.called_wrong <= MOST_SUSPECTS * len(self.images)

    @property
    def note(self) -> str:
        """What is not named, and why, for people; empty where nothing is kept back."""
        if not self.is_reliable:
            share = 100 * self.called_wrong / len(self.images)
            return (
                f"No labels are named: the network takes {share:.0f} % of the images for something else, and so many "
                "labels are hardly wrong: these are its own mistakes. A more accurate network can tell."
            )
        if self.unknown_classes:
            names = ", ".join(sorted(self.unknown_classes))
            return f"Labels of {names} are not named: the network takes most of those images for something else."
        return ""

    @property
    def named(self) -> tuple[Suspect, ...]:
        """The suspect labels: those that are likely wrong, where the network can know."""
        return tuple(each for each in self.doubtful if each.likely)

    @property
    def doubtful(self) -> tuple[Suspect, ...]:
        """Those, and the images for which another class is likelier than the label, where the network can know."""
        if not self.is_reliable:
            return ()
        unknown = self.unknown_classes
        return tuple(each for each in self.images if (each.likely or each.margin < 0) and each.label not in unknown)

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """A line an image, as COLUMNS says."""
        for each in self.images:
            yield tuple(int(value) if isinstance(value, bool) else value for value in asdict(each).values())

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """As plain data, for JSON; of the first `most` images."""
        return {
            "coverage": self.coverage,
            "evaluated": len(self.images),
            "reliable": self.is_reliable,
            "likely": len(self.named) if self.is_reliable else None,
            "called_wrong": self.called_wrong,
            "unknown_classes": sorted(self.unknown_classes),
            "note": self.note,
            "images": [asdict(each) for each in self.doubtful[:most]],
        }


def suspects(run: str | Path) -> Suspects:
    """The images of a run in the order of doubt.

    run: a folder of folds, whose predictions are of every image; a run folder, whose predictions are of its
    validation split; or a predictions.csv, which must be of images that the network did not train on.
    Raises LeannetError where there are no predictions.
    """
    path = Path(run)
    file = path / PREDICTIONS if path.is_dir() else path
    if not file.exists():
        raise LeannetError(f"{run}: expected predictions.csv, as leannet train leaves it in a run or beside its folds")
    names, labels, probabilities, classes = read_predictions(file)
    number = f"{len(names):,}"
    if has_folds(path):
        coverage = f"all {number} images, each judged by the fold that did not train on it"
    elif (path / MODEL).exists():
        every = sum(read_header(path).split.sizes.values())
        coverage = f"the validation split alone, {number} of {every:,} images; leannet train --folds 5 judges them all"
    else:
        coverage = f"the {number} images of {file}, if no network trained on them"
    return Suspects(ranked(names, labels, probabilities, classes), coverage)


def has_folds(run: str | Path) -> bool:
    """Whether this is a folder of folds, as `train --folds` leaves it."""
    return (Path(run) / FOLDS).exists()


def ranked(
    names: Sequence[str],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.floating[Any]],
    classes: Sequence[str],
) -> tuple[Suspect, ...]:
    """Labels (N,) and probabilities (N, classes), by the margin of the label over the likeliest other class.

    A class is confident of an image where its probability reaches the mean of those labelled so (section 3.1). A label
    is likely wrong where another class is confident, and likelier than every class that is (the confident joint).
    """
    if not len(names):
        return ()
    every = np.arange(len(labels))
    own = probabilities[every, labels]
    others = probabilities.copy()
    others[every, labels] = -1
    best = others.argmax(axis=1)
    margins = own - others[every, best]
    confident = np.where(probabilities >= thresholds(labels, probabilities), probabilities, -1)
    likely = (confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels)
    return tuple(
        Suspect(
            rank,
            names[i],
            classes[labels[i]],
            float(own[i]),
            classes[best[i]],
            float(probabilities[i, best[i]]),
            float(margins[i]),
            bool(likely[i]),
        )
        for rank, i in enumerate(np.argsort(margins, kind="stable"), start=1)
    )


def thresholds(labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """For each class the mean probability of those labelled so; of a class without any, more than 1."""
    means = np.full(probabilities.shape[1], 2.0)
    for label in np.unique(labels):
        means[label] = probabilities[labels == label, label].mean(dtype=np.float64)
    return means
