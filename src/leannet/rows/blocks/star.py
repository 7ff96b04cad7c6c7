"""Two blocks of 2023 and 2024: FasterNet's partial convolution, and StarNet's product of two branches."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.fields import INPUT, Activation, Norm, RowError, Shape, Size, Width
from leannet.rows.layers import Add, Concat, Conv, Depthwise, Multiply, RowBase, Slice


class StarBlock(BlockBase):
    """Star block (StarNet, 3.3).

    Two 1x1 convolutions of the same map are multiplied, between two depthwise convolutions; the input is added.

    (C, H, W) -> (C, H, W).
    """

    kind: Literal["star"] = "star"
    expansion_channels: Width
    """Channels of each of the two factors."""
    kernel: Size = 7
    """Height and width of the depthwise filters in pixels."""
    norm: Norm = Norm()
    """Normalization after the first depthwise convolution and the last 1x1 one."""
    activation: Activation = "relu6"
    """Activation function of the first factor."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        factor = {"inputs": ("depthwise_1",), "out_channels": self.expansion_channels, "bias": True}
        return (
            Depthwise(name="depthwise_1", kernel=self.kernel, bias=True, norm=self.norm),
            Conv(name="factor_1", activation=self.activation, **factor),
            Conv(name="factor_2", **factor),
            Multiply(name="star", inputs=("factor_1", "factor_2")),
            Conv(name="project", out_channels=x.channels, bias=True, norm=self.norm),
            Depthwise(name="depthwise_2", kernel=self.kernel, bias=True),
            Add(name="add", inputs=(INPUT, "depthwise_2")),
        )


class PartialBlock(BlockBase):
    """Partial convolution and two 1x1 ones (FasterNet, 3.3).

    The first channels alone are convolved, the others pass; the input is added.

    (C, H, W) -> (C, H, W).
    """

    kind: Literal["partial"] = "partial"
    convolved_channels: Width
    """Channels that are convolved; a quarter in the paper."""
    expansion_channels: Width
    """Channels between the two 1x1 convolutions."""
    kernel: Size = 3
    """Height and width of the partial convolution's filters in pixels."""
    norm: Norm = Norm()
    """Normalization after the first 1x1 convolution, the only one."""
    activation: Activation = "relu"
    """Activation function after it."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        rest = x.channels - self.convolved_channels
        if rest < 1:
            raise RowError("convolved_channels", f"expected fewer than the {x.channels} channels of the input")
        return (
            Slice(name="first", out_channels=self.convolved_channels),
            Slice(name="others", inputs=(INPUT,), start=self.convolved_channels, out_channels=rest),
            Conv(name="partial", inputs=("first",), out_channels=self.convolved_channels, kernel=self.kernel),
            Concat(name="mixed", inputs=("partial", "others")),
            Conv(name="expand", out_channels=self.expansion_channels, norm=self.norm, activation=self.activation),
            Conv(name="project", out_channels=x.channels),
            Add(name="add", inputs=("project", INPUT)),
        )
