"""SqueezeNet: Fire modules, no fully connected layer, no normalization.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", arXiv
1602.07360. 1.0 is Table 1; 1.1 is the authors' later form, with less work for the same accuracy (their repository).
The bypass forms are figure 2, section 6: simple ones where widths agree (Fire 3, 5, 7, 9), complex ones at the others.

Pooling lets the last window reach beyond the image, as Caffe does. The convolution of the classes has no
padding here and in torchvision; the authors' Caffe file pads it by 1, which is why their 1.72 GFLOPs an image are
2 x 861.3 M mult-adds at 227 pixels, where these rows have 832.7 M.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from leannet.rows import Architecture, Conv, Dropout, Fire, GlobalPool, Input, Pool, Row
from leannet.zoo.foreign import Source, convolution
from leannet.zoo.registry import family, label
from leannet.zoo.width import scale_channels

PAPER = "arXiv 1602.07360, Table 1"
Bypass = Literal["none", "simple", "complex"]
# squeeze, expand 1x1, expand 3x3; None: a 3x3 max pool of stride 2
FIRES_1_0 = (
    (16, 64, 64), (16, 64, 64), (32, 128, 128), None,
    (32, 128, 128), (48, 192, 192), (48, 192, 192), (64, 256, 256), None,
    (64, 256, 256),
)  # fmt: skip
FIRES_1_1 = (
    (16, 64, 64), (16, 64, 64), None,
    (32, 128, 128), (32, 128, 128), None,
    (48, 192, 192), (48, 192, 192), (64, 256, 256), (64, 256, 256),
)  # fmt: skip
FIRES_DEBUG = ((8, 16, 16), None, (8, 16, 16))
Fires = tuple[tuple[int, int, int] | None, ...]


def _pool(number: int) -> Pool:
    return Pool(name=f"pool{number}", op="max", kernel=3, stride=2, ceil=True)


def _table(
    name: str,
    stem: tuple[int, int],
    fires: Fires,
    bypass: Bypass,
    width: float,
    resolution: int,
    classes: int,
    in_channels: int,
) -> Architecture:
    filters, kernel = stem
    rows: list[Row] = [
        Conv(
            name="conv1",
            out_channels=scale_channels(filters, width),
            kernel=kernel,
            stride=2,
            padding="valid",
            bias=True,
            activation="relu",
        ),
        _pool(1),
    ]
    channels, number = scale_channels(filters, width), 2
    for fire in fires:
        if fire is None:
            rows.append(_pool(number - 1))
            continue
        squeeze, one, three = (scale_channels(c, width) for c in fire)
        same = channels == one + three
        rows.append(
            Fire(
                name=f"fire{number}",
                squeeze_channels=squeeze,
                expand1_channels=one,
                expand3_channels=three,
                bypass="none" if bypass == "none" else "simple" if same else bypass if bypass == "complex" else "none",
            )
        )
        channels, number = one + three, number + 1
    rows += [
        Dropout(name="drop9", rate=0.5),
        Conv(name="conv10", out_channels=classes, bias=True, activation="relu"),
        GlobalPool(name="pool10"),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


def _torchvision(architecture: Architecture) -> Iterator[tuple[str, str]]:
    """Their layers are numbered: the stem and its activation are two, each pool and each Fire module one."""
    yield from convolution("conv1", "features.0")
    number = 2
    for row in architecture.rows[1:]:
        if isinstance(row, Fire):
            for layer in ("squeeze", "expand1x1", "expand3x3"):
                yield from convolution(f"{row.name}.{layer}", f"features.{number}.{layer}")
        number += 1
    yield from convolution("conv10", "classifier.1")


FIGURE_2, REPOSITORY = "arXiv 1602.07360, figure 2", "the authors' repository, SqueezeNet_v1.1"

# name, stem (filters, kernel), Fire modules, bypass, what it is, paper, resolution, classes, whether torchvision has it
VARIANTS: tuple[tuple[str, tuple[int, int], Fires, Bypass, str, str, int, int, bool], ...] = (
    ("squeezenet_1_0", (96, 7), FIRES_1_0, "none", "Fire modules", PAPER, 224, 1000, True),
    ("squeezenet_1_0_simple_bypass", (96, 7), FIRES_1_0, "simple",
     "with the input added where widths agree", FIGURE_2, 224, 1000, False),
    ("squeezenet_1_0_complex_bypass", (96, 7), FIRES_1_0, "complex",
     "with 1x1 convolutions around the others", FIGURE_2, 224, 1000, False),
    ("squeezenet_1_1", (64, 3), FIRES_1_1, "none", "2.4 times less work than 1.0", REPOSITORY, 224, 1000, True),
    ("squeezenet_debug", (16, 3), FIRES_DEBUG, "none", "two Fire modules, for quick tests", PAPER, 32, 10, False),
)  # fmt: skip
for _name, _stem, _fires, _bypass, _summary, _paper, _resolution, _classes, _has_weights in VARIANTS:
    _rows = partial(_table, _name, _stem, _fires, _bypass)
    _sources = (Source("torchvision", _rows, _torchvision, license="BSD-3-Clause"),) if _has_weights else ()
    family(_name, _summary, _paper, _resolution, _classes, sources=_sources)(_rows)
