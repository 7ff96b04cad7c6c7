"""MobileNetV2: inverted residuals with linear bottlenecks.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv 1801.04381, Table 2.
Rows are named as in the authors' code and Keras: Conv1, expanded_conv, block_1 ... block_16, Conv_1, Logits.
The width multiplier scales every row but the last convolution, which only grows (section 5.1, and the code).
"""

from collections.abc import Iterator

from leannet.rows import (
    Architecture,
    Conv,
    Dropout,
    GlobalPool,
    Input,
    InvertedResidual,
    Linear,
    Norm,
    Row,
)
from leannet.zoo.foreign import Source, convolution, stages, timm_block
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

PAPER = "arXiv 1801.04381, Table 2"

Bottlenecks = tuple[tuple[int, int, int, int], ...]
# t (expansion), c (channels), n (repeats), s (stride of the first)
BODY: Bottlenecks = (
    (1,  16, 1, 1),
    (6,  24, 2, 2),
    (6,  32, 3, 2),
    (6,  64, 4, 2),
    (6,  96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip
# For 32 x 32 images: the stem and the first stride-2 row at stride 1, so that 4 x 4 pixels are left at the end.
CIFAR_BODY: Bottlenecks = (BODY[0], (6, 24, 2, 1), *BODY[2:])
DEBUG: Bottlenecks = ((1, 8, 1, 1), (6, 16, 2, 2))


def _table(
    name: str,
    body: Bottlenecks,
    stem_stride: int,
    last: int,
    width: float,
    resolution: int,
    classes: int,
    in_channels: int,
) -> Architecture:
    channels = round_channels(32 * width)
    rows: list[Row] = [
        Conv(name="Conv1", out_channels=channels, kernel=3, stride=stem_stride, norm=Norm(), activation="relu6")
    ]
    for expansion, out, repeats, first_stride in body:
        for repeat in range(repeats):
            stride, out_channels = first_stride if repeat == 0 else 1, round_channels(out * width)
            rows.append(
                InvertedResidual(
                    name=f"block_{len(rows) - 1}" if len(rows) > 1 else "expanded_conv",
                    expansion_channels=None if expansion == 1 else expansion * channels,
                    out_channels=out_channels,
                    stride=stride,
                    residual=stride == 1 and channels == out_channels,
                )
            )
            channels = out_channels
    rows += [
        Conv(name="Conv_1", out_channels=round_channels(last * max(1, width)), norm=Norm(), activation="relu6"),
        GlobalPool(name="global_average_pooling"),
        Dropout(name="Dropout", rate=0.2),
        Linear(name="Logits", out_channels=classes),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


def mobilenet_v2(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("mobilenet_v2", BODY, 2, 1280, width, resolution, classes, in_channels)


def _timm(architecture: Architecture) -> Iterator[tuple[str, str]]:
    yield from convolution("Conv1", "conv_stem", "bn1")
    rows = [row for row in architecture.rows if isinstance(row, InvertedResidual)]
    for row, name in zip(rows, stages([c for _, c, n, _ in BODY for _ in range(n)]), strict=True):
        yield from timm_block(row, f"blocks.{name}")
    yield from convolution("Conv_1", "conv_head", "bn2")
    yield "Logits.linear", "classifier"


def _torchvision(architecture: Architecture) -> Iterator[tuple[str, str]]:
    yield from convolution("Conv1", "features.0.0", "features.0.1")
    rows = [row for row in architecture.rows if isinstance(row, InvertedResidual)]
    for number, row in enumerate(rows, start=1):
        prefix, step = f"features.{number}.conv", 0
        for layer in ("expand", "depthwise")[row.expansion_channels is None :]:
            yield from convolution(f"{row.name}.{layer}", f"{prefix}.{step}.0", f"{prefix}.{step}.1")
            step += 1
        yield from convolution(f"{row.name}.project", f"{prefix}.{step}", f"{prefix}.{step + 1}")
    yield from convolution("Conv_1", f"features.{len(rows) + 1}.0", f"features.{len(rows) + 1}.1")
    yield "Logits.linear", "classifier.1"


family(
    "mobilenet_v2",
    "inverted residuals with linear bottlenecks",
    PAPER,
    sources=(
        Source("timm", mobilenet_v2, _timm, interpolation="bicubic"),
        Source("torchvision", mobilenet_v2, _torchvision, license="BSD-3-Clause"),
    ),
)(mobilenet_v2)


@family("cifar_mobilenet_v2", "MobileNetV2 for 32 x 32 images, total stride 8", PAPER, resolution=32, classes=10)
def cifar_mobilenet_v2(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("cifar_mobilenet_v2", CIFAR_BODY, 1, 1280, width, resolution, classes, in_channels)


@family("mobilenet_v2_debug", "three blocks, for quick tests", PAPER, resolution=32, classes=10)
def mobilenet_v2_debug(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("mobilenet_v2_debug", DEBUG, 2, 64, width, resolution, classes, in_channels)
