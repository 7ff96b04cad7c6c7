"""The bottlenecks of GhostNet, GhostNetV2 and RepGhostNet: half of the features by cheap depthwise convolutions."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.blocks.mobile import SqueezeExcite
from leannet.rows.fields import INPUT, Activation, Norm, Padding, Shape, Size, Width
from leannet.rows.layers import Add, Concat, Conv, Depthwise, Multiply, Normalize, Pool, Resize, RowBase, Slice

SMEARED = 5  # pixels, along rows and along columns


class _GhostBase(BlockBase):
    """What both have: two ghost modules, a strided depthwise convolution between them, and a shortcut."""

    out_channels: Width
    """Channels of the output."""
    expansion_channels: Width
    """Channels between the two ghost modules."""
    kernel: Size = 3
    """Height and width of the strided depthwise filters, and of those in the shortcut, in pixels."""
    stride: Size = 1
    """Step in pixels; above 1 a depthwise convolution between the modules has it."""
    padding: Padding = "symmetric"
    """Zeros around the feature map: symmetric ((kernel - 1) / 2 on each side, torch code), same (TensorFlow's), valid
    (none), or pixels on each side.
    """
    norm: Norm = Norm()
    """Normalization after each convolution."""
    squeeze_channels: Width | None = None
    """Channels inside squeeze-and-excitation, between the modules; null: none."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        window = {"kernel": self.kernel, "stride": self.stride, "padding": self.padding, "norm": self.norm}
        rows = self.module("ghost_1", self.expansion_channels, INPUT, "relu")
        if self.stride > 1:
            rows.append(Depthwise(name="depthwise", **window))
        if self.squeeze_channels is not None:
            rows.append(SqueezeExcite(name="squeeze_excite", squeeze_channels=self.squeeze_channels))
        rows += self.module("ghost_2", self.out_channels, rows[-1].name, "linear")
        last, shortcut = rows[-1].name, INPUT
        if self.stride > 1 or x.channels != self.out_channels:
            rows.append(Depthwise(name="shortcut_depthwise", inputs=(INPUT,), **window))
            rows.append(Conv(name="shortcut_project", out_channels=self.out_channels, norm=self.norm))
            shortcut = "shortcut_project"
        return [*rows, Add(name="add", inputs=(last, shortcut))]

    def module(self, name: str, channels: int, source: str, activation: Activation) -> list[RowBase]:
        """A ghost module; its last row has its name."""
        raise NotImplementedError


def _ghost_module(name: str, channels: int, source: str, activation: Activation, norm: Norm) -> list[RowBase]:
    half, shape = -(-channels // 2), {"norm": norm, "activation": activation}
    rows: list[RowBase] = [
        Conv(name=f"{name}_primary", inputs=(source,), out_channels=half, **shape),
        Depthwise(name=f"{name}_cheap", **shape),
        Concat(name=name if channels % 2 == 0 else f"{name}_both", inputs=(f"{name}_primary", f"{name}_cheap")),
    ]
    if channels % 2:
        rows.append(Slice(name=name, out_channels=channels))
    return rows


class GhostBottleneck(_GhostBase):
    """Ghost bottleneck (GhostNet, 3.2).

    A ghost module makes half of its channels by a 1x1 convolution, and the others of those by a depthwise one.
    """

    kind: Literal["ghost_bottleneck"] = "ghost_bottleneck"

    def module(self, name: str, channels: int, source: str, activation: Activation) -> list[RowBase]:
        return _ghost_module(name, channels, source, activation, self.norm)


class GhostBottleneckV2(_GhostBase):
    """Ghost bottleneck with a gate (GhostNetV2, 3.3).

    The first module is multiplied by what a convolution of half the map, smeared along rows and columns, says of it.
    """

    kind: Literal["ghost_bottleneck_v2"] = "ghost_bottleneck_v2"

    def module(self, name: str, channels: int, source: str, activation: Activation) -> list[RowBase]:
        if source != INPUT:
            return _ghost_module(name, channels, source, activation, self.norm)
        plain = _ghost_module(f"{name}_plain", channels, source, activation, self.norm)
        return [
            *plain,
            Pool(name=f"{name}_half", inputs=(source,), op="average", kernel=2, stride=2),
            Conv(name=f"{name}_gate", out_channels=channels, norm=self.norm),
            Depthwise(name=f"{name}_row", norm=self.norm, kernel=1, kernel_width=SMEARED),
            Depthwise(name=f"{name}_column", norm=self.norm, kernel=SMEARED, kernel_width=1, activation="sigmoid"),
            Resize(name=f"{name}_gate_resized", inputs=(f"{name}_column", plain[-1].name)),
            Multiply(name=name, inputs=(plain[-1].name, f"{name}_gate_resized")),
        ]


class RepGhostBottleneck(_GhostBase):
    """RepGhost bottleneck (RepGhostNet, 3.3).

    Its modules add where GhostNet's concatenate, so that both branches fold into one depthwise convolution.
    """

    kind: Literal["rep_ghost_bottleneck"] = "rep_ghost_bottleneck"

    def module(self, name: str, channels: int, source: str, activation: Activation) -> list[RowBase]:
        primary = f"{name}_primary"
        return [
            Conv(name=primary, inputs=(source,), out_channels=channels, norm=self.norm, activation=activation),
            Depthwise(name=f"{name}_cheap", norm=self.norm),
            Normalize(name=f"{name}_identity", inputs=(primary,), norm=self.norm),
            Add(name=name, inputs=(f"{name}_cheap", f"{name}_identity"), activation=activation),
        ]
