"""GoogLeNet: Inception modules.

Szegedy et al., "Going Deeper with Convolutions", arXiv 1409.4842, Table 1. `googlenet` is the paper's: biases, local
response normalization, 5x5 convolutions. `googlenet_torchvision` has batch norm (epsilon 1e-3) and 3x3 in their place.
`..._aux` are the same with the two auxiliary heads of section 5, as further outputs that training alone has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from leannet.rows import (
    Architecture,
    Conv,
    Dropout,
    GlobalPool,
    Inception,
    Input,
    Linear,
    LocalResponse,
    Norm,
    Output,
    Pool,
    Row,
)
from leannet.zoo.foreign import Source, convolution
from leannet.zoo.registry import family, label
from leannet.zoo.width import scale_channels

PAPER = "arXiv 1409.4842, Table 1"
# name, #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj; None: a max pool of stride 2
MODULES = (
    ("3a",  64,  96, 128, 16,  32,  32),
    ("3b", 128, 128, 192, 32,  96,  64),
    None,
    ("4a", 192,  96, 208, 16,  48,  64),
    ("4b", 160, 112, 224, 24,  64,  64),
    ("4c", 128, 128, 256, 24,  64,  64),
    ("4d", 112, 144, 288, 32,  64,  64),
    ("4e", 256, 160, 320, 32, 128, 128),
    None,
    ("5a", 256, 160, 320, 32, 128, 128),
    ("5b", 384, 192, 384, 48, 128, 128),
)  # fmt: skip
Modules = tuple[tuple[str, int, int, int, int, int, int] | None, ...]
AUX_AFTER = {"4a": 1, "4d": 2}


@dataclass(frozen=True)
class Version:
    """How the table is read."""

    name: str
    norm: Norm | None = None
    kernel5: int = 5
    aux: bool = False
    dropout: float = 0.4

    @property
    def torchvision(self) -> bool:
        return self.norm is not None


PAPERS = Version("googlenet")
TORCHVISION = Version("googlenet_torchvision", Norm(eps=1e-3), kernel5=3, dropout=0.2)


def _table(
    version: Version, width: float, resolution: int, classes: int, in_channels: int, modules: Modules = MODULES
) -> Architecture:
    def conv(name: str, filters: int, kernel: int, stride: int = 1) -> Conv:
        return Conv(
            name=name,
            out_channels=scale_channels(filters, width),
            kernel=kernel,
            stride=stride,
            bias=version.norm is None,
            norm=version.norm,
            activation="relu",
        )

    def pool(number: int, kernel: int = 3) -> Pool:
        return Pool(name=f"maxpool{number}", op="max", kernel=kernel, stride=2, ceil=True)

    rows: list[Row] = [
        conv("conv1", 64, 7, 2),
        pool(1),
        LocalResponse(name="norm1"),
        conv("conv2", 64, 1),
        conv("conv3", 192, 3),
        LocalResponse(name="norm2"),
        pool(2),
    ]
    if version.torchvision:
        rows = [row for row in rows if not isinstance(row, LocalResponse)]
    heads: list[Row] = []
    pools = 3
    for module in modules:
        if module is None:
            # torchvision's fourth pool is 2 x 2, the paper's 3 x 3.
            rows.append(pool(pools, 2 if version.torchvision and pools == 4 else 3))
            pools += 1
            continue
        name, *widths = module
        one, reduce3, three, reduce5, five, proj = (scale_channels(c, width) for c in widths)
        rows.append(
            Inception(
                name=f"inception{name}",
                channels_1x1=one,
                reduce_3x3=reduce3,
                channels_3x3=three,
                reduce_5x5=reduce5,
                channels_5x5=five,
                pool_proj=proj,
                kernel5=version.kernel5,
                norm=version.norm,
            )
        )
        if version.aux and name in AUX_AFTER:
            heads += _aux(f"aux{AUX_AFTER[name]}", f"inception{name}", version, width, classes)
    rows += [
        GlobalPool(name="avgpool"),
        Dropout(name="dropout", rate=version.dropout),
        Linear(name="fc", out_channels=classes),
    ]
    auxiliary = [Output(row=f"aux{number}_fc2", role="auxiliary") for number in AUX_AFTER.values()]
    outputs = (Output(row="fc"), *auxiliary) if version.aux else ()
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(version.name, width), input=size, rows=(*rows, *heads), outputs=outputs)


def _aux(name: str, source: str, version: Version, width: float, classes: int) -> list[Row]:
    """An auxiliary head: means of 4 x 4 cells, 128 1x1 filters, 1024 hidden, classes (section 5)."""
    if version.torchvision:
        pool: Row = GlobalPool(name=f"{name}_pool", inputs=(source,), size=4)
    else:
        pool = Pool(name=f"{name}_pool", inputs=(source,), op="average", kernel=5, stride=3)
    return [
        pool,
        Conv(
            name=f"{name}_conv",
            out_channels=scale_channels(128, width),
            bias=version.norm is None,
            norm=version.norm,
            activation="relu",
        ),
        Linear(name=f"{name}_fc1", out_channels=scale_channels(1024, width), activation="relu"),
        Dropout(name=f"{name}_dropout", rate=0.7),
        Linear(name=f"{name}_fc2", out_channels=classes),
    ]


@family("googlenet", "Inception modules", PAPER)
def googlenet(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table(PAPERS, width, resolution, classes, in_channels)


@family("googlenet_aux", "with its two auxiliary heads", PAPER)
def googlenet_aux(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table(replace(PAPERS, name="googlenet_aux", aux=True), width, resolution, classes, in_channels)


def googlenet_torchvision(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table(TORCHVISION, width, resolution, classes, in_channels)


def googlenet_torchvision_aux(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table(
        replace(TORCHVISION, name="googlenet_torchvision_aux", aux=True), width, resolution, classes, in_channels
    )


BRANCHES = {
    "branch_1x1": "branch1",
    "reduce_3x3": "branch2.0",
    "branch_3x3": "branch2.1",
    "reduce_5x5": "branch3.0",
    "branch_5x5": "branch3.1",
    "pool_proj": "branch4.1",
}


def _keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
    for row in architecture.rows:
        if isinstance(row, Inception):
            for ours, theirs in BRANCHES.items():
                prefix = f"{row.name}.{theirs}"
                yield from convolution(f"{row.name}.{ours}", f"{prefix}.conv", f"{prefix}.bn")
        elif isinstance(row, Conv):
            prefix = row.name.replace("_", ".")
            yield from convolution(row.name, f"{prefix}.conv", f"{prefix}.bn")
        elif isinstance(row, Linear):
            yield f"{row.name}.linear", row.name.replace("_", ".")


# torchvision's weights come from TensorFlow and were trained on images scaled to -1..1.
HALF = (0.5, 0.5, 0.5)
WEIGHTS = Source("torchvision", googlenet_torchvision, _keys, HALF, HALF, license="BSD-3-Clause", optional=("aux",))
AUX_WEIGHTS = replace(WEIGHTS, rows=googlenet_torchvision_aux, optional=())
family("googlenet_torchvision", "batch norm, and 3x3 for 5x5", PAPER, sources=(WEIGHTS,))(googlenet_torchvision)
family("googlenet_torchvision_aux", "with its two auxiliary heads", PAPER, sources=(AUX_WEIGHTS,))(
    googlenet_torchvision_aux
)


@family("googlenet_debug", "one module, for quick tests", PAPER, resolution=32, classes=10)
def googlenet_debug(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    version = replace(TORCHVISION, name="googlenet_debug")
    return _table(version, width, resolution, classes, in_channels, modules=(("3a", 16, 16, 16, 8, 8, 8),))
