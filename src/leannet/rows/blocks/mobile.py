"""The blocks of the MobileNets."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase, ResidualBase
from leannet.rows.fields import INPUT, Activation, Flag, Norm, Padding, RowError, Shape, Size, Width
from leannet.rows.layers import Add, Conv, Depthwise, GlobalPool, Multiply, RowBase


class Separable(BlockBase):
    """Depthwise separable convolution (MobileNets, 3.1).

    A filter a channel, then a 1x1 convolution across channels.
    """

    kind: Literal["separable"] = "separable"
    out_channels: Width
    """Channels of the output."""
    kernel: Size = 3
    """Height and width of the depthwise filters in pixels."""
    stride: Size = 1
    """Step of the depthwise convolution in pixels."""
    padding: Padding = "symmetric"
    """Zeros around the feature map: symmetric ((kernel - 1) / 2 on each side, torch code), same (TensorFlow's), valid
    (none), or pixels on each side.
    """
    norm: Norm | None = Norm()
    """Normalization after both convolutions; null: none, and biases instead."""
    activation: Activation = "relu"
    """Activation function after both convolutions."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        after = {"norm": self.norm, "bias": self.norm is None, "activation": self.activation}
        return (
            Depthwise(name="depthwise", kernel=self.kernel, stride=self.stride, padding=self.padding, **after),
            Conv(name="pointwise", out_channels=self.out_channels, **after),
        )


class SqueezeExcite(BlockBase):
    """Squeeze-and-excitation: scales each channel.

    The scales come from the means of all channels, through two 1x1 convolutions with biases and without normalization.
    The defaults are those of MobileNetV3 (section 5.3): ReLU, then a hard sigmoid.
    """

    kind: Literal["squeeze_excite"] = "squeeze_excite"
    squeeze_channels: Width
    """Channels between the two 1x1 convolutions."""
    activation: Activation = "relu"
    """Activation function of the first 1x1 convolution."""
    scale_activation: Activation = "h_sigmoid"
    """Activation function of the second, which makes the scales."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        channels = shapes[0].channels
        return (
            GlobalPool(name="pool"),
            Conv(name="reduce", out_channels=self.squeeze_channels, bias=True, activation=self.activation),
            Conv(name="restore", out_channels=channels, bias=True, activation=self.scale_activation),
            Multiply(name="scale", inputs=(INPUT, "restore")),
        )


class InvertedResidual(ResidualBase):
    """Inverted residual, linear bottleneck (MobileNetV2, 3.3).

    In MobileNetV3 with squeeze-and-excitation. `residual` is a field and not inferred: a pruned block whose widths come
    to agree must not get a shortcut that it was not trained with.
    """

    kind: Literal["inverted_residual"] = "inverted_residual"
    out_channels: Width
    """Channels of the output."""
    expansion_channels: Width | None = None
    """Channels of the depthwise convolution; null: those of the input, without a 1x1 convolution before it."""
    kernel: Size = 3
    """Height and width of the depthwise filters in pixels."""
    stride: Size = 1
    """Step of the depthwise convolution in pixels."""
    padding: Padding = "symmetric"
    """Zeros around the feature map: symmetric ((kernel - 1) / 2 on each side, torch code), same (TensorFlow's), valid
    (none), or pixels on each side.
    """
    norm: Norm | None = Norm()
    """Normalization after each convolution; null: none, and biases instead."""
    activation: Activation = "relu6"
    """Activation function after the expansion and the depthwise convolution."""
    project_activation: Activation = "linear"
    """Activation function of the output; linear is the paper's linear bottleneck."""
    squeeze_channels: Width | None = None
    """Channels inside squeeze-and-excitation, behind the depthwise convolution; null: none."""
    squeeze_activation: Activation = "relu"
    """Activation function inside squeeze-and-excitation."""
    scale_activation: Activation = "h_sigmoid"
    """Activation function of its scales."""
    residual: Flag = False
    """Whether the input is added to the output; needs stride 1 and equal widths."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        x = shapes[0]
        if len(shapes) > 1 and not self.residual:
            raise RowError("residual", "only a block with a residual can be skipped, and so read a decision")
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
        return self._gated(rows, shapes)
