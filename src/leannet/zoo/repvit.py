"""RepViT: a convolutional network in the shape of a vision transformer, with branches that fold.

Wang et al., "RepViT: Revisiting Mobile CNN From ViT Perspective", arXiv 2307.09283, Table 2. Two heads, one of which
learned from a teacher, answer together: the mean of both. M1 is the first version, whose branches are normalized one by
one.
"""

from collections.abc import Iterator
from functools import partial

from leannet.rows import (
    Add,
    Architecture,
    Conv,
    Depthwise,
    GlobalPool,
    Input,
    Linear,
    Norm,
    Normalize,
    RepVitBlock,
    Row,
    UniversalInvertedBottleneck,
)
from leannet.zoo.foreign import Source, convolution
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

PAPER = "arXiv 2307.09283, Table 2"
CHANNELS, DEPTHS = (48, 96, 192, 384), (2, 2, 14, 2)
Size = tuple[tuple[int, ...], tuple[int, ...]]  # channels and blocks of each stage


def _table(
    name: str, stages: Size, norm_of_sum: bool, width: float, resolution: int, classes: int, in_channels: int
) -> Architecture:
    outs = [round_channels(channels * width) for channels in stages[0]]
    norm = Norm()
    down = {"kernel": 3, "stride": 2, "norm": norm}
    rows: list[Row] = [
        Conv(name="stem_1", out_channels=outs[0] // 2, activation="gelu", **down),
        Conv(name="stem_2", out_channels=outs[0], **down),
    ]

    def block(name: str, channels: int, squeezes: bool) -> RepVitBlock:
        squeezed = round_channels(channels / 4) if squeezes else None
        return RepVitBlock(
            name=name, expansion_channels=2 * channels, squeeze_channels=squeezed, norm_of_sum=norm_of_sum
        )

    for stage, (out, depth) in enumerate(zip(outs, stages[1], strict=True)):
        if stage:
            prefix = f"stage_{stage}_down"
            rows += [
                block(f"{prefix}_block", outs[stage - 1], squeezes=False),
                Depthwise(name=f"{prefix}_depthwise", **down),
                Conv(name=f"{prefix}_project", out_channels=out, norm=norm),
                UniversalInvertedBottleneck(
                    name=f"{prefix}_feed_forward", out_channels=out, expansion_channels=2 * out, activation="gelu",
                    residual=True,
                ),
            ]  # fmt: skip
        rows += [block(f"stage_{stage}_block_{number}", out, squeezes=number % 2 == 0) for number in range(depth)]
    rows += [
        GlobalPool(name="global_average_pooling"),
        Normalize(name="head_norm"),
        Linear(name="head", out_channels=classes),
        Normalize(name="distilled_norm", inputs=("global_average_pooling",)),
        Linear(name="distilled_head", out_channels=classes),
        Add(name="mean", inputs=("head", "distilled_head"), average=True),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


def _timm_keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
    yield from convolution("stem_1", "stem.conv1.c", "stem.conv1.bn")
    yield from convolution("stem_2", "stem.conv2.c", "stem.conv2.bn")
    for row in architecture.rows:
        if not row.name.startswith("stage_"):
            continue
        stage, place = row.name.removeprefix("stage_").split("_", 1)
        prefix = f"stages.{stage}.downsample"
        match row:
            case Depthwise():
                yield from convolution(row.name, f"{prefix}.spatial_downsample.c", f"{prefix}.spatial_downsample.bn")
            case Conv():
                yield from convolution(row.name, f"{prefix}.channel_downsample.c", f"{prefix}.channel_downsample.bn")
            case UniversalInvertedBottleneck():
                yield from _mlp(row.name, f"{prefix}.ffn")
            case RepVitBlock():
                number = place.removeprefix("block_")
                theirs = f"{prefix}.pre_block" if place == "down_block" else f"stages.{stage}.blocks.{number}"
                mixer = f"{theirs}.token_mixer"
                yield from convolution(f"{row.name}.conv", f"{mixer}.conv.c", f"{mixer}.conv.bn")
                if row.norm_of_sum:
                    yield from convolution(f"{row.name}.scale", f"{mixer}.conv1")
                    yield f"{row.name}.mixed.norm", f"{mixer}.bn"
                else:
                    yield from convolution(f"{row.name}.scale", f"{mixer}.conv1.c", f"{mixer}.conv1.bn")
                if row.squeeze_channels is not None:
                    yield from convolution(f"{row.name}.squeeze_excite.reduce", f"{theirs}.se.fc1")
                    yield from convolution(f"{row.name}.squeeze_excite.restore", f"{theirs}.se.fc2")
                yield from _mlp(row.name, f"{theirs}.channel_mixer")
    for ours, theirs in (("head", "head.head"), ("distilled_head", "head.head_dist")):
        yield f"{ours.removesuffix('_head')}_norm.norm", f"{theirs}.bn"
        yield f"{ours}.linear", f"{theirs}.l"


def _mlp(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield from convolution(f"{ours}.expand", f"{theirs}.conv1.c", f"{theirs}.conv1.bn")
    yield from convolution(f"{ours}.project", f"{theirs}.conv2.c", f"{theirs}.conv2.bn")


for _name, _of_sum in (("repvit_m0_9", True), ("repvit_m1", False)):
    _rows = partial(_table, _name, (CHANNELS, DEPTHS), _of_sum)
    _timm = Source("timm", _rows, _timm_keys, interpolation="bicubic")
    family(_name, "a transformer's shape without attention", PAPER, sources=(_timm,))(_rows)
family("repvit_debug", "three blocks, for quick tests", PAPER, 32, 10)(
    partial(_table, "repvit_debug", ((16, 24), (1, 1)), True)
)
