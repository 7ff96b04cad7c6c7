"""The papers' choices as edits of a table, and which variants each one sets side by side."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import leannet
from leannet.rows import Architecture, Conv, InvertedResidual

Edit = Callable[[Architecture], Architecture]


def rows_changed(change: Callable[[Any], dict[str, Any]]) -> Edit:
    """An edit that changes fields of many rows at once."""

    def edit(table: Architecture) -> Architecture:
        return table.edit({row.name: change(row) for row in table.rows})

    return edit


def on_blocks(**fields: Any) -> Edit:
    """Fields of every inverted residual."""
    return rows_changed(lambda row: fields if isinstance(row, InvertedResidual) else {})


def activation(old: str, new: str) -> Edit:
    """Another activation wherever the old one stands."""

    def change(row: Any) -> dict[str, Any]:
        names = ("activation", "project_activation", "squeeze_activation", "scale_activation")
        return {name: new for name in names if getattr(row, name, None) == old}

    return rows_changed(change)


def stem(channels: int) -> Edit:
    """Another width of the first convolution; the first block then cannot add its input."""

    def edit(table: Architecture) -> Architecture:
        first, second, *_ = table.rows
        return table.edit({first.name: {"out_channels": channels}, second.name: {"residual": False}})

    return edit


def tail_of_v2(table: Architecture) -> Architecture:
    """The last stage before MobileNetV3 shortened it (figure 5 of its paper).

    One more projection, to twice the width, and the wide 1x1 convolution in front of the pooling.
    """
    rows = list(table.rows)
    wide = next(row for row in rows if row.name == "Conv_1")
    last = next(row for row in rows if row.name == "Conv_2")
    assert isinstance(wide, Conv)
    assert isinstance(last, Conv)
    before = table.shapes[rows[rows.index(wide) - 1].name].channels
    extra = InvertedResidual(
        name="block_last", expansion_channels=wide.out_channels, out_channels=2 * before, activation="h_swish"
    )
    features = Conv(name="Conv_1", out_channels=last.out_channels, norm=wide.norm, activation="h_swish")
    edited = [row for row in rows if row is not last]
    edited[edited.index(wide) : edited.index(wide) + 1] = [extra, features]
    return Architecture(name=table.name, input=table.input, rows=tuple(edited))


def unchanged(table: Architecture) -> Architecture:
    """The paper's own."""
    return table


@dataclass(frozen=True)
class Base:
    """A network of a paper, and its 32-pixel form."""

    name: str
    large: str
    small: str
    width: float  # of the small one

    def tables(self, edit: Edit) -> tuple[Architecture, Architecture]:
        """Both, edited."""
        small = leannet.architecture(self.small, width=self.width)
        return edit(leannet.architecture(self.large)), edit(small)


V2 = Base("V2", "mobilenet_v2", "cifar_mobilenet_v2", 0.5)
V3 = Base("V3", "mobilenet_v3_large", "cifar_mobilenet_v3_small", 1.0)
VARIANTS: dict[str, tuple[Base, Edit]] = {
    "V2": (V2, unchanged),
    "V2 with ReLU6 bottlenecks": (V2, on_blocks(project_activation="relu6")),
    "V2 without expansion": (V2, on_blocks(expansion_channels=None)),
    "V2 with ReLU": (V2, activation("relu6", "relu")),
    "V3": (V3, unchanged),
    "V3 with V2's tail": (V3, tail_of_v2),
    "V3 with 32 stem filters": (V3, stem(32)),
    "V3 with swish": (V3, activation("h_swish", "swish")),
    "V3 with ReLU": (V3, activation("h_swish", "relu")),
    "V3 without squeeze-and-excitation": (V3, on_blocks(squeeze_channels=None)),
    "V3 with sigmoid": (V3, activation("h_sigmoid", "sigmoid")),
}


@dataclass(frozen=True)
class Choice:
    """One choice of a paper: the variants to set side by side, the paper's own first."""

    title: str
    where: str
    says: str
    variants: tuple[str, ...]


CHOICES = (
    Choice(
        "Linear or ReLU6 bottlenecks",
        "MobileNetV2, section 3.2 and figure 6a",
        "a non-linearity in the narrow layers destroys what they carry",
        ("V2", "V2 with ReLU6 bottlenecks"),
    ),
    Choice(
        "Expansion or none",
        "MobileNetV2, section 3.3",
        "the depthwise convolution needs a wide space to filter in",
        ("V2", "V2 without expansion"),
    ),
    Choice(
        "ReLU6 or ReLU",
        "MobileNetV2, section 3.3: robust in low-precision computation",
        "a bounded activation is kept by few bits",
        ("V2", "V2 with ReLU"),
    ),
    Choice(
        "V3's short tail or V2's",
        "MobileNetV3, section 5.1 and figure 5: 30 M mult-adds and 7 ms less, at no loss",
        "the wide 1x1 convolution belongs behind the pooling",
        ("V3", "V3 with V2's tail"),
    ),
    Choice(
        "16 or 32 stem filters",
        "MobileNetV3, section 5.1: 10 M mult-adds and 2 ms less",
        "with h-swish half of the first filters are enough",
        ("V3", "V3 with 32 stem filters"),
    ),
    Choice(
        "h-swish, swish or ReLU",
        "MobileNetV3, section 5.2",
        "the hard form loses no accuracy and is cheap everywhere",
        ("V3", "V3 with swish", "V3 with ReLU"),
    ),
    Choice(
        "Squeeze-and-excitation or none",
        "MobileNetV3, section 5.3",
        "more parameters, no discernible time, more accuracy",
        ("V3", "V3 without squeeze-and-excitation"),
    ),
    Choice(
        "h-sigmoid or sigmoid",
        "MobileNetV3, section 5.2",
        "as above, for the scale of squeeze-and-excitation",
        ("V3", "V3 with sigmoid"),
    ),
)
