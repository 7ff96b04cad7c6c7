"""Calibration: whether a network is right as often as it says (Guo et al., arXiv 1706.04599, section 2)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15  # Guo et al., section 5


@dataclass(frozen=True)
class Bin:
    """The images whose answer has a probability in (low, high]; mean confidence and accuracy are None without any."""

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """How sure a classifier is of its answers, and how often they are right. Shares of one, over all images."""

    images: int
    confidence: float  # mean probability of the answer
    accuracy: float
    ece: float  # expected calibration error
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def calibrate(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64], bins: int = BINS) -> Calibration:
    """The calibration of probabilities (N, classes) against labels (N,), N one or more, in bins of equal width.

    ece: the sum over the bins of |accuracy - mean confidence|, weighted by their images (Guo et al., equation 3).
    With few images a bin it is above zero by chance alone.
    """
    number = len(labels)
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sure = np.bincount(place, weights=confidence, minlength=bins)
    hits = np.bincount(place, weights=right, minlength=bins)
    return Calibration(
        images=number,
        confidence=float(confidence.mean()),
        accuracy=float(right.mean()),
        ece=float(np.abs(hits - sure).sum() / number),
        bins=tuple(
            Bin(float(low), float(high), int(n), float(s / n) if n else None, float(h / n) if n else None)
            for low, high, n, s, h in zip(edges[:-1], edges[1:], counts, sure, hits, strict=True)
        ),
    )
