"""scikit-learn's 1,797 real handwritten digits of 8 x 8 pixels: the built-in default."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import Dataset


@dataclass(frozen=True)
class _Arrays:
    arrays: NDArray[np.uint8]

    def __call__(self, index: int) -> NDArray[np.uint8]:
        return self.arrays[index]


def open_digits() -> Dataset:
    """The digits, with their grey levels scaled from 0..16 to 0..255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    arrays = np.round(digits.images * (255 / 16)).astype(np.uint8)
    names = tuple(f"digit {number}" for number in range(len(arrays)))
    classes = tuple(str(digit) for digit in range(10))
    labels = digits.target.astype(np.int64)
    return Dataset("scikit-learn's digits", "digits", classes, names, labels, (None,) * len(arrays), _Arrays(arrays))
