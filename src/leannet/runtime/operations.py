"""Operations: what rows are lowered to, once, for every format. No torch.

There are fewer kinds than layers: batch norm is folded into filters, dropout is gone, an activation function is an
operation of its own, or one at the end of another (`with_epilogues`), and a sum has two inputs. What a format cannot
spell it refuses by name before it begins. Values are (N, C, H, W), and may be integers: a value with a range stands for
scale * (integer - zero_point).
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from leannet.preprocessing import Preprocessing
from leannet.rows import Activation, Shape
from leannet.runtime.values import Array as Array
from leannet.runtime.values import Filters as Filters
from leannet.runtime.values import Range as Range

Part = Literal["boxes", "scores", "classes"]
PARTS: tuple[Part, ...] = get_args(Part)
BEFORE = ":before"  # PATH:before is what a layer makes before its activation function


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """One operation. Its output has its name: the path of the layer that it completes, or that and a word behind it.

    layer: the path of the layer that it comes from. shape: of its output, (C, H, W). range: of an output of integers.
    """

    name: str
    inputs: tuple[str, ...]
    layer: str
    shape: Shape
    range: Range | None = None

    @property
    def copied(self) -> tuple[str, ...]:
        """The inputs of which it only copies or chooses values, so that integers stay what they are; none: it
        computes."""
        return ()

    @property
    def copies(self) -> bool:
        """Whether it only copies or chooses values."""
        return bool(self.copied)


@dataclass(frozen=True, kw_only=True, eq=False)
class Images(Operation):
    """Images (N, height, width, C) uint8 as the network reads them: resized where they are not `sized`, scaled, and
    normalized. It is only ever the first."""

    preprocessing: Preprocessing
    sized: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant(Operation):
    """A constant of its shape, or of 1 x 1."""

    value: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolve(Operation):
    """A convolution. pads: zeros above, left, below and right; of integers, those that stand for 0."""

    filters: Filters
    stride: int
    pads: tuple[int, int, int, int]
    groups: int = 1
    activation: Activation = "linear"  # at its end

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the filters."""
        height, width = self.filters.weight.shape[-2:]
        return int(height), int(width)

    @property
    def depthwise(self) -> bool:
        """Whether each filter reads a channel of its own."""
        return self.filters.weight.shape[1] == 1 and self.groups == len(self.filters.weight)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvolveTransposed(Operation):
    """A transposed convolution. cut: pixels that are left out on each side of what the windows cover."""

    filters: Filters
    stride: int
    cut: int
    activation: Activation = "linear"  # at its end

    @property
    def kernel(self) -> int:
        """Height and width of the filters."""
        return int(self.filters.weight.shape[-1])


@dataclass(frozen=True, kw_only=True, eq=False)
class FullyConnect(Operation):
    """A fully connected layer over the values of its input, in (C, H, W) order."""

    filters: Filters
    activation: Activation = "linear"


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Operation):
    """The largest of each window, or its mean. pads: above, left, below and right; they do not count."""

    op: Literal["max", "average"]
    kernel: int
    stride: int
    pads: tuple[int, int, int, int]

    @property
    def copied(self) -> tuple[str, ...]:
        return self.inputs if self.op == "max" else ()

    def pixels_in_windows(self, shape: Shape) -> Array:
        """(H', W'): how many pixels of each window are of the map, not zeros around it. shape: of the input."""
        sides = []
        for size, before, length in zip(shape[1:], self.pads[:2], self.shape[1:], strict=True):
            starts = np.arange(length) * self.stride - before
            sides.append(np.minimum(starts + self.kernel, size) - np.maximum(starts, 0))
        return np.outer(*sides)


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanOfParts(Operation):
    """The means of size x size parts of the map, which overlap where they do not divide it; size 1: of all of it."""

    size: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Sum(Operation):
    """The sum of two values."""

    activation: Activation = "linear"


@dataclass(frozen=True, kw_only=True, eq=False)
class Multiply(Operation):
    """The product of two values; the second may have one value a channel, or one alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale(Operation):
    """x * scale + shift, both (C,)."""

    scale: Array
    shift: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Activate(Operation):
    """An activation function."""

    kind: Activation


@dataclass(frozen=True, kw_only=True, eq=False)
class Copying(Operation):
    """What only moves values."""

    @property
    def copied(self) -> tuple[str, ...]:
        return self.inputs


@dataclass(frozen=True, kw_only=True, eq=False)
class Concatenate(Copying):
    """Values concatenated along channels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Flatten(Copying):
    """All values as channels, in (C, H, W) order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shuffle(Copying):
    """Channels of groups interleaved."""

    groups: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice(Copying):
    """Neighboring channels."""

    start: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Upsample(Copying):
    """Each pixel factor x factor times; None: the nearest pixel of a map that its own does not divide."""

    factor: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Shift(Operation):
    """The map one pixel up and to the left, zeros where it was."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax(Operation):
    """Softmax over channels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Largest(Operation):
    """The largest channel."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Decide(Operation):
    """1 where a value is above a threshold, else 0."""

    threshold: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Choose(Operation):
    """The first of two values where a decision, the third input, is 1, and the second where it is 0."""

    @property
    def copied(self) -> tuple[str, ...]:
        return self.inputs[:2]


@dataclass(frozen=True, kw_only=True, eq=False)
class Zeros(Operation):
    """Zeros of its shape for each image."""


@dataclass(frozen=True, eq=False)
class Body:
    """One side of a branch: its operations, and the value that it gives, which may be one from outside."""

    steps: tuple[Operation, ...]
    value: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Branch(Operation):
    """One of two bodies, by a decision, image by image: the first where it is 1. It reads the decision, then what the
    bodies read from outside."""

    sides: tuple[Body, Body]


@dataclass(frozen=True, kw_only=True, eq=False)
class TopBoxes(Operation):
    """The most likely objects (6, of_all, 1) of maps of classes and of sides in turn, as the row `top_boxes` says.

    units: of each level, the pixels that 1 of a map of sides is. places: how many are taken.
    """

    strides: tuple[int, ...]
    units: tuple[int, ...]
    places: int

    @property
    def of_all(self) -> int:
        """How many objects there are."""
        return self.shape.height


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundPart(Operation):
    """What leaves a network of the objects that `TopBoxes` gives: their boxes (of_all, 4, 1), scores or classes."""

    part: Part


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalResponse(Operation):
    """x / (k + alpha / size * the sum of squares of `size` neighboring channels)^beta."""

    size: int
    alpha: float
    beta: float
    k: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantize(Operation):
    """Floats as integers of a range, or integers as those of another range."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reread(Operation):
    """The same integers, of another range."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dequantize(Operation):
    """Integers as floats."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Open(Operation):
    """Integers as floats, with a scale for each channel, though all are the same."""


def activation_of(step: Operation) -> str:
    """The activation function that an operation is, or ends with."""
    return step.kind if isinstance(step, Activate) else str(getattr(step, "activation", "linear"))
