"""StarNet: blocks whose only nonlinearity of note is a product of two branches.

Ma et al., "Rewrite the Stars", arXiv 2403.19967, Table 5. The width multiplies the first stage's channels, which double
from stage to stage.
"""

from collections.abc import Iterator
from functools import partial

from leannet.rows import Architecture, Conv, GlobalPool, Input, Linear, Norm, Normalize, Row, StarBlock
from leannet.zoo.foreign import Source, convolution
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

PAPER = "arXiv 2403.19967, Table 5"
STEM, EXPANSION = 32, 4
# Channels of the first stage, and blocks of each.
VERSIONS: dict[str, tuple[int, tuple[int, ...]]] = {
    "starnet_s1": (24, (2, 2, 8, 3)), "starnet_s2": (32, (1, 2, 6, 2)), "starnet_s3": (32, (2, 2, 8, 4)),
}  # fmt: skip


def _table(
    name: str, base: int, depths: tuple[int, ...], width: float, resolution: int, classes: int, in_channels: int
) -> Architecture:
    down = {"kernel": 3, "stride": 2, "bias": True, "norm": Norm()}
    rows: list[Row] = [Conv(name="stem", out_channels=STEM, activation="relu6", **down)]
    channels = round_channels(base * width)
    for stage, depth in enumerate(depths):
        rows.append(Conv(name=f"stage_{stage}_down", out_channels=channels << stage, **down))
        expanded = EXPANSION * (channels << stage)
        rows += [StarBlock(name=f"stage_{stage}_block_{block}", expansion_channels=expanded) for block in range(depth)]
    rows += [
        Normalize(name="norm"),
        GlobalPool(name="global_average_pooling"),
        Linear(name="head", out_channels=classes),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


def _timm_keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
    yield from convolution("stem", "stem.0.conv", "stem.0.bn")
    for row in architecture.rows:
        if not row.name.startswith("stage_"):
            continue
        stage, place = row.name.removeprefix("stage_").split("_", 1)
        if place == "down":
            yield from convolution(row.name, f"stages.{stage}.0.conv", f"stages.{stage}.0.bn")
            continue
        prefix = f"stages.{stage}.{int(place.removeprefix('block_')) + 1}"
        yield from convolution(f"{row.name}.depthwise_1", f"{prefix}.dwconv.conv", f"{prefix}.dwconv.bn")
        yield from convolution(f"{row.name}.factor_1", f"{prefix}.f1.conv")
        yield from convolution(f"{row.name}.factor_2", f"{prefix}.f2.conv")
        yield from convolution(f"{row.name}.project", f"{prefix}.g.conv", f"{prefix}.g.bn")
        yield from convolution(f"{row.name}.depthwise_2", f"{prefix}.dwconv2.conv")
    yield "norm.norm", "norm"
    yield "head.linear", "head"


for _name, (_base, _depths) in VERSIONS.items():
    _rows = partial(_table, _name, _base, _depths)
    _timm = Source("timm", _rows, _timm_keys, interpolation="bicubic", license="MIT")
    family(_name, "products of two branches", PAPER, sources=(_timm,))(_rows)
family("starnet_debug", "two blocks, for quick tests", PAPER, 32, 10)(partial(_table, "starnet_debug", 8, (1, 1)))
