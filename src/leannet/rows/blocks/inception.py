"""The block of GoogLeNet."""

from collections.abc import Sequence
from typing import Literal

from leannet.rows.blocks.base import BlockBase
from leannet.rows.fields import INPUT, Activation, Norm, Shape, Size, Width
from leannet.rows.layers import Concat, Conv, Pool, RowBase


class Inception(BlockBase):
    """Inception module (GoogLeNet, figure 2b).

    1x1, 3x3 and 5x5 convolutions and a pooling side by side, each with a 1x1 convolution that saves work. The fields
    are the columns of the paper's table 1.
    """

    kind: Literal["inception"] = "inception"
    channels_1x1: Width
    """Channels of the 1x1 branch."""
    reduce_3x3: Width
    """Channels of the 1x1 convolution before the 3x3 one."""
    channels_3x3: Width
    """Channels of the 3x3 branch."""
    reduce_5x5: Width
    """Channels of the 1x1 convolution before the 5x5 one."""
    channels_5x5: Width
    """Channels of the 5x5 branch."""
    pool_proj: Width
    """Channels of the 1x1 convolution behind the pooling; the output has those of all four branches."""
    kernel5: Size = 5
    """Height and width of the filters of the 5x5 branch in pixels; 3 in torchvision."""
    pool_ceil: bool = False
    """Whether a last pooling window may end beyond the feature map, as in Caffe."""
    norm: Norm | None = None
    """Normalization after each convolution; null: none, and biases instead."""
    activation: Activation = "relu"
    """Activation function after each convolution."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
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
