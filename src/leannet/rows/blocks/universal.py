"""The blocks of MobileNetV4: the universal inverted bottleneck, and the fused one."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.fields import INPUT, Activation, Flag, Norm, Padding, RowError, Shape, Size, Width
from leannet.rows.layers import Add, Conv, Depthwise, RowBase


class _Bottleneck(BlockBase):
    """What both have."""

    out_channels: Width
    """Channels of the output."""
    expansion_channels: Width
    """Channels in the middle."""
    stride: Size = 1
    """Step in pixels."""
    padding: Padding = "symmetric"
    """Zeros around the feature map: symmetric ((kernel - 1) / 2 on each side, torch code), same (TensorFlow's), valid
    (none), or pixels on each side.
    """
    norm: Norm | None = Norm()
    """Normalization after each convolution; null: none, and biases instead."""
    activation: Activation = "relu"
    """Activation function in the middle."""
    residual: Flag = False
    """Whether the input is added to the output; needs stride 1 and equal widths."""

    def with_residual(self, rows: list[RowBase], x: Shape) -> list[RowBase]:
        """The rows and the sum behind them, if there is one. Raises RowError where it is impossible."""
        if not self.residual:
            return rows
        if self.stride != 1:
            raise RowError("residual", f"a residual needs stride 1, found {self.stride}")
        if self.out_channels != x.channels:
            raise RowError("residual", f"a residual needs equal widths, found {x.channels} in, {self.out_channels} out")
        return [*rows, Add(name="add", inputs=(rows[-1].name, INPUT))]


class UniversalInvertedBottleneck(_Bottleneck):
    """Universal inverted bottleneck (MobileNetV4, 3).

    Two optional depthwise convolutions, before and between the 1x1 ones: with both it is the extra depthwise block,
    with the second an inverted residual, with the first a ConvNext block, with none a feed-forward network.
    """

    kind: Literal["universal_inverted_bottleneck"] = "universal_inverted_bottleneck"
    start_kernel: Size | None = None
    """Height and width of the first depthwise filters in pixels, before the expansion; null: none."""
    kernel: Size | None = None
    """The same behind the expansion; null: none. The last depthwise convolution has the stride."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        if self.stride != 1 and self.start_kernel is None and self.kernel is None:
            raise RowError("stride", f"a stride needs a depthwise convolution, found stride {self.stride} without one")
        shape = {"norm": self.norm, "bias": self.norm is None}
        rows: list[RowBase] = []
        if self.start_kernel is not None:
            stride = self.stride if self.kernel is None else 1
            start = {"kernel": self.start_kernel, "stride": stride, "padding": self.padding}
            rows.append(Depthwise(name="start", **start, **shape))
        rows.append(Conv(name="expand", out_channels=self.expansion_channels, activation=self.activation, **shape))
        if self.kernel is not None:
            middle = {"kernel": self.kernel, "stride": self.stride, "padding": self.padding}
            rows.append(Depthwise(name="depthwise", activation=self.activation, **middle, **shape))
        rows.append(Conv(name="project", out_channels=self.out_channels, **shape))
        return self.with_residual(rows, x)


class FusedInvertedResidual(_Bottleneck):
    """Fused inverted residual (EfficientNetV2, 3.2).

    A dense convolution in place of the expansion and the depthwise convolution.
    """

    kind: Literal["fused_inverted_residual"] = "fused_inverted_residual"
    kernel: Size = 3
    """Height and width of the dense filters in pixels."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        shape = {"norm": self.norm, "bias": self.norm is None}
        dense = {"kernel": self.kernel, "stride": self.stride, "padding": self.padding, "activation": self.activation}
        rows: list[RowBase] = [
            Conv(name="expand", out_channels=self.expansion_channels, **dense, **shape),
            Conv(name="project", out_channels=self.out_channels, **shape),
        ]
        return self.with_residual(rows, x)
