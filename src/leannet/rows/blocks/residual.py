"""The blocks of the ResNets."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import ResidualBase
from leannet.rows.fields import INPUT, Activation, Flag, Norm, RowError, Shape, Size, Width
from leannet.rows.layers import Add, Conv, RowBase


class _Residual(ResidualBase):
    """What both have: an output width, a stride, and a shortcut that is the input itself or a 1x1 projection of it.

    An image that skips the block takes the shortcut (SkipNet, section 3.1).
    """

    out_channels: Width
    """Channels of the output."""
    stride: Size = 1
    """Step in pixels of the first 3x3 convolution and of the projection."""
    project: Flag = False
    """Whether the shortcut is a 1x1 convolution; false: the input itself, at stride 1 and equal widths."""
    norm: Norm | None = Norm()
    """Normalization after each convolution; null: none, and biases instead."""
    activation: Activation = "relu"
    """Activation function after each convolution, and of the sum."""

    def _conv(self, name: str, channels: int, kernel: int, stride: int = 1, last: bool = False) -> Conv:
        return Conv(
            name=name,
            out_channels=channels,
            kernel=kernel,
            stride=stride,
            bias=self.norm is None,
            norm=self.norm,
            activation="linear" if last else self.activation,
        )

    def _with_shortcut(self, shapes: Sequence[Shape], branch: list[RowBase]) -> Sequence[RowBase]:
        x = shapes[0]
        if not self.project and (self.stride != 1 or x.channels != self.out_channels):
            raise RowError(
                "project",
                f"the input itself can be added at stride 1 and equal widths only, found stride {self.stride}, "
                f"{x.channels} in, {self.out_channels} out",
            )
        shortcut = INPUT
        if self.project:
            row = self._conv("shortcut", self.out_channels, 1, self.stride, last=True)
            branch.append(row.model_copy(update={"inputs": (INPUT,)}))
            shortcut = "shortcut"
        last = [row.name for row in branch if row.name != "shortcut"][-1]
        rows = [*branch, Add(name="add", inputs=(last, shortcut), activation=self.activation)]
        return self._gated(rows, shapes, shortcut)


class BasicResidual(_Residual):
    """Basic residual block (ResNet, figure 5 left).

    Two 3x3 convolutions around which the input is added.
    """

    kind: Literal["basic_residual"] = "basic_residual"
    inner_channels: Width | None = None
    """Channels between the two convolutions; null: as many as of the output."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        return self._with_shortcut(
            shapes,
            [
                self._conv("conv_1", self.inner_channels or self.out_channels, 3, self.stride),
                self._conv("conv_2", self.out_channels, 3, last=True),
            ],
        )


class BottleneckResidual(_Residual):
    """Bottleneck residual block (ResNet, figure 5 right).

    1x1, 3x3 and 1x1 convolutions around which the input is added. The stride is at the 3x3, as in torchvision; the
    paper's is at the first 1x1, for the same mult-adds elsewhere.
    """

    kind: Literal["bottleneck_residual"] = "bottleneck_residual"
    bottleneck_channels: Width
    """Channels of the 3x3 convolution."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        return self._with_shortcut(
            shapes,
            [
                self._conv("conv_1", self.bottleneck_channels, 1),
                self._conv("conv_2", self.bottleneck_channels, 3, self.stride),
                self._conv("conv_3", self.out_channels, 1, last=True),
            ],
        )
