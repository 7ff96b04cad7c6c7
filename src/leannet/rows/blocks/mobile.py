"""The blocks of the MobileNets."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.fields import INPUT, Activation, Flag, Norm, Padding, RowError, Shape, Size, Width
from leannet.rows.layers import Add, Conv, Depthwise, GlobalPool, Multiply, RowBase


class Separable(BlockBase):
    """Depthwise separable convolution: a filter a channel, then 1x1 across channels (MobileNets, section 3.1)."""

    kind: Literal["separable"] = "separable"
    out_channels: Width
    kernel: Size = 3
    stride: Size = 1
    padding: Padding = "symmetric"
    norm: Norm | None = Norm()
    activation: Activation = "relu"

    def inside(self, *shapes: Shape) -> Sequence[RowBase]:
        after = {"norm": self.norm, "bias": self.norm is None, "activation": self.activation}
        return (
            Depthwise(name="depthwise", kernel=self.kernel, stride=self.stride, padding=self.padding, **after),
            Conv(name="pointwise", out_channels=self.out_channels, **after),
        )


class SqueezeExcite(BlockBase):
    """Squeeze-and-excitation: each channel scaled by what all channels say of the whole image.

    With biases and without normalisation, and a hard sigmoid for the scale, as in MobileNetV3 (section 5.3).
    """

    kind: Literal["squeeze_excite"] = "squeeze_excite"
    squeeze_channels: Width
    activation: Activation = "relu"
    scale_activation: Activation = "h_sigmoid"

    def inside(self, *shapes: Shape) -> Sequence[RowBase]:
        channels = shapes[0].channels
        return (
            GlobalPool(name="pool"),
            Conv(name="reduce", out_channels=self.squeeze_channels, bias=True, activation=self.activation),
            Conv(name="restore", out_channels=channels, bias=True, activation=self.scale_activation),
            Multiply(name="scale", inputs=(INPUT, "restore")),
        )


class InvertedResidual(BlockBase):
    """Inverted residual with linear bottleneck (MobileNetV2, section 3.3), in V3 with squeeze-and-excitation.

    `expansion_channels` None: no expansion layer, as in MobileNetV2's first block. `residual` is said, not inferred:
    a pruned block whose widths come to agree must not grow a connection it was not trained with.
    """

    kind: Literal["inverted_residual"] = "inverted_residual"
    out_channels: Width
    expansion_channels: Width | None = None
    kernel: Size = 3
    stride: Size = 1
    padding: Padding = "symmetric"
    norm: Norm | None = Norm()
    activation: Activation = "relu6"
    project_activation: Activation = "linear"
    squeeze_channels: Width | None = None
    squeeze_activation: Activation = "relu"
    scale_activation: Activation = "h_sigmoid"
    residual: Flag = False

    def inside(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        if self.residual and self.stride != 1:
            raise RowError("residual", f"a residual needs stride 1, found {self.stride}")
        if self.residual and self.out_channels != x.channels:
            raise RowError("residual", f"a residual needs equal widths, found {x.channels} in, {self.out_channels} out")
        shape = {"norm": self.norm, "bias": self.norm is None}
        rows: list[RowBase] = []
        if self.expansion_channels is not None:
            rows.append(Conv(name="expand", out_channels=self.expansion_channels, activation=self.activation, **shape))
        rows.append(
            Depthwise(
                name="depthwise",
                kernel=self.kernel,
                stride=self.stride,
                padding=self.padding,
                activation=self.activation,
                **shape,
            )
        )
        if self.squeeze_channels is not None:
            rows.append(
                SqueezeExcite(
                    name="squeeze_excite",
                    squeeze_channels=self.squeeze_channels,
                    activation=self.squeeze_activation,
                    scale_activation=self.scale_activation,
                )
            )
        rows.append(Conv(name="project", out_channels=self.out_channels, activation=self.project_activation, **shape))
        if self.residual:
            rows.append(Add(name="add", inputs=("project", INPUT)))
        return rows
