"""The units of the ShuffleNets."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.blocks.mobile import SqueezeExcite
from leannet.rows.fields import INPUT, Activation, Flag, Norm, RowError, Shape, Size, Width
from leannet.rows.layers import Activate, Add, Concat, Conv, Depthwise, Pool, RowBase, Shuffle, Slice


class ShuffleUnit(BlockBase):
    """Shuffle unit (ShuffleNet, figures 2b and 2c).

    Grouped 1x1, channel shuffle, depthwise, grouped 1x1. At stride 1 the input is added (2b). At stride 2 it is pooled
    and concatenated, so the branch has the channels that are missing (2c).
    """

    kind: Literal["shuffle_unit"] = "shuffle_unit"
    out_channels: Width
    """Channels of the output."""
    bottleneck_channels: Width
    """Channels of the depthwise convolution."""
    groups: Size
    """Groups of the last 1x1 convolution, and of the channel shuffle."""
    first_groups: Size
    """Groups of the first 1x1 convolution; 1 in a network's first unit (section 3.2)."""
    stride: Size = 1
    """Step of the depthwise convolution in pixels: 1 adds the input, 2 pools and concatenates it."""
    norm: Norm | None = Norm()
    """Normalization after each convolution; null: none, and biases instead."""
    activation: Activation = "relu"
    """Activation function after the first convolution, and of the output."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        branch_channels = self.out_channels if self.stride == 1 else self.out_channels - x.channels
        if self.stride == 1 and self.out_channels != x.channels:
            raise RowError(
                "out_channels", f"at stride 1 the input is added: {x.channels} channels in, {self.out_channels} out"
            )
        if branch_channels < 1:
            raise RowError("out_channels", f"the pooled input alone has {x.channels} channels")
        bias = self.norm is None
        rows: list[RowBase] = [
            Conv(
                name="reduce",
                out_channels=self.bottleneck_channels,
                groups=self.first_groups,
                bias=bias,
                norm=self.norm,
                activation=self.activation,
            )
        ]
        if self.groups > 1:
            rows.append(Shuffle(name="shuffle", groups=self.groups))
        rows.append(Depthwise(name="depthwise", stride=self.stride, bias=bias, norm=self.norm))
        rows.append(Conv(name="restore", out_channels=branch_channels, groups=self.groups, bias=bias, norm=self.norm))
        if self.stride == 1:
            rows.append(Add(name="add", inputs=("restore", INPUT), activation=self.activation))
        else:
            pool = Pool(name="pool", inputs=(INPUT,), op="average", kernel=3, stride=self.stride, padding="symmetric")
            rows += [
                pool,
                Concat(name="concat", inputs=("pool", "restore")),
                Activate(name="activation", activation=self.activation),
            ]
        return rows


class ShuffleUnitV2(BlockBase):
    """Shuffle unit V2 (ShuffleNetV2, figures 3c and 3d).

    Channel split, one half through 1x1, depthwise and 1x1, concatenation, channel shuffle (3c). Without the split both
    branches read all of the input, and the left one has a depthwise and a 1x1 convolution too (3d).
    """

    kind: Literal["shuffle_unit_v2"] = "shuffle_unit_v2"
    out_channels: Width
    """Channels of the output."""
    left_channels: Width
    """Channels of the left branch."""
    branch_channels: Width
    """Channels inside the right branch."""
    stride: Size = 1
    """Step of the depthwise convolutions in pixels."""
    split: Flag = True
    """Whether the input's channels are split and the left ones pass untouched, while the right branch reads the rest
    (3c); false: both branches read all (3d).
    """
    norm: Norm | None = Norm()
    """Normalization after each convolution; null: none, and biases instead."""
    activation: Activation = "relu"
    """Activation function after each 1x1 convolution."""
    squeeze_channels: Width | None = None
    """Channels inside squeeze-and-excitation at the end of the right branch; null: none."""
    residual: Flag = False
    """Whether the right branch adds its own input, as in the large networks of the appendix."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        right = self.out_channels - self.left_channels
        if right < 1:
            raise RowError("left_channels", f"{self.left_channels} of {self.out_channels} leave none on the right")
        if self.split and (self.stride != 1 or x.channels <= self.left_channels):
            raise RowError(
                "split",
                f"needs stride 1 and channels beside the {self.left_channels} on the left, found stride {self.stride}, "
                f"{x.channels} in",
            )
        if self.residual and not self.split:
            raise RowError("residual", "expected with a split only: it is around the right branch")
        bias, rows = self.norm is None, list[RowBase]()
        if self.split:
            rows.append(Slice(name="left", inputs=(INPUT,), out_channels=self.left_channels))
            rest = x.channels - self.left_channels
            rows.append(Slice(name="right", inputs=(INPUT,), start=self.left_channels, out_channels=rest))
            source, left = "right", "left"
        else:
            rows.append(
                Depthwise(name="left_depthwise", inputs=(INPUT,), stride=self.stride, bias=bias, norm=self.norm)
            )
            rows.append(
                Conv(
                    name="left_project",
                    out_channels=self.left_channels,
                    bias=bias,
                    norm=self.norm,
                    activation=self.activation,
                )
            )
            source, left = INPUT, "left_project"
        rows += [
            Conv(
                name="expand",
                inputs=(source,),
                out_channels=self.branch_channels,
                bias=bias,
                norm=self.norm,
                activation=self.activation,
            ),
            Depthwise(name="depthwise", stride=self.stride, bias=bias, norm=self.norm),
            Conv(name="project", out_channels=right, bias=bias, norm=self.norm, activation=self.activation),
        ]
        if self.squeeze_channels is not None:
            rows.append(SqueezeExcite(name="squeeze_excite", squeeze_channels=self.squeeze_channels))
        if self.residual:
            rows.append(Add(name="add", inputs=(rows[-1].name, source), activation=self.activation))
        return [*rows, Concat(name="concat", inputs=(left, rows[-1].name)), Shuffle(name="shuffle", groups=2)]
