"""ResNet: what the lightweight networks are compared with, and the CIFAR forms that SkipNet skips.

He et al., "Deep Residual Learning for Image Recognition", arXiv 1512.03385, Table 1. The stride of a bottleneck is at
its 3x3 convolution, as in torchvision. The CIFAR forms have 6n + 2 layers (section 4.2), with a projection where the
width changes, as those of SkipNet (arXiv 1711.09485).
"""

from collections.abc import Iterator

from leannet.rows import (
    Architecture,
    BasicResidual,
    BottleneckResidual,
    Conv,
    GlobalPool,
    Input,
    Linear,
    Norm,
    Pool,
    Row,
)
from leannet.zoo.foreign import Source, convolution
from leannet.zoo.registry import FamilyFunction, family, label
from leannet.zoo.width import scale_channels

PAPER = "arXiv 1512.03385, Table 1"
CIFAR_PAPER = "arXiv 1512.03385, section 4.2; arXiv 1711.09485"
WIDTHS = (64, 128, 256, 512)
CIFAR_WIDTHS = (16, 32, 64)
EXPANSION = 4  # of a bottleneck
# layers -> blocks of each stage, and whether they are bottlenecks
DEPTHS = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
CIFAR_DEPTHS = (20, 32, 38, 44, 56, 74, 110, 152)


def _stages(
    widths: tuple[int, ...], blocks: tuple[int, ...], bottleneck: bool, channels: int, width: float
) -> list[Row]:
    rows: list[Row] = []
    for stage, (printed, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        inner = scale_channels(printed, width)
        out = inner * EXPANSION if bottleneck else inner
        for block in range(count):
            stride = 2 if stage > 1 and block == 0 else 1
            name, project = f"layer{stage}_{block}", stride != 1 or channels != out
            if bottleneck:
                rows.append(
                    BottleneckResidual(
                        name=name, out_channels=out, bottleneck_channels=inner, stride=stride, project=project
                    )
                )
            else:
                rows.append(BasicResidual(name=name, out_channels=out, stride=stride, project=project))
            channels = out
    return rows


def _resnet(name: str, depth: int) -> FamilyFunction:
    blocks, bottleneck = DEPTHS[depth]

    def rows(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
        stem = scale_channels(64, width)
        table: list[Row] = [
            Conv(name="conv1", out_channels=stem, kernel=7, stride=2, norm=Norm(), activation="relu"),
            Pool(name="maxpool", op="max", kernel=3, stride=2, padding="symmetric"),
            *_stages(WIDTHS, blocks, bottleneck, stem, width),
            GlobalPool(name="avgpool"),
            Linear(name="fc", out_channels=classes),
        ]
        size = Input(channels=in_channels, height=resolution, width=resolution)
        return Architecture(name=label(name, width), input=size, rows=tuple(table))

    return rows


def _cifar(name: str, blocks: tuple[int, ...]) -> FamilyFunction:
    def rows(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
        stem = scale_channels(16, width)
        table: list[Row] = [
            Conv(name="conv1", out_channels=stem, kernel=3, norm=Norm(), activation="relu"),
            *_stages(CIFAR_WIDTHS[: len(blocks)], blocks, False, stem, width),
            GlobalPool(name="avgpool"),
            Linear(name="fc", out_channels=classes),
        ]
        size = Input(channels=in_channels, height=resolution, width=resolution)
        return Architecture(name=label(name, width), input=size, rows=tuple(table))

    return rows


def _keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
    """torchvision and timm name them alike."""
    yield from convolution("conv1", "conv1", "bn1")
    for row in architecture.rows:
        if isinstance(row, BasicResidual | BottleneckResidual):
            prefix = row.name.replace("_", ".")
            for number in (1, 2, 3)[: 3 if isinstance(row, BottleneckResidual) else 2]:
                yield from convolution(f"{row.name}.conv_{number}", f"{prefix}.conv{number}", f"{prefix}.bn{number}")
            if row.project:
                yield from convolution(f"{row.name}.shortcut", f"{prefix}.downsample.0", f"{prefix}.downsample.1")
    yield "fc.linear", "fc"


for _depth in DEPTHS:
    _rows = _resnet(f"resnet{_depth}", _depth)
    _source = Source("torchvision", _rows, _keys, license="BSD-3-Clause")
    family(f"resnet{_depth}", f"residual network of {_depth} layers", PAPER, sources=(_source,))(_rows)
for _depth in CIFAR_DEPTHS:
    _name, _blocks = f"cifar_resnet{_depth}", ((_depth - 2) // 6,) * 3
    family(_name, f"for 32 x 32 images, {_depth} layers", CIFAR_PAPER, resolution=32, classes=10)(
        _cifar(_name, _blocks)
    )
family("resnet_debug", "two blocks, for quick tests", PAPER, resolution=32, classes=10)(_cifar("resnet_debug", (1, 1)))
