"""AlexNet and VGG16: large convolutions and larger fully connected layers, which SqueezeNet was measured against.

`alexnet_grouped` is the original, two towers as two groups: Krizhevsky et al., "ImageNet Classification with Deep
Convolutional Neural Networks", NIPS 2012, section 3.5, at 227 pixels. `alexnet` is the one tower of Krizhevsky,
"One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997, as torchvision has it. `vgg16` is
configuration D of Simonyan and Zisserman, arXiv 1409.1556, Table 1.
"""

from collections.abc import Iterator

from leannet.rows import (
    Architecture,
    Conv,
    Dropout,
    GlobalPool,
    Input,
    Linear,
    LocalResponse,
    Pool,
    Row,
)
from leannet.zoo.foreign import KeyMap, Source, convolution
from leannet.zoo.registry import family, label
from leannet.zoo.width import scale_channels

# name, filters, kernel, stride, padding, groups; then whether local response normalization and a pool follow
TWO_TOWERS = (
    ("conv1",  96, 11, 4, 0, 1, True,  True),
    ("conv2", 256,  5, 1, 2, 2, True,  True),
    ("conv3", 384,  3, 1, 1, 1, False, False),
    ("conv4", 384,  3, 1, 1, 2, False, False),
    ("conv5", 256,  3, 1, 1, 2, False, True),
)  # fmt: skip
ONE_TOWER = (
    ("conv1",  64, 11, 4, 2, 1, False, True),
    ("conv2", 192,  5, 1, 2, 1, False, True),
    ("conv3", 384,  3, 1, 1, 1, False, False),
    ("conv4", 256,  3, 1, 1, 1, False, False),
    ("conv5", 256,  3, 1, 1, 1, False, True),
)  # fmt: skip
# filters of the 3x3 convolutions between the 2x2 pools
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def _classifier(hidden: int, classes: int, before: bool) -> list[Row]:
    """Two hidden layers with dropout, which torchvision's AlexNet puts before them, the others behind."""
    rows: list[Row] = []
    for name in ("fc6", "fc7"):
        layer = Linear(name=name, out_channels=hidden, activation="relu")
        drop = Dropout(name=f"drop{name[-1]}", rate=0.5)
        rows += [drop, layer] if before else [layer, drop]
    return [*rows, Linear(name="fc8", out_channels=classes)]


def _numbered(first: int) -> KeyMap:
    """torchvision numbers layers in two sequences: convolution and activation are two, a pool one; the fully connected
    ones are counted from `first` with their activations and dropouts.
    """

    def keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
        number = 0
        for row in architecture.rows:
            if isinstance(row, Conv):
                yield from convolution(row.name, f"features.{number}")
            number += 2 if isinstance(row, Conv) else 1
        for name, step in zip(("fc6", "fc7", "fc8"), (first, first + 3, 6), strict=True):
            yield f"{name}.linear", f"classifier.{step}"

    return keys


def alexnet(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    rows: list[Row] = [
        *_convolutions(ONE_TOWER, width),
        GlobalPool(name="avgpool", size=6),
        *_classifier(scale_channels(4096, width), classes, before=True),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label("alexnet", width), input=size, rows=tuple(rows))


ALEXNET = Source("torchvision", alexnet, _numbered(1), license="BSD-3-Clause")
family("alexnet", "one tower", "arXiv 1404.5997, as torchvision has it", sources=(ALEXNET,))(alexnet)


@family("alexnet_grouped", "the original, in two groups", "NIPS 2012, section 3.5", resolution=227)
def alexnet_grouped(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    rows: list[Row] = [
        *_convolutions(TWO_TOWERS, width),
        *_classifier(scale_channels(4096, width), classes, before=False),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label("alexnet_grouped", width), input=size, rows=tuple(rows))


def _convolutions(table: tuple[tuple[str, int, int, int, int, int, bool, bool], ...], width: float) -> list[Row]:
    rows: list[Row] = []
    for name, filters, kernel, stride, padding, groups, response, pool in table:
        rows.append(
            Conv(
                name=name,
                out_channels=scale_channels(filters, width),
                kernel=kernel,
                stride=stride,
                padding=padding,
                groups=groups,
                bias=True,
                activation="relu",
            )
        )
        if response:
            rows.append(LocalResponse(name=name.replace("conv", "norm")))
        if pool:
            rows.append(Pool(name=name.replace("conv", "pool"), op="max", kernel=3, stride=2))
    return rows


def _vgg(
    name: str,
    stages: tuple[tuple[int, ...], ...],
    hidden: int,
    width: float,
    resolution: int,
    classes: int,
    in_channels: int,
) -> Architecture:
    rows: list[Row] = []
    for stage, filters in enumerate(stages, start=1):
        for number, channels in enumerate(filters, start=1):
            out = scale_channels(channels, width)
            rows.append(Conv(name=f"conv{stage}_{number}", out_channels=out, kernel=3, bias=True, activation="relu"))
        rows.append(Pool(name=f"pool{stage}", op="max", kernel=2, stride=2))
    rows += [
        GlobalPool(name="avgpool", size=7 if len(stages) == len(VGG16) else 2),
        *_classifier(scale_channels(hidden, width), classes, before=False),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


def vgg16(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _vgg("vgg16", VGG16, 4096, width, resolution, classes, in_channels)


VGG16_WEIGHTS = Source("torchvision", vgg16, _numbered(0), license="BSD-3-Clause")
family("vgg16", "thirteen 3x3 convolutions", "arXiv 1409.1556, Table 1, D", sources=(VGG16_WEIGHTS,))(vgg16)


@family("vgg_debug", "two convolutions, for quick tests", "arXiv 1409.1556", resolution=32, classes=10)
def vgg_debug(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    return _vgg("vgg_debug", ((8,), (16,)), 32, width, resolution, classes, in_channels)
