"""The network of airbench94: six convolutions that learn 32-pixel images in a dozen passes over them.

Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498, section 3 and the author's code: pairs of
convolutions, the first of each ahead of a maximum, which is taken before normalization. There the first filters are set
by whitening patches of the images and do not learn; here they learn, and `training.initializing` whitens.
"""

from functools import partial

from leannet.rows import Activate, Architecture, Conv, Input, Linear, Norm, Normalize, Pool, Row
from leannet.zoo.registry import family, label
from leannet.zoo.width import scale_channels

PAPER = "arXiv 2404.00498, section 3"
PATCH = 2  # pixels: the side of the first filters, of which there are two for each value of a patch
WIDTHS = {"airbench94": (64, 256, 256), "airbench_debug": (8, 16, 16)}


def _table(
    name: str, widths: tuple[int, ...], width: float, resolution: int, classes: int, in_channels: int
) -> Architecture:
    stem = 2 * in_channels * PATCH**2
    rows: list[Row] = [
        Conv(name="whiten", out_channels=stem, kernel=PATCH, padding="valid", bias=True, activation="gelu")
    ]
    side = resolution - PATCH + 1
    for number, printed in enumerate(widths, start=1):
        prefix, out = f"group_{number}", scale_channels(printed, width)
        rows += [
            Conv(name=f"{prefix}_conv_1", out_channels=out, kernel=3),
            Pool(name=f"{prefix}_pool", op="max", kernel=2, stride=2),
            Normalize(name=f"{prefix}_norm"),
            Activate(name=f"{prefix}_activation", activation="gelu"),
            Conv(name=f"{prefix}_conv_2", out_channels=out, kernel=3, norm=Norm(), activation="gelu"),
        ]
        side //= 2
    whole = max(side, 1)
    rows += [
        Pool(name="pool", op="max", kernel=whole, stride=whole),
        Linear(name="classifier", out_channels=classes),
    ]
    size = Input(channels=in_channels, height=resolution, width=resolution)
    return Architecture(name=label(name, width), input=size, rows=tuple(rows))


for _name, _widths in WIDTHS.items():
    _what = "for 32 x 32 images, learns fast" if _name == "airbench94" else "six convolutions, for quick tests"
    family(_name, _what, PAPER, resolution=32, classes=10)(partial(_table, _name, _widths))
