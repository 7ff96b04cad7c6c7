"""What operations compute with: the ranges of integers, and filters. No torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Range:
    """The values that 8-bit integers stand for: scale * (integer - zero_point), for integers of 0 to 255."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, low: float, high: float) -> "Range":
        """The range from low to high, extended so that it holds 0, which is exactly one of its values."""
        low, high = min(low, 0.0), max(high, 0.0)
        # Where all is 0, as behind filters that never fire, any scale is right, and a tiny one overflows in runtimes.
        scale = (high - low) / 255 if high - low > 1e-6 else 1.0
        return cls(scale, int(np.clip(round(-low / scale), 0, 255)))

    def within(self, low: float, high: float) -> "Range":
        """The range of those of its values that lie between low and high."""
        least, most = self.dequantize(np.array([0.0, 255.0]))
        return Range.of(float(np.clip(least, low, high)), float(np.clip(most, low, high)))

    def quantize(self, x: Array) -> Array:
        """Values as integers, 0 to 255."""
        return np.clip(np.rint(x / self.scale) + self.zero_point, 0, 255)

    def dequantize(self, integers: Array) -> Array:
        """What integers stand for."""
        return (integers - self.zero_point) * self.scale

    def fake_quantize(self, x: Array) -> Array:
        """Values quantized and dequantized."""
        return self.dequantize(self.quantize(x))


@dataclass(frozen=True, eq=False)
class Filters:
    """Weights (O, I, K, K) or (O, I), and biases (O,), if any.

    scales: of integers, (O,): a weight stands for its integer times its filter's scale; bias_scales: of biases.
    """

    weight: Array
    bias: Array | None
    scales: Array | None = None
    bias_scales: Array | None = None

    @property
    def floats(self) -> tuple[Array, Array]:
        """What they stand for, weights and biases."""
        weight = self.weight.astype(np.float64)
        bias = np.zeros(len(weight)) if self.bias is None else self.bias.astype(np.float64)
        if self.scales is not None and self.bias_scales is not None:
            weight, bias = weight * self.scales.reshape(-1, *[1] * (weight.ndim - 1)), bias * self.bias_scales
        return weight, bias
