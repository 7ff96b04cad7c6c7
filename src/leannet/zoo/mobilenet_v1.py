"""MobileNetV1: a stack of depthwise separable convolutions, thinned by a width multiplier.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
arXiv 1704.04861. Table 1 is the body; section 3.3 the width multiplier, 3.4 the resolution multiplier.
Rows are named as in the authors' code (slim): Conv2d_0, then Conv2d_1.depthwise and Conv2d_1.pointwise, ...
"""

from collections.abc import Iterator

from leannet.rows import Activation, Architecture, Conv, Dropout, GlobalPool, Input, Linear, Norm, Row, Separable
from leannet.zoo.foreign import Source, convolution, stages
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

PAPER = "arXiv 1704.04861, Table 1"

# out channels, stride: each line one depthwise and one pointwise row of Table 1
BODY = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)
DEBUG = ((16, 1), (32, 2), (32, 1))


def _table(
    name: str,
    body: tuple[tuple[int, int], ...],
    width: float,
    resolution: int,
    classes: int,
    in_channels: int,
    activation: Activation = "relu",
) -> Architecture:
    stem = round_channels(32 * width)
    rows: list[Row] = [
        Conv(name="Conv2d_0", out_channels=stem, kernel=3, stride=2, norm=Norm(), activation=activation),
        *(
            Separable(
                name=f"Conv2d_{number}",
                out_channels=round_channels(channels * width),
                stride=stride,
                activation=activation,
            )
            for number, (channels, stride) in enumerate(body, start=1)
        ),
        GlobalPool(name="AvgPool"),
        Dropout(name="Dropout", rate=0.001),  # the authors' keep probability of 0.999
        Linear(name="Logits", out_channels=classes),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


ERRATA = (
    "Table 1 prints Conv2d_13.depthwise with stride 2 on 7 x 7 x 1024 and a 7 x 7 result: an erratum, it is stride 1.",
    "Table 2 prints 1.19 % of the mult-adds for 3x3: its digits are swapped, 1.91 % makes the column sum to 100.",
)


def _timm(architecture: Architecture) -> Iterator[tuple[str, str]]:
    yield from convolution("Conv2d_0", "conv_stem", "bn1")
    for number, name in enumerate(stages([channels for channels, _ in BODY]), start=1):
        yield from convolution(f"Conv2d_{number}.depthwise", f"blocks.{name}.conv_dw", f"blocks.{name}.bn1")
        yield from convolution(f"Conv2d_{number}.pointwise", f"blocks.{name}.conv_pw", f"blocks.{name}.bn2")
    yield "Logits.linear", "classifier"


def _timm_rows(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    """timm clips the activation at 6, as the authors' code does and the paper does not."""
    return _table("mobilenet_v1", BODY, width, resolution, classes, in_channels, activation="relu6")


TIMM = Source("timm", _timm_rows, _timm, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic")


@family("mobilenet_v1", "depthwise separable convolutions", PAPER, notes=ERRATA, sources=(TIMM,))
def mobilenet_v1(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("mobilenet_v1", BODY, width, resolution, classes, in_channels)


@family("mobilenet_v1_debug", "three blocks, for quick tests", PAPER, resolution=32, classes=10)
def mobilenet_v1_debug(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _table("mobilenet_v1_debug", DEBUG, width, resolution, classes, in_channels)
