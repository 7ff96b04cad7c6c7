"""The cells of NASNet-A."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.fields import INPUT, Norm, RowError, Shape, Size, Width
from leannet.rows.layers import Activate, Add, Concat, Conv, Depthwise, Normalize, Pool, RowBase, Shift

PREVIOUS = "input_2"  # the row before the one before


class TwiceSeparable(BlockBase):
    """Two separable convolutions (NASNet, appendix A).

    ReLU, separable convolution, normalization, and all of it again; the stride is in the first.
    """

    kind: Literal["twice_separable"] = "twice_separable"
    out_channels: Width
    """Channels of the output."""
    kernel: Size
    """Height and width of the depthwise filters in pixels."""
    stride: Size = 1
    """Step of the first depthwise convolution in pixels."""
    norm: Norm | None = Norm()
    """Normalization after each 1x1 convolution; null: none, and biases instead."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        rows: list[RowBase] = []
        for number, stride in ((1, self.stride), (2, 1)):
            rows += [
                Activate(name=f"relu_{number}", activation="relu"),
                Depthwise(name=f"depthwise_{number}", kernel=self.kernel, stride=stride, padding="same"),
                Conv(
                    name=f"pointwise_{number}",
                    out_channels=self.out_channels,
                    bias=self.norm is None,
                    norm=self.norm,
                ),
            ]
        return rows


class _Cell(BlockBase):
    """What both cells have. They read the row before (input) and the one before that (input_2)."""

    out_channels: Width
    """Channels of each branch; the output concatenates several."""
    adjust: Literal["none", "project", "reduce"] = "project"
    """How the second input is made to fit: not at all, by a 1x1 convolution, or by halving it too, in two halves that
    read the even and the odd pixels.
    """
    norm: Norm | None = Norm()
    """Normalization after each 1x1 convolution; null: none, and biases instead."""
    arity = 2

    def _conv(self, name: str, channels: int, source: str, norm: bool = True) -> Conv:
        return Conv(
            name=name,
            inputs=(source,),
            out_channels=channels,
            bias=self.norm is None,
            norm=self.norm if norm else None,
        )

    def _start(self) -> tuple[list[RowBase], str]:
        """The row before through a 1x1 convolution, h, and the one before that, made to fit; with its name."""
        rows: list[RowBase] = [
            Activate(name="relu", activation="relu", inputs=(INPUT,)),
            self._conv("h", self.out_channels, "relu"),
        ]
        if self.adjust == "none":
            return rows, PREVIOUS
        rows.append(Activate(name="relu_2", activation="relu", inputs=(PREVIOUS,)))
        if self.adjust == "project":
            return [*rows, self._conv("p", self.out_channels, "relu_2")], "p"
        if self.out_channels % 2:
            raise RowError("out_channels", f"two halves need an even number, found {self.out_channels}")
        half = self.out_channels // 2
        rows += [
            Pool(name="even", inputs=("relu_2",), op="average", kernel=1, stride=2),
            self._conv("even_half", half, "even", norm=False),
            Shift(name="shift", inputs=("relu_2",)),
            Pool(name="odd", op="average", kernel=1, stride=2),
            self._conv("odd_half", half, "odd", norm=False),
            Concat(name="halves", inputs=("even_half", "odd_half")),
            Normalize(name="p", norm=self.norm or Norm()),
        ]
        return rows, "p"

    def _separable(self, name: str, kernel: int, source: str, stride: int = 1) -> TwiceSeparable:
        return TwiceSeparable(
            name=name, inputs=(source,), out_channels=self.out_channels, kernel=kernel, stride=stride, norm=self.norm
        )

    def _pool(self, name: str, source: str, stride: int, op: Literal["max", "average"] = "average") -> Pool:
        return Pool(name=name, inputs=(source,), op=op, kernel=3, stride=stride, padding="same")


class NasnetNormal(_Cell):
    """NASNet-A's normal cell (NASNet, figure 4 left).

    Five sums of two, concatenated with the row before the one before. Inputs: the row before, and the one before that.
    """

    kind: Literal["nasnet_normal"] = "nasnet_normal"

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        rows, p = self._start()
        return [
            *rows,
            self._separable("left_1", 5, "h"),
            self._separable("right_1", 3, p),
            Add(name="sum_1", inputs=("left_1", "right_1")),
            self._separable("left_2", 5, p),
            self._separable("right_2", 3, p),
            Add(name="sum_2", inputs=("left_2", "right_2")),
            self._pool("left_3", "h", 1),
            Add(name="sum_3", inputs=("left_3", p)),
            self._pool("left_4", p, 1),
            self._pool("right_4", p, 1),
            Add(name="sum_4", inputs=("left_4", "right_4")),
            self._separable("left_5", 3, "h"),
            Add(name="sum_5", inputs=("left_5", "h")),
            Concat(name="concat", inputs=(p, "sum_1", "sum_2", "sum_3", "sum_4", "sum_5")),
        ]


class NasnetReduction(_Cell):
    """NASNet-A's reduction cell (NASNet, figure 4 right).

    Halves height and width; four of its five sums are concatenated. Inputs: the row before, and the one before that.
    """

    kind: Literal["nasnet_reduction"] = "nasnet_reduction"

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        rows, p = self._start()
        return [
            *rows,
            self._separable("left_1", 5, "h", 2),
            self._separable("right_1", 7, p, 2),
            Add(name="sum_1", inputs=("left_1", "right_1")),
            self._pool("left_2", "h", 2, "max"),
            self._separable("right_2", 7, p, 2),
            Add(name="sum_2", inputs=("left_2", "right_2")),
            self._pool("left_3", "h", 2),
            self._separable("right_3", 5, p, 2),
            Add(name="sum_3", inputs=("left_3", "right_3")),
            self._pool("left_4", "sum_1", 1),
            Add(name="sum_4", inputs=("left_4", "sum_2")),
            self._separable("left_5", 3, "sum_1"),
            self._pool("right_5", "h", 2, "max"),
            Add(name="sum_5", inputs=("left_5", "right_5")),
            Concat(name="concat", inputs=("sum_2", "sum_3", "sum_4", "sum_5")),
        ]
