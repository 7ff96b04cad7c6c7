"""MobileNetV3: searched rows, squeeze-and-excitation, h-swish, and a last stage moved behind the pooling.

Howard et al., "Searching for MobileNetV3", arXiv 1905.02244, Tables 1 (Large) and 2 (Small). The early arXiv version
ends Small in 1280, the later ones and the authors' code in 1024, which stands here.

Two width rules are in use. The authors' code, timm and the published 0.75 weights take each expansion from the
*rounded* width of the row above, and leave the last row (1280, 1024) alone: `mobilenet_v3_large`. torchvision scales
the table's expansion and the last row too: `mobilenet_v3_large_torchvision`, with its epsilon and momentum.
The minimalistic forms (same authors, slim's README) do without h-swish, squeeze-and-excitation and 5 x 5 kernels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from leannet.rows import (
    Activation,
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
from leannet.zoo.foreign import Source, convolution, ported, stages, timm_block
from leannet.zoo.registry import family, label
from leannet.zoo.width import round_channels

TORCH_NORM = Norm()


@dataclass(frozen=True)
class Version:
    """A table of the paper, and how it is read."""

    name: str
    rows: tuple[tuple[int, int, int, bool, Activation, int], ...]
    last_channels: int  # of the row behind the pooling
    scale_table: bool = False  # torchvision's width rule
    stem_stride: int = 2
    activation: Activation = "h_swish"  # of stem and tail
    norm: Norm = TORCH_NORM
    whole_stem_below: float = 0  # the stem keeps its 16 filters below this width (timm: 0.75)


HS: Activation = "h_swish"
RE: Activation = "relu"

# kernel, expansion channels, out channels, squeeze-and-excitation, nonlinearity, stride
LARGE = Version(
    "mobilenet_v3_large",
    (
        (3,  16,  16, False, RE, 1),
        (3,  64,  24, False, RE, 2),
        (3,  72,  24, False, RE, 1),
        (5,  72,  40, True,  RE, 2),
        (5, 120,  40, True,  RE, 1),
        (5, 120,  40, True,  RE, 1),
        (3, 240,  80, False, HS, 2),
        (3, 200,  80, False, HS, 1),
        (3, 184,  80, False, HS, 1),
        (3, 184,  80, False, HS, 1),
        (3, 480, 112, True,  HS, 1),
        (3, 672, 112, True,  HS, 1),
        (5, 672, 160, True,  HS, 2),
        (5, 960, 160, True,  HS, 1),
        (5, 960, 160, True,  HS, 1),
    ),
    last_channels=1280,
)  # fmt: skip
SMALL = Version(
    "mobilenet_v3_small",
    (
        (3,  16,  16, True,  RE, 2),
        (3,  72,  24, False, RE, 2),
        (3,  88,  24, False, RE, 1),
        (5,  96,  40, True,  HS, 2),
        (5, 240,  40, True,  HS, 1),
        (5, 240,  40, True,  HS, 1),
        (5, 120,  48, True,  HS, 1),
        (5, 144,  48, True,  HS, 1),
        (5, 288,  96, True,  HS, 2),
        (5, 576,  96, True,  HS, 1),
        (5, 576,  96, True,  HS, 1),
    ),
    last_channels=1024,
)  # fmt: skip


def _minimal(version: Version) -> Version:
    rows = tuple((3, expansion, out, False, RE, stride) for _, expansion, out, _, _, stride in version.rows)
    return replace(version, name=version.name + "_minimal", rows=rows, activation=RE)


def _torchvision(version: Version) -> Version:
    norm = Norm(eps=1e-3, momentum=0.01)
    return replace(version, name=version.name + "_torchvision", scale_table=True, norm=norm)


# For 32 x 32 images: the stem and the first stride-2 row at stride 1, so that 4 x 4 pixels are left at the end.
CIFAR_SMALL = replace(
    SMALL, name="cifar_mobilenet_v3_small", stem_stride=1, rows=((*SMALL.rows[0][:5], 1), *SMALL.rows[1:])
)
DEBUG = replace(
    SMALL, name="mobilenet_v3_debug", rows=((3, 16, 16, True, RE, 2), (5, 64, 24, True, HS, 1)), last_channels=64
)


def _table(version: Version, width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    norm, activation = version.norm, version.activation
    channels = 16 if width < version.whole_stem_below else round_channels(16 * width)
    table_channels = 16
    rows: list[Row] = [
        Conv(
            name="Conv1",
            out_channels=channels,
            kernel=3,
            stride=version.stem_stride,
            norm=norm,
            activation=activation,
        )
    ]
    for number, (kernel, expansion, out, squeeze, nonlinearity, stride) in enumerate(version.rows):
        if version.scale_table:
            expanded = round_channels(expansion * width)
        else:
            expanded = round_channels(expansion / table_channels * channels)
        out_channels = round_channels(out * width)
        rows.append(
            InvertedResidual(
                name=f"block_{number}" if number else "expanded_conv",
                kernel=kernel,
                expansion_channels=None if expanded == channels else expanded,
                out_channels=out_channels,
                squeeze_channels=round_channels(expanded / 4) if squeeze else None,
                activation=nonlinearity,
                stride=stride,
                norm=norm,
                residual=stride == 1 and channels == out_channels,
            )
        )
        channels, table_channels = out_channels, out
    last = round_channels(version.last_channels * width) if version.scale_table else version.last_channels
    rows += [
        Conv(name="Conv_1", out_channels=round_channels(6 * channels), norm=norm, activation=activation),
        GlobalPool(name="global_average_pooling"),
        Conv(name="Conv_2", out_channels=last, bias=True, activation=activation),
        Dropout(name="Dropout", rate=0.2),
        Linear(name="Logits", out_channels=classes),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(version.name, width), input=size, rows=tuple(rows))


def _timm(version: Version, *forms: str) -> Source:
    def rows(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
        return _table(replace(version, whole_stem_below=0.75), width, resolution, classes, in_channels)

    def keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
        yield from convolution("Conv1", "conv_stem", "bn1")
        blocks = [row for row in architecture.rows if isinstance(row, InvertedResidual)]
        names = stages([out for _, _, out, *_ in version.rows])
        for row, name in zip(blocks, names, strict=True):
            yield from timm_block(row, f"blocks.{name}")
        last = int(names[-1].split(".")[0]) + 1
        yield from convolution("Conv_1", f"blocks.{last}.0.conv", f"blocks.{last}.0.bn1")
        yield from convolution("Conv_2", "conv_head")
        yield "Logits.linear", "classifier"

    return Source("timm", rows, keys, interpolation="bicubic", forms=forms)


def _timm_minimal(version: Version) -> Source:
    """timm has these from TensorFlow alone (`tf_mobilenetv3_large_minimal_100`)."""
    return replace(ported(_timm(version)), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def _torchvision_weights(version: Version) -> Source:
    def rows(width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
        return _table(_torchvision(version), width, resolution, classes, in_channels)

    def keys(architecture: Architecture) -> Iterator[tuple[str, str]]:
        yield from convolution("Conv1", "features.0.0", "features.0.1")
        blocks = [row for row in architecture.rows if isinstance(row, InvertedResidual)]
        for number, row in enumerate(blocks, start=1):
            prefix = f"features.{number}.block"
            layers = ["expand"] * (row.expansion_channels is not None) + ["depthwise"]
            layers += ["squeeze_excite"] * (row.squeeze_channels is not None) + ["project"]
            for step, layer in enumerate(layers):
                if layer == "squeeze_excite":
                    yield from convolution(f"{row.name}.{layer}.reduce", f"{prefix}.{step}.fc1")
                    yield from convolution(f"{row.name}.{layer}.restore", f"{prefix}.{step}.fc2")
                else:
                    yield from convolution(f"{row.name}.{layer}", f"{prefix}.{step}.0", f"{prefix}.{step}.1")
        last = len(blocks) + 1
        yield from convolution("Conv_1", f"features.{last}.0", f"features.{last}.1")
        yield from convolution("Conv_2", "classifier.0")
        yield "Logits.linear", "classifier.3"

    return Source("torchvision", rows, keys, license="BSD-3-Clause")


TABLE_1, TABLE_2 = "arXiv 1905.02244, Table 1", "arXiv 1905.02244, Table 2"
README = "slim/nets/mobilenet/README.md"
LARGE_MINIMAL, SMALL_MINIMAL = _minimal(LARGE), _minimal(SMALL)
LARGE_SOURCES = (
    _timm(LARGE, "mobilenetv3_large_100.ra_in1k", "tf_mobilenetv3_large_100.in1k"),
    _torchvision_weights(LARGE),
)
SMALL_SOURCES = (
    _timm(SMALL, "mobilenetv3_small_100.lamb_in1k", "tf_mobilenetv3_small_100.in1k"),
    _torchvision_weights(SMALL),
)
TIMM_LARGE_MINIMAL, TIMM_SMALL_MINIMAL = (_timm_minimal(LARGE_MINIMAL),), (_timm_minimal(SMALL_MINIMAL),)
CIFAR_SUMMARY = "MobileNetV3-Small for 32 x 32 images, total stride 8"

# version, what it is, paper, resolution, classes, libraries whose weights load
VARIANTS: tuple[tuple[Version, str, str, int, int, tuple[Source, ...]], ...] = (
    (LARGE,               "searched rows, squeeze-and-excitation, h-swish", TABLE_1, 224, 1000, LARGE_SOURCES),
    (SMALL,               "searched for low resources",                     TABLE_2, 224, 1000, SMALL_SOURCES),
    (LARGE_MINIMAL,       "Large without h-swish, squeeze and 5 x 5",       README,  224, 1000, TIMM_LARGE_MINIMAL),
    (SMALL_MINIMAL,       "Small without h-swish, squeeze and 5 x 5",       README,  224, 1000, TIMM_SMALL_MINIMAL),
    (_torchvision(LARGE), "Large with torchvision's width rule",            TABLE_1, 224, 1000, LARGE_SOURCES[1:]),
    (_torchvision(SMALL), "Small with torchvision's width rule",            TABLE_2, 224, 1000, SMALL_SOURCES[1:]),
    (CIFAR_SMALL,         CIFAR_SUMMARY,                                    TABLE_2,  32,   10, ()),
    (DEBUG,               "two blocks, for quick tests",                    TABLE_2,  32,   10, ()),
)  # fmt: skip
for _version, _summary, _paper, _resolution, _classes, _sources in VARIANTS:
    family(_version.name, _summary, _paper, _resolution, _classes, sources=_sources)(partial(_table, _version))
