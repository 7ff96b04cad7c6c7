"""The block of GoogLeNet."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.fields import INPUT, Activation, Norm, Shape, Size, Width
from leannet.rows.layers import Concat, Conv, Pool, RowBase


class Inception(BlockBase):
    """1x1, 3x3 and 5x5 convolutions and a pool side by side, each with 1x1 to save work (GoogLeNet, figure 2b).

    The fields are the columns of the paper's table 1. `kernel5`: torchvision has 3 where the paper has 5.
    """

    kind: Literal["inception"] = "inception"
    channels_1x1: Width
    reduce_3x3: Width
    channels_3x3: Width
    reduce_5x5: Width
    channels_5x5: Width
    pool_proj: Width
    kernel5: Size = 5
    pool_ceil: bool = False
    norm: Norm | None = None
    activation: Activation = "relu"

    def inside(self, *shapes: Shape) -> Sequence[RowBase]:
        def conv(name: str, channels: int, kernel: int, source: str) -> Conv:
            return Conv(
                name=name,
                inputs=(source,),
                out_channels=channels,
                kernel=kernel,
                bias=self.norm is None,
                norm=self.norm,
                activation=self.activation,
            )

        return (
            conv("branch_1x1", self.channels_1x1, 1, INPUT),
            conv("reduce_3x3", self.reduce_3x3, 1, INPUT),
            conv("branch_3x3", self.channels_3x3, 3, "reduce_3x3"),
            conv("reduce_5x5", self.reduce_5x5, 1, INPUT),
            conv("branch_5x5", self.channels_5x5, self.kernel5, "reduce_5x5"),
            Pool(
                name="pool",
                inputs=(INPUT,),
                op="max",
                kernel=3,
                stride=1,
                padding="symmetric",
                ceil=self.pool_ceil,
            ),
            conv("pool_proj", self.pool_proj, 1, "pool"),
            Concat(name="concat", inputs=("branch_1x1", "branch_3x3", "branch_5x5", "pool_proj")),
        )
