"""ShuffleNet: grouped 1x1 convolutions, and a channel shuffle, so that groups exchange information.

Zhang et al., "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices", arXiv 1707.01083,
Table 1. `width` is the paper's scale s; the groups g are in the name, `shufflenet_v1` itself has g = 3.

The paper does not say how the stem scales. Its mult-adds at 0.5x and 0.25x (38 M, 13 M) are reached with 12 filters
at both (24 filters: 42 to 44 M and 17.5 M; 6 filters: 11.0 M), and the authors' released code has 12 at 0.5x, 24 at 1x
and 1.5x, 48 at 2x, which stands here. Two things must also come out whole: the 1x1 convolution that makes the channels
beside the pooled stem must divide into groups, so g = 8 takes 16 filters at half scale and below (as the authors' code
does); and a bottleneck is a quarter of the width, rounded up to a multiple of the groups.
"""

from leannet.rows import Architecture, Conv, GlobalPool, Input, Linear, Norm, Pool, Row, ShuffleUnit
from leannet.zoo.registry import FamilyFunction, family, label

PAPER = "arXiv 1707.01083, Table 1"
# groups -> output channels of stages 2, 3, 4 at scale 1
STAGES = {1: (144, 288, 576), 2: (200, 400, 800), 3: (240, 480, 960), 4: (272, 544, 1088), 8: (384, 768, 1536)}
REPEATS = (4, 8, 4)  # units of a stage, the first of stride 2
DEBUG = ((36, 72), (2, 2))


def _up(number: float, divisor: int) -> int:
    return -int(-number // divisor) * divisor


def stem_channels(scale: float, groups: int) -> int:
    """Filters of the stem at a scale: see the head of this file."""
    if scale <= 0.5:
        return 16 if groups == 8 else 12
    return 24 if scale < 2 else 24 * int(scale)  # a multiple of every g


def _table(
    name: str,
    groups: int,
    stages: tuple[int, ...],
    repeats: tuple[int, ...],
    scale: float,
    resolution: int,
    classes: int,
    in_channels: int,
) -> Architecture:
    channels = stem_channels(scale, groups)
    rows: list[Row] = [
        Conv(name="Conv1", out_channels=channels, kernel=3, stride=2, norm=Norm(), activation="relu"),
        Pool(name="MaxPool", op="max", kernel=3, stride=2, padding="symmetric"),
    ]
    for stage, (printed, units) in enumerate(zip(stages, repeats, strict=True), start=2):
        # What stands beside the pooled input must divide into groups, and so must the width itself.
        out = channels + max(_up(printed * scale - channels, groups), groups)
        for unit in range(units):
            first = stage == 2 and unit == 0
            rows.append(
                ShuffleUnit(
                    name=f"stage{stage}_{unit + 1}",
                    out_channels=out,
                    bottleneck_channels=_up(out / 4, groups),
                    groups=groups,
                    first_groups=1 if first else groups,
                    stride=2 if unit == 0 else 1,
                )
            )
        channels = out
    rows += [GlobalPool(name="GlobalPool"), Linear(name="FC", out_channels=classes)]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, scale), input=size, rows=tuple(rows))


def _with_groups(name: str, groups: int) -> FamilyFunction:
    def rows(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
        return _table(name, groups, STAGES[groups], REPEATS, width, resolution, classes, in_channels)

    return rows


family("shufflenet_v1", "grouped 1x1 convolutions and channel shuffle, 3 groups", PAPER)(
    _with_groups("shufflenet_v1", 3)
)
for _groups in STAGES:
    _name = f"shufflenet_v1_g{_groups}"
    family(_name, f"with {_groups} group{'s' * (_groups > 1)}", PAPER)(_with_groups(_name, _groups))


@family("shufflenet_v1_debug", "four units, for quick tests", PAPER, resolution=32, classes=10)
def shufflenet_v1_debug(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("shufflenet_v1_debug", 2, *DEBUG, width, resolution, classes, in_channels)
