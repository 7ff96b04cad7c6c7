"""ShuffleNetV2: channel split, equal widths, no groups: built by four guidelines about time instead of FLOPs.

Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", arXiv 1807.11164, Table 5, and
the appendix for the large forms. `width` is the paper's scale: 0.5, 1, 1.5 and 2 have columns of their own there;
others scale the column of 1.

Two structures are in use. The authors' code, whose mult-adds are the paper's: where a unit halves the size its left
branch keeps the input's channels and the right one makes the rest: `shufflenet_v2`. torchvision's: both make one half,
for up to 1.3 % less work: `shufflenet_v2_torchvision`. The weights of one do not fit the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from leannet.rows import Architecture, Conv, GlobalPool, Input, Linear, Norm, Pool, Row, ShuffleUnitV2
from leannet.zoo.foreign import Source, convolution
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

PAPER = "arXiv 1807.11164, Table 5"
# scale -> channels of stages 2, 3, 4 and of the last convolution
COLUMNS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}


@dataclass(frozen=True)
class Version:
    """How the columns are read."""

    name: str
    torchvision: bool = False
    squeeze: bool = False
    residual: bool = False
    stems: tuple[int, ...] = (24,)
    repeats: tuple[int, ...] = (4, 8, 4)
    columns: tuple[int, ...] | None = None  # None: by scale
    large: bool = False  # the pool before stage 2 takes its stride, as in a ResNet
    cifar: bool = False  # for 32 x 32 images: no pool, and a stem of stride 1


BASE = Version("shufflenet_v2")


def _columns(version: Version, scale: float) -> tuple[int, ...]:
    if version.columns is None and scale in COLUMNS:
        return COLUMNS[scale]
    *stages, last = version.columns or COLUMNS[1.0]
    if version.columns is not None and scale == 1:
        return version.columns
    # Halves must be whole.
    return (*(round_channels(c * scale, 4) for c in stages), round_channels(last * max(1, scale)))


def _table(version: Version, scale: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    *stages, last = _columns(version, scale)
    rows: list[Row] = []
    for number, channels in enumerate(version.stems, start=1):
        rows.append(
            Conv(
                name="Conv1" if len(version.stems) == 1 else f"Conv1_{number}",
                out_channels=channels,
                kernel=3,
                stride=2 if number == 1 and not version.cifar else 1,
                norm=Norm(),
                activation="relu",
            )
        )
    channels = version.stems[-1]
    if not version.cifar:
        rows.append(Pool(name="MaxPool", op="max", kernel=3, stride=2, padding="symmetric"))
    for stage, (out, units) in enumerate(zip(stages, version.repeats, strict=True), start=2):
        for unit in range(units):
            first = unit == 0
            stride = 2 if first and not (version.large and stage == 2) else 1
            # Where a small scale leaves less than the stem has, both branches make one half.
            left = channels if first and not version.torchvision and channels < out else out // 2
            rows.append(
                ShuffleUnitV2(
                    name=f"stage{stage}_{unit + 1}",
                    out_channels=out,
                    left_channels=left,
                    branch_channels=out // 2,
                    stride=stride,
                    squeeze_channels=round_channels((out - left) / 4) if version.squeeze else None,
                    split=not first,
                    residual=version.residual and not first,
                )
            )
            channels = out
    rows += [
        Conv(name="Conv5", out_channels=last, norm=Norm(), activation="relu"),
        GlobalPool(name="GlobalPool"),
        Linear(name="FC", out_channels=classes),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(version.name, scale), input=size, rows=tuple(rows))


def _torchvision(architecture: Architecture) -> Iterator[tuple[str, str]]:
    yield from convolution("Conv1", "conv1.0", "conv1.1")
    for row in architecture.rows:
        if isinstance(row, ShuffleUnitV2):
            stage, unit = row.name.removeprefix("stage").split("_")
            prefix = f"stage{stage}.{int(unit) - 1}"
            if not row.split:
                yield from convolution(f"{row.name}.left_depthwise", f"{prefix}.branch1.0", f"{prefix}.branch1.1")
                yield from convolution(f"{row.name}.left_project", f"{prefix}.branch1.2", f"{prefix}.branch1.3")
            for layer, number in (("expand", 0), ("depthwise", 3), ("project", 5)):
                theirs = f"{prefix}.branch2"
                yield from convolution(f"{row.name}.{layer}", f"{theirs}.{number}", f"{theirs}.{number + 1}")
    yield from convolution("Conv5", "conv5.0", "conv5.1")
    yield "FC.linear", "fc"


V2_TORCHVISION = replace(BASE, name="shufflenet_v2_torchvision", torchvision=True)
V2_50 = replace(
    BASE, name="shufflenet_v2_50", stems=(64,), repeats=(3, 4, 6, 3), columns=(244, 488, 976, 1952, 2048), large=True
)
V2_164 = replace(
    V2_50,
    name="shufflenet_v2_164_se_residual",
    stems=(64, 64, 128),
    repeats=(10, 10, 23, 10),
    columns=(340, 680, 1360, 2720, 2048),
    squeeze=True,
    residual=True,
)
V2_SE = replace(BASE, name="shufflenet_v2_se", squeeze=True)
V2_RESIDUAL = replace(BASE, name="shufflenet_v2_residual", residual=True)
CIFAR = replace(BASE, name="cifar_shufflenet_v2", cifar=True)
DEBUG = replace(BASE, name="shufflenet_v2_debug", repeats=(2, 1), columns=(64, 128, 64), cifar=True)

TABLE_8, APPENDIX = "arXiv 1807.11164, Table 8", "arXiv 1807.11164, appendix"
TORCHVISION = Source("torchvision", partial(_table, V2_TORCHVISION), _torchvision, license="BSD-3-Clause")

# version, what it is, paper, resolution, classes, libraries whose weights load
VARIANTS: tuple[tuple[Version, str, str, int, int, tuple[Source, ...]], ...] = (
    (V2_TORCHVISION, "torchvision's structure, with its weights",           PAPER,    224, 1000, (TORCHVISION,)),
    (BASE,           "channel split and shuffle, the authors' structure",   PAPER,    224, 1000, (TORCHVISION,)),
    (V2_SE,          "with squeeze-and-excitation",                         TABLE_8,  224, 1000, ()),
    (V2_RESIDUAL,    "with a residual around the right branch",             APPENDIX, 224, 1000, ()),
    (V2_50,          "as deep as ResNet-50",                                APPENDIX, 224, 1000, ()),
    (V2_164,         "the largest of the paper",                            APPENDIX, 224, 1000, ()),
    (CIFAR,          "ShuffleNetV2 for 32 x 32 images, total stride 8",     PAPER,     32,   10, ()),
    (DEBUG,          "three units, for quick tests",                        PAPER,     32,   10, ()),
)  # fmt: skip
for _version, _summary, _paper, _resolution, _classes, _sources in VARIANTS:
    family(_version.name, _summary, _paper, _resolution, _classes, sources=_sources)(partial(_table, _version))
