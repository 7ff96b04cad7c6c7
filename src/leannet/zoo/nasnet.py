"""NASNet-A, mobile: cells found by search, each reading the two rows before it.

Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", arXiv 1707.07012, figures 2 and 4
and appendix A; the mobile network is 4 @ 1056: four normal cells a stage, and 1056 channels at the end, so
1056 / 24 = 44 filters in the first. Padding is TensorFlow's, the stem has none, and normalization's epsilon is 1e-3, as
in the authors' code.
"""

from leannet.rows import (
    Activate,
    Architecture,
    Conv,
    Dropout,
    GlobalPool,
    Input,
    Linear,
    NasnetNormal,
    NasnetReduction,
    Norm,
    Row,
)
from leannet.zoo.registry import family, label
from leannet.zoo.width import scale_channels

PAPER = "arXiv 1707.07012, figure 4"
NORM = Norm(eps=1e-3)


def _table(
    name: str, stem: int, filters: int, repeats: int, width: float, resolution: int, classes: int, in_channels: int
) -> Architecture:
    base = scale_channels(filters, width)
    rows: list[Row] = [
        Conv(
            name="conv0",
            out_channels=scale_channels(stem, width),
            kernel=3,
            stride=2,
            padding="valid",
            norm=NORM,
        ),
        # The first cell has one row before it only, and reads it twice.
        NasnetReduction(name="stem_0", inputs=("conv0", "conv0"), out_channels=base // 4, adjust="none", norm=NORM),
        NasnetReduction(name="stem_1", inputs=("stem_0", "conv0"), out_channels=base // 2, adjust="reduce", norm=NORM),
    ]

    def add(cell: type[NasnetNormal] | type[NasnetReduction], name: str, channels: int) -> None:
        halved = isinstance(rows[-1], NasnetReduction)  # the row before the one before is twice as large
        rows.append(
            cell(
                name=name,
                inputs=(rows[-1].name, rows[-2].name),
                out_channels=channels,
                adjust="reduce" if halved else "project",
                norm=NORM,
            )
        )

    for stage in range(3):
        if stage:
            add(NasnetReduction, f"reduction_{stage}", base * 2**stage)
        for number in range(repeats):
            add(NasnetNormal, f"cell_{stage * repeats + number}", base * 2**stage)
    rows += [
        Activate(name="relu", activation="relu"),
        GlobalPool(name="global_pool"),
        Dropout(name="dropout", rate=0.5),
        Linear(name="predictions", out_channels=classes),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


@family("nasnet_a_mobile", "cells found by search", PAPER)
def nasnet_a_mobile(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("nasnet_a_mobile", 32, 44, 4, width, resolution, classes, in_channels)


@family("nasnet_debug", "one cell a stage, for quick tests", PAPER, resolution=64, classes=10)
def nasnet_debug(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("nasnet_debug", 8, 8, 1, width, resolution, classes, in_channels)
