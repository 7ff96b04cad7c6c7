"""Layers: the rows that have nothing inside. Each computes the shape of its output; nothing here needs torch.

Every other row is a block, and a block stands for rows again (blocks/). So whoever reads an architecture, be it the
counter, the builder or the painter, needs to know the few kinds of this file only.
"""

from typing import Annotated, Literal

from pydantic import Field

from leannet.rows.base import LayerBase as LayerBase
from leannet.rows.base import RowBase as RowBase
from leannet.rows.deciding import Choose as Choose
from leannet.rows.deciding import Decide as Decide
from leannet.rows.deciding import Largest as Largest
from leannet.rows.deciding import Softmax as Softmax
from leannet.rows.deciding import Zeros as Zeros
from leannet.rows.fields import Activation, Flag, Norm, Padding, Rate, RowError, Shape, Size, Width, window
from leannet.rows.finding import TopBoxes as TopBoxes
from leannet.rows.moving import Concat as Concat
from leannet.rows.moving import Flatten as Flatten
from leannet.rows.moving import Resize as Resize
from leannet.rows.moving import Shift as Shift
from leannet.rows.moving import Shuffle as Shuffle
from leannet.rows.moving import Slice as Slice
from leannet.rows.moving import Upsample as Upsample


class Conv(LayerBase):
    """Convolution, then normalization, then activation.

    (C, H, W) -> (out_channels, H / stride, W / stride), with symmetric padding and an odd kernel.
    """

    kind: Literal["conv"] = "conv"
    out_channels: Width
    """Channels of the output."""
    kernel: Size = 1
    """Height and width of the filters in pixels."""
    kernel_width: Size | None = None
    """Width of the filters, where it is not their height; null: as `kernel`."""
    stride: Size = 1
    """Step of the window in pixels; 2 halves height and width."""
    padding: Padding = "symmetric"
    """Zeros around the feature map: symmetric ((kernel - 1) / 2 on each side, torch code), same (TensorFlow's), valid
    (none), or pixels on each side.
    """
    groups: Size = 1
    """Groups of channels that are convolved apart; divides input and output channels."""
    bias: Flag = False
    """Whether each output channel has a bias."""
    norm: Norm | None = None
    """Normalization after the convolution; null: none."""
    activation: Activation = "linear"
    """Activation function, after the normalization."""

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the filters."""
        return self.kernel, self.kernel_width or self.kernel

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        for field, channels in (("groups", x.channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise RowError(field, f"{self.groups} groups do not divide {channels} channels")
        return Shape(self.out_channels, *window(x, self.sides, self.stride, self.padding))


class TransposedConv(LayerBase):
    """Transposed convolution, which enlarges a map.

    Then normalization, then activation. Each pixel of the input adds a filter's window, times its value, to the output:
    a convolution of stride `stride` the other way round. CenterNet enlarges its maps so (arXiv 1904.07850, section 5).

    (C, H, W) -> (out_channels, H * stride, W * stride).
    """

    kind: Literal["transposed_conv"] = "transposed_conv"
    out_channels: Width
    """Channels of the output."""
    kernel: Size = 4
    """Height and width of the filters in pixels; at least `stride`, and even where it is even."""
    stride: Size = 2
    """How many times higher and wider the output is."""
    bias: Flag = False
    """Whether each output channel has a bias."""
    norm: Norm | None = None
    """Normalization after the convolution; null: none."""
    activation: Activation = "linear"
    """Activation function, after the normalization."""

    @property
    def cut(self) -> int:
        """Pixels that are left out on each side of what the windows cover."""
        return (self.kernel - self.stride) // 2

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        if self.kernel < self.stride or (self.kernel - self.stride) % 2:
            raise RowError(
                "kernel", f"expected the stride of {self.stride}, or more by an even number, found {self.kernel}"
            )
        return Shape(self.out_channels, x.height * self.stride, x.width * self.stride)


class Depthwise(LayerBase):
    """Depthwise convolution, normalization, activation.

    One filter a channel, so it has no width of its own.

    (C, H, W) -> (C, H / stride, W / stride), with symmetric padding and an odd kernel.
    """

    kind: Literal["depthwise"] = "depthwise"
    kernel: Size = 3
    """Height and width of the filters in pixels."""
    kernel_width: Size | None = None
    """Width of the filters, where it is not their height; null: as `kernel`."""
    stride: Size = 1
    """Step of the window in pixels; 2 halves height and width."""
    padding: Padding = "symmetric"
    """Zeros around the feature map: symmetric ((kernel - 1) / 2 on each side, torch code), same (TensorFlow's), valid
    (none), or pixels on each side.
    """
    bias: Flag = False
    """Whether each channel has a bias."""
    norm: Norm | None = None
    """Normalization after the convolution; null: none."""
    activation: Activation = "linear"
    """Activation function, after the normalization."""

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the filters."""
        return self.kernel, self.kernel_width or self.kernel

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        return Shape(x.channels, *window(x, self.sides, self.stride, self.padding))


class Linear(LayerBase):
    """Fully connected, then activation.

    The input is flattened in (C, H, W) order.

    (C, H, W) -> (out_channels, 1, 1).
    """

    kind: Literal["linear"] = "linear"
    out_channels: Width
    """Length of the output vector; in the last row the number of classes."""
    bias: Flag = True
    """Whether each output has a bias."""
    activation: Activation = "linear"
    """Activation function of the output."""

    def out_shape(self, *shapes: Shape) -> Shape:
        return Shape(self.out_channels, 1, 1)


MIXING = (Conv, TransposedConv, Linear)  # layers that make channels of their own, each of all that a group reads


class Pool(LayerBase):
    """Max pooling or average pooling.

    Padding does not count towards a mean.

    (C, H, W) -> (C, H', W'), one value a window.
    """

    kind: Literal["pool"] = "pool"
    op: Literal["max", "average"]
    """What is taken of each window."""
    kernel: Size
    """Height and width of the window in pixels."""
    stride: Size
    """Step of the window in pixels."""
    padding: Padding = "valid"
    """Padding around the feature map: symmetric ((kernel - 1) / 2 on each side, torch code), same (TensorFlow's),
    valid (none), or pixels on each side. It never counts towards a mean or a maximum.
    """
    ceil: Flag = False
    """Whether a last window may end beyond the feature map, as in Caffe; false: such a window is left out."""

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        if isinstance(self.padding, int) and self.padding > self.kernel // 2:
            raise RowError("padding", f"a padding of {self.padding} is more than half the kernel of {self.kernel}")
        return Shape(x.channels, *window(x, (self.kernel, self.kernel), self.stride, self.padding, self.ceil))


class GlobalPool(LayerBase):
    """Global average pooling.

    The mean of each channel, or the mean of each of `size` x `size` equal cells of it.

    (C, H, W) -> (C, size, size).
    """

    kind: Literal["global_pool"] = "global_pool"
    size: Size = 1
    """Height and width of the output; 1: one mean a channel."""

    def out_shape(self, *shapes: Shape) -> Shape:
        return Shape(shapes[0].channels, self.size, self.size)


class Dropout(LayerBase):
    """Dropout: zeroes values at random in training.

    The values that remain are scaled up, so that their mean stays. Outside training nothing happens.
    """

    kind: Literal["dropout"] = "dropout"
    rate: Rate
    """Fraction of the values that is zeroed, from 0 to below 1."""

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


class Activate(LayerBase):
    """An activation function by itself.

    As before the convolutions of a NASNet cell.
    """

    kind: Literal["activate"] = "activate"
    activation: Activation
    """The activation function."""

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


class Add(LayerBase):
    """The sum of its inputs, then activation.

    Every residual block ends in it. All inputs have the same shape.
    """

    kind: Literal["add"] = "add"
    activation: Activation = "linear"
    """Activation function of the sum."""
    average: Flag = False
    """Whether the sum is divided by the number of inputs."""
    arity = None

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(set(shapes)) > 1:
            raise RowError("inputs", "expected inputs of the same shape, found " + " and ".join(map(str, shapes)))
        return shapes[0]


class Multiply(LayerBase):
    """The first input times the second.

    (C, H, W), (C, H, W) or (C, 1, 1), as in squeeze-and-excitation -> (C, H, W).
    """

    kind: Literal["multiply"] = "multiply"
    arity = 2

    def out_shape(self, *shapes: Shape) -> Shape:
        x, scale = shapes
        if scale not in (x, Shape(x.channels, 1, 1)):
            raise RowError("inputs", f"expected {x} or one value a channel of it as second input, found {scale}")
        return x


class LocalResponse(LayerBase):
    """Local response normalization (AlexNet, section 3.3).

    x / (k + alpha / size * the sum of squares of `size` neighboring channels)^beta.
    """

    kind: Literal["local_response"] = "local_response"
    size: Size = 5
    """How many neighboring channels are summed."""
    alpha: Annotated[float, Field(gt=0)] = 1e-4
    """Factor of the sum of squares, before it is divided by `size`."""
    beta: Annotated[float, Field(gt=0)] = 0.75
    """Exponent of the divisor."""
    k: Annotated[float, Field(gt=0)] = 1.0
    """What the divisor starts from."""

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


class Normalize(LayerBase):
    """Normalization by itself.

    As behind the concatenated halves in a NASNet cell.
    """

    kind: Literal["normalize"] = "normalize"
    norm: Norm = Norm()
    """Normalization, with its epsilon and momentum."""

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


LAYERS: tuple[type[LayerBase], ...] = (
    Conv, TransposedConv, Depthwise, Linear, Pool, GlobalPool, Flatten, Dropout, Activate, Add,
    Multiply, Concat, Upsample, Resize, Shuffle, Slice, LocalResponse, Shift, Normalize,
    Softmax, Largest, Zeros, Decide, Choose, TopBoxes,
)  # fmt: skip
