"""Two networks on the same images, image by image: is the one better, or was it luck? McNemar's exact test."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Answers = Mapping[str, tuple[str, bool]]  # name of an image -> its true class, and whether the network gave it


@dataclass(frozen=True)
class Pair:
    """Images by who was right of two networks."""

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

        Images on which both are right, or both wrong, say nothing; each of the others falls to either side by a coin.
        """
        from scipy.stats import binomtest

        differing = self.only_first + self.only_second
        return float(binomtest(self.only_first, differing, 0.5).pvalue) if differing else 1.0

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {"images": self.images, "p_value": self.p_value}


def answers(
    names: Sequence[str], labels: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Sequence[str]
) -> Answers:
    """What a network made of each image: labels (N,), probabilities (N, classes)."""
    right = (probabilities.argmax(axis=1) == labels).tolist()
    truths = [classes[label] for label in labels.tolist()]
    return {name: (truth, is_right) for name, truth, is_right in zip(names, truths, right, strict=True)}


def pair(first: str, a: Answers, second: str, b: Answers) -> Pair | None:
    """Counts who was right. None where the images or their classes are not the same by name."""
    if a.keys() != b.keys() or any(a[name][0] != b[name][0] for name in a):
        return None
    sides = [(a[name][1], b[name][1]) for name in a]
    return Pair(
        first,
        second,
        both=sides.count((True, True)),
        only_first=sides.count((True, False)),
        only_second=sides.count((False, True)),
        neither=sides.count((False, False)),
    )
