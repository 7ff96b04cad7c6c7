"""The layers that only move values, or copy them. As the other kinds, nothing here needs torch."""

from typing import Annotated, Literal

from pydantic import Field

from leannet.rows.base import LayerBase
from leannet.rows.fields import RowError, Shape, Width


class Flatten(LayerBase):
    """All values as one vector, in (C, H, W) order.

    (C, H, W) -> (C * H * W, 1, 1).
    """

    kind: Literal["flatten"] = "flatten"

    def out_shape(self, *shapes: Shape) -> Shape:
        return Shape(shapes[0].elements, 1, 1)


class Concat(LayerBase):
    """Its inputs concatenated along channels.

    (C1, H, W), (C2, H, W), ... -> (C1 + C2 + ..., H, W).
    """

    kind: Literal["concat"] = "concat"
    arity = None

    def out_shape(self, *shapes: Shape) -> Shape:
        if len({shape[1:] for shape in shapes}) > 1:
            raise RowError(
                "inputs", "expected inputs of the same height and width, found " + " and ".join(map(str, shapes))
            )
        return Shape(sum(shape.channels for shape in shapes), *shapes[0][1:])


class Upsample(LayerBase):
    """Nearest-neighbor upsampling, as in a feature pyramid.

    (C, H, W) -> (C, factor * H, factor * W).
    """

    kind: Literal["upsample"] = "upsample"
    factor: Annotated[int, Field(strict=True, ge=2)] = 2
    """How often each pixel is repeated in each direction."""

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        return Shape(x.channels, x.height * self.factor, x.width * self.factor)


class Resize(LayerBase):
    """Nearest-neighbor resizing to its second input's size.

    Of the second only height and width are read, as behind the gate of GhostNetV2.

    (C, H, W), (C', H', W') -> (C, H', W').
    """

    kind: Literal["resize"] = "resize"
    arity = 2

    def out_shape(self, *shapes: Shape) -> Shape:
        x, like = shapes
        return Shape(x.channels, like.height, like.width)


class Shuffle(LayerBase):
    """Channel shuffle (ShuffleNet, section 3.1).

    The channels of the groups interleaved: with n channels a group, channel g * n + i moves to i * groups + g.
    """

    kind: Literal["shuffle"] = "shuffle"
    groups: Annotated[int, Field(strict=True, ge=2)]
    """Groups of channels to interleave; divides the channels."""

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        if x.channels % self.groups:
            raise RowError("groups", f"{self.groups} groups do not divide {x.channels} channels")
        return x


class Slice(LayerBase):
    """Some neighboring channels, as in a channel split.

    Two of them are the channel split of ShuffleNetV2.

    (C, H, W) -> (out_channels, H, W).
    """

    kind: Literal["slice"] = "slice"
    start: Annotated[int, Field(strict=True, ge=0)] = 0
    """The first channel that is taken, counted from 0."""
    out_channels: Width
    """How many channels are taken."""

    def out_shape(self, *shapes: Shape) -> Shape:
        (x,) = shapes
        if self.start + self.out_channels > x.channels:
            last = self.start + self.out_channels - 1
            raise RowError("out_channels", f"expected some of {x.channels} channels, found {self.start} to {last}")
        return Shape(self.out_channels, *x[1:])


class Shift(LayerBase):
    """Moves the feature map one pixel up and to the left.

    Zeros fill what is free; a stride of 2 then reads the odd pixels.
    """

    kind: Literal["shift"] = "shift"

    def out_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]
