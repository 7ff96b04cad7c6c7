"""FasterNet: partial convolutions, which read a quarter of the channels and let the others pass.

Chen et al., "Run, Don't Walk: Chasing Higher FLOPS for Faster Neural Networks", arXiv 2303.03667, Table 9. The two
smallest have GELU. The width multiplies the first stage's channels, which double from stage to stage.
"""

from collections.abc import Iterator
from functools import partial

from leannet.rows import Architecture, Conv, GlobalPool, Input, Linear, Norm, PartialBlock, Row
from leannet.zoo.foreign import Source, convolution
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

PAPER = "arXiv 2303.03667, Table 9"
DEPTHS = (1, 2, 8, 2)
BASES = {"fasternet_t0": 40, "fasternet_t1": 64}


def _table(
    name: str, base: int, depths: tuple[int, ...], width: float, resolution: int, classes: int, in_channels: int
) -> Architecture:
    channels = round_channels(base * width)
    rows: list[Row] = []
    for stage, depth in enumerate(depths):
        side, wide = 2 if stage else 4, channels << stage
        patch = {"kernel": side, "stride": side, "padding": "valid", "norm": Norm()}
        rows.append(Conv(name=f"stage_{stage}_down" if stage else "stem", out_channels=wide, **patch))
        rows += [
            PartialBlock(
                name=f"stage_{stage}_block_{block}", convolved_channels=wide // 4, expansion_channels=2 * wide,
                activation="gelu",
            )
            for block in range(depth)
        ]  # fmt: skip
    rows += [
        GlobalPool(name="global_average_pooling"),
        Conv(name="head", out_channels=1280, activation="gelu"),
        Linear(name="classifier", out_channels=classes),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


def _timm_keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
    yield from convolution("stem", "patch_embed.proj", "patch_embed.norm")
    for row in architecture.rows:
        if not row.name.startswith("stage_"):
            continue
        stage, place = row.name.removeprefix("stage_").split("_", 1)
        if place == "down":
            prefix = f"stages.{stage}.downsample"
            yield from convolution(row.name, f"{prefix}.reduction", f"{prefix}.norm")
            continue
        prefix = f"stages.{stage}.blocks.{place.removeprefix('block_')}"
        yield from convolution(f"{row.name}.partial", f"{prefix}.spatial_mixing.partial_conv3")
        yield from convolution(f"{row.name}.expand", f"{prefix}.mlp.0", f"{prefix}.mlp.1")
        yield from convolution(f"{row.name}.project", f"{prefix}.mlp.3")
    yield from convolution("head", "conv_head")
    yield "classifier.linear", "classifier"


for _name, _base in BASES.items():
    _rows = partial(_table, _name, _base, DEPTHS)
    _timm = Source("timm", _rows, _timm_keys, interpolation="bicubic")
    family(_name, "a quarter of the channels convolved", PAPER, sources=(_timm,))(_rows)
family("fasternet_debug", "two blocks, for quick tests", PAPER, 32, 10)(partial(_table, "fasternet_debug", 8, (1, 1)))
