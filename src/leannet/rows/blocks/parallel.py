"""Blocks of parallel branches that fold into one convolution once they are trained: MobileOne's and RepViT's."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.blocks.mobile import SqueezeExcite
from leannet.rows.fields import INPUT, Activation, Flag, Norm, RowError, Shape, Size, Width
from leannet.rows.layers import Activate, Add, Conv, Depthwise, Normalize, RowBase


class ParallelConv(BlockBase):
    """MobileOne block (MobileOne, 3.2).

    Convolutions side by side, a 1x1 one, and the input normalized, are added. All of it is linear up to the activation
    function, so it folds into one convolution.
    """

    kind: Literal["parallel_conv"] = "parallel_conv"
    out_channels: Width | None = None
    """Channels of the output; null: those of the input, each convolved by itself."""
    kernel: Size = 1
    """Height and width of the filters in pixels."""
    stride: Size = 1
    """Step in pixels."""
    branches: Size = 1
    """Convolutions of that kernel, side by side."""
    norm: Norm = Norm()
    """Normalization at the end of each branch."""
    activation: Activation = "relu"
    """Activation function of the output."""
    squeeze_channels: Width | None = None
    """Channels inside squeeze-and-excitation, before the activation function; null: none."""
    identity: Flag = False
    """Whether the input is a branch; needs stride 1 and equal widths."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        if self.identity and (self.stride != 1 or self.out_channels not in (None, x.channels)):
            raise RowError("identity", "the input can only be a branch with stride 1 and equal widths")
        rows = [self._branch(f"conv_{number}", self.kernel) for number in range(1, self.branches + 1)]
        if self.kernel > 1:
            rows.append(self._branch("scale", 1))
        if self.identity:
            rows.append(Normalize(name="identity", inputs=(INPUT,), norm=self.norm))
        names = tuple(row.name for row in rows)
        last: Activation = "linear" if self.squeeze_channels is not None else self.activation
        rows.append(
            Add(name="sum", inputs=names, activation=last) if len(rows) > 1 else Activate(name="sum", activation=last)
        )
        if self.squeeze_channels is not None:
            rows.append(
                SqueezeExcite(name="squeeze_excite", squeeze_channels=self.squeeze_channels, scale_activation="sigmoid")
            )
            rows.append(Activate(name="activation", activation=self.activation))
        return rows

    def _branch(self, name: str, kernel: int) -> RowBase:
        common = {"name": name, "inputs": (INPUT,), "kernel": kernel, "stride": self.stride, "norm": self.norm}
        if self.out_channels is None:
            return Depthwise(**common)
        return Conv(out_channels=self.out_channels, **common)


class RepVitBlock(BlockBase):
    """RepViT block (RepViT, 3.2).

    A depthwise convolution with two branches beside it, which fold into it; then two 1x1 convolutions with a shortcut.

    (C, H, W) -> (C, H, W).
    """

    folds_norms: ClassVar[bool] = True  # its authors' deployed form has no normalization at all
    kind: Literal["rep_vit"] = "rep_vit"
    expansion_channels: Width
    """Channels between the 1x1 convolutions."""
    kernel: Size = 3
    """Height and width of the depthwise filters in pixels."""
    squeeze_channels: Width | None = None
    """Channels inside squeeze-and-excitation, between the two parts; null: none."""
    norm: Norm = Norm()
    """Normalization."""
    activation: Activation = "gelu"
    """Activation function between the 1x1 convolutions."""
    norm_of_sum: Flag = True
    """Whether the sum of the branches is normalized, and its 1x1 branch not; false: the other way round."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        own = {"bias": True} if self.norm_of_sum else {"norm": self.norm}
        rows: list[RowBase] = [
            Depthwise(name="conv", kernel=self.kernel, norm=self.norm),
            Depthwise(name="scale", inputs=(INPUT,), kernel=1, **own),
            Add(name="sum", inputs=("conv", "scale", INPUT)),
        ]
        if self.norm_of_sum:
            rows.append(Normalize(name="mixed", norm=self.norm))
        if self.squeeze_channels is not None:
            rows.append(
                SqueezeExcite(name="squeeze_excite", squeeze_channels=self.squeeze_channels, scale_activation="sigmoid")
            )
        mixed = rows[-1].name
        return [
            *rows,
            Conv(name="expand", out_channels=self.expansion_channels, norm=self.norm, activation=self.activation),
            Conv(name="project", out_channels=x.channels, norm=self.norm),
            Add(name="add", inputs=(mixed, "project")),
        ]
