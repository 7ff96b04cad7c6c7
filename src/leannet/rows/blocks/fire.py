"""The block of SqueezeNet."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.fields import INPUT, Activation, Norm, RowError, Shape, Width
from leannet.rows.layers import Add, Concat, Conv, RowBase


class Fire(BlockBase):
    """Fire module (SqueezeNet, section 3.2).

    A few 1x1 filters squeeze, then 1x1 and 3x3 filters side by side expand. The bypasses are those of section 6.
    """

    kind: Literal["fire"] = "fire"
    squeeze_channels: Width
    """Channels of the squeezing 1x1 convolution."""
    expand1_channels: Width
    """Channels of the expanding 1x1 convolution."""
    expand3_channels: Width
    """Channels of the expanding 3x3 convolution; the output has both."""
    bypass: Literal["none", "simple", "complex"] = "none"
    """Shortcut around the module: simple adds the input, complex adds it through a 1x1 convolution."""
    norm: Norm | None = None
    """Normalization after each convolution; null: none, and biases instead."""
    activation: Activation = "relu"
    """Activation function after each convolution but the bypass."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (x,) = shapes
        out = self.expand1_channels + self.expand3_channels
        if self.bypass == "simple" and x.channels != out:
            raise RowError("bypass", f"a simple bypass needs equal widths, found {x.channels} in, {out} out")
        bias = self.norm is None

        def conv(name: str, channels: int, kernel: int = 1, **fields: tuple[str, ...]) -> Conv:
            return Conv(
                name=name,
                out_channels=channels,
                kernel=kernel,
                bias=bias,
                norm=self.norm,
                activation=self.activation,
                **fields,
            )

        rows: list[RowBase] = [
            conv("squeeze", self.squeeze_channels),
            conv("expand1x1", self.expand1_channels, inputs=("squeeze",)),
            conv("expand3x3", self.expand3_channels, kernel=3, inputs=("squeeze",)),
            Concat(name="concat", inputs=("expand1x1", "expand3x3")),
        ]
        if self.bypass == "simple":
            rows.append(Add(name="add", inputs=("concat", INPUT)))
        if self.bypass == "complex":
            rows.append(Conv(name="bypass", inputs=(INPUT,), out_channels=out, bias=bias, norm=self.norm))
            rows.append(Add(name="add", inputs=("concat", "bypass")))
        return rows
