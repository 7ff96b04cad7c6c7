"""Layers: the rows that have nothing inside. Each knows the shape it makes; nothing here needs torch.

Every other row is a block, and a block is again a table of rows (blocks.py). So whoever reads a table, be it the
counter, the builder, the painter or the pruner, needs to know the few kinds of this file only.
"""

import abc
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from leannet.rows.fields import (
    Activation,
    Flag,
    Frozen,
    Name,
    Norm,
    Padding,
    Rate,
    RowError,
    Shape,
    Size,
    Width,
    window,
)


class RowBase(Frozen, abc.ABC):
    """What every row has: a name, what it reads, and whose weights it uses."""

    name: Name
    inputs: tuple[Name, ...] = ()  # none: the row above, or for the first row the table's input
    shares: Name | None = None  # a row above, of the same kind and widths, whose weights are this row's too

    arity: ClassVar[int | None] = 1  # how many inputs; None: two or more


class LayerBase(RowBase):
    """A row with nothing inside."""

    @abc.abstractmethod
    def out_shape(self, *shapes: Shape) -> Shape:
        """The shape made of the input shapes. Raises RowError, which names the field that cannot be."""


class Conv(LayerBase):
    """Convolution, then normalisation, then activation."""

    kind: Literal["conv"] = "conv"
    out_channels: Width
    kernel: Size = 1
    stride: Size = 1
    padding: Padding = "symmetric"
    groups: Size = 1
    bias: Flag = False
    norm: Norm | None = None
    activation: Activation = "linear"

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        for field, channels in (("groups", x.channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise RowError(field, f"{self.groups} groups do not divide {channels} channels")
        return Shape(self.out_channels, *window(x, self.kernel, self.stride, self.padding))


class Depthwise(LayerBase):
    """One filter for each channel, so it has no width of its own; then normalisation, then activation."""

    kind: Literal["depthwise"] = "depthwise"
    kernel: Size = 3
    stride: Size = 1
    padding: Padding = "symmetric"
    bias: Flag = False
    norm: Norm | None = None
    activation: Activation = "linear"

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        return Shape(x.channels, *window(x, self.kernel, self.stride, self.padding))


class Linear(LayerBase):
    """Fully connected, over all that comes in, flattened in (C, H, W) order; then activation."""

    kind: Literal["linear"] = "linear"
    out_channels: Width
    bias: Flag = True
    activation: Activation = "linear"

    def out_shape(self, *shapes: Shape) -> Shape:
        return Shape(self.out_channels, 1, 1)


class Pool(LayerBase):
    """The largest or the mean of each window. Padding does not count towards a mean."""

    kind: Literal["pool"] = "pool"
    op: Literal["max", "average"]
    kernel: Size
    stride: Size
    padding: Padding = "valid"
    ceil: Flag = False

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        if isinstance(self.padding, int) and self.padding > self.kernel // 2:
            raise RowError("padding", f"a padding of {self.padding} is more than half the kernel of {self.kernel}")
        return Shape(x.channels, *window(x, self.kernel, self.stride, self.padding, self.ceil))


class GlobalPool(LayerBase):
    """The mean of each channel over the whole image, or over each of `size` x `size` parts of it."""

    kind: Literal["global_pool"] = "global_pool"
    size: Size = 1

    def out_shape(self, *shapes: Shape) -> Shape:
        return Shape(shapes[0].channels, self.size, self.size)


class Flatten(LayerBase):
    """All that comes in as one vector, in (C, H, W) order."""

    kind: Literal["flatten"] = "flatten"

    def out_shape(self, *shapes: Shape) -> Shape:
        return Shape(shapes[0].elements, 1, 1)


class Dropout(LayerBase):
    """In training, zeroes a share of what comes in and scales up the rest."""

    kind: Literal["dropout"] = "dropout"
    rate: Rate

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


class Activate(LayerBase):
    """An activation that stands alone, as before the convolutions of a NASNet cell."""

    kind: Literal["activate"] = "activate"
    activation: Activation

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


class Add(LayerBase):
    """The sum of inputs of one shape, then activation: every residual ends in it."""

    kind: Literal["add"] = "add"
    activation: Activation = "linear"
    arity = None

    def out_shape(self, *shapes: Shape) -> Shape:
        if len(set(shapes)) > 1:
            raise RowError("inputs", "adds only what has one shape, found " + " and ".join(map(str, shapes)))
        return shapes[0]


class Multiply(LayerBase):
    """The first input scaled by the second, which has one value a channel: the end of squeeze-and-excitation."""

    kind: Literal["multiply"] = "multiply"
    arity = 2

    def out_shape(self, *shapes: Shape) -> Shape:
        x, scale = shapes
        if scale != Shape(x.channels, 1, 1):
            raise RowError("inputs", f"scales {x} by one value a channel, found {scale}")
        return x


class Concat(LayerBase):
    """Inputs of one height and width, behind each other in channels."""

    kind: Literal["concat"] = "concat"
    arity = None

    def out_shape(self, *shapes: Shape) -> Shape:
        if len({shape[1:] for shape in shapes}) > 1:
            raise RowError("inputs", "joins only one height and width, found " + " and ".join(map(str, shapes)))
        return Shape(sum(shape.channels for shape in shapes), *shapes[0][1:])


class Upsample(LayerBase):
    """Each pixel repeated `factor` times in both directions, as in a feature pyramid."""

    kind: Literal["upsample"] = "upsample"
    factor: Annotated[int, Field(strict=True, ge=2)] = 2

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        return Shape(x.channels, x.height * self.factor, x.width * self.factor)


class Shuffle(LayerBase):
    """Channels dealt out anew, one from each group in turn (ShuffleNet, section 3.1).

    Of n channels a group, channel g * n + i goes to i * groups + g.
    """

    kind: Literal["shuffle"] = "shuffle"
    groups: Annotated[int, Field(strict=True, ge=2)]

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        if x.channels % self.groups:
            raise RowError("groups", f"{self.groups} groups do not divide {x.channels} channels")
        return x


class Slice(LayerBase):
    """Some neighbouring channels: the channel split of ShuffleNetV2."""

    kind: Literal["slice"] = "slice"
    start: Annotated[int, Field(strict=True, ge=0)] = 0
    out_channels: Width

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        if self.start + self.out_channels > x.channels:
            raise RowError("out_channels", f"channels {self.start} to {self.start + self.out_channels} of {x.channels}")
        return Shape(self.out_channels, *x[1:])


class LocalResponse(LayerBase):
    """Local response normalisation across channels (AlexNet, section 3.3).

    x / (k + alpha / size * the sum of squares of `size` neighbouring channels)^beta.
    """

    kind: Literal["local_response"] = "local_response"
    size: Size = 5
    alpha: Annotated[float, Field(gt=0)] = 1e-4
    beta: Annotated[float, Field(gt=0)] = 0.75
    k: Annotated[float, Field(gt=0)] = 1.0

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


class Shift(LayerBase):
    """The image one pixel up and to the left, zeros coming in: a stride of 2 then sees the odd pixels."""

    kind: Literal["shift"] = "shift"

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


class Normalize(LayerBase):
    """Normalisation that stands alone, as behind the joined halves of a NASNet cell."""

    kind: Literal["normalize"] = "normalize"
    norm: Norm = Norm()

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


Layer = (
    Conv
    | Depthwise
    | Linear
    | Pool
    | GlobalPool
    | Flatten
    | Dropout
    | Activate
    | Add
    | Multiply
    | Concat
    | Upsample
    | Shuffle
    | Slice
    | LocalResponse
    | Shift
    | Normalize
)
