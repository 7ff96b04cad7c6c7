"""Feature maps as a montage: the channels in their order, the strongest one framed; vectors as bars."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from leannet.drawing import COLORS, INK, write_picture
from leannet.looks.feature_maps import FeatureMaps
from leannet.looks.sheet import LINE, MARGIN, MARK, WIDTH, color, frame, scale, sheet, short, tile, with_palette, words

BESIDE, TALLEST = 1.5, 3.0  # inches of the picture beside its maps
BARS, WIDEST = 1.8, 0.7  # inches of the tallest bar, and of one and its gap at most
CLIP = 99.5  # percent of the values within the scale: a few large ones would leave the rest in one color


def draw(
    found: Sequence[FeatureMaps],
    path: Path,
    channels: int = 64,
    scaling: Literal["common", "each"] = "common",
    picture: bool = True,
    columns: int | None = None,
) -> None:
    """Writes the montage, a part for each picture.

    channels: at most so many, the strongest, in their order. scaling: one scale for all channels of a picture, or each
    from its own values. picture: whether the picture itself stands beside its maps. columns: of tiles; None: as many as
    rows, up to eight.
    """
    parts = [_Part(each, channels, BESIDE + MARGIN if picture else 0.0, scaling, columns) for each in found]
    first = found[0]
    shape = " x ".join(map(str, (*first.maps.shape[1:], len(first.maps))))
    with sheet(MARGIN + 1.4 * LINE + sum(part.height for part in parts)) as (drawn, axes):
        some = f", the {channels} strongest" if channels < len(first.maps) else ""
        words(axes, f"{first.layer}  ({shape}{some})", MARGIN, MARGIN + LINE / 2, fontsize=11, weight="bold")
        top = MARGIN + 1.4 * LINE
        for part in parts:
            part.draw(axes, top)
            top += part.height
        write_picture(drawn, path)
    if path.suffix == ".png" and not picture:  # of one ramp of colors and black: a palette holds them
        with_palette(path)


class _Part:
    """One picture: its name, itself, and the tiles or bars of its channels."""

    def __init__(self, found: FeatureMaps, channels: int, left: float, scaling: str, columns: int | None):
        self.found, self.common = found, scaling == "common"
        self.kept: NDArray[np.intp] = np.sort(np.argsort(-found.strengths, kind="stable")[:channels])
        self.left = MARGIN + left
        self.width = WIDTH - MARGIN - self.left
        height, width = found.image.shape[:2]
        self.beside = min(TALLEST, BESIDE * height / width) if left else 0.0  # inches from its top to its bottom
        if found.is_vector:
            self.inside = BARS + 2.4 * LINE
        else:
            self.columns = columns or min(8, math.ceil(math.sqrt(len(self.kept))))
            self.side = self.width / self.columns
            self.tall = (self.side - 0.06) * found.maps.shape[1] / found.maps.shape[2] + LINE * 0.8
            self.inside = math.ceil(len(self.kept) / self.columns) * self.tall + 1.4 * LINE
        self.height = max(self.inside, self.beside) + 2 * LINE

    def draw(self, axes: Any, top: float) -> None:
        found = self.found
        words(axes, short(found.picture, 40), MARGIN, top + LINE / 2)
        kind = "" if found.is_vector else "channel "
        strongest = f"strongest: {kind}{found.channels[found.strongest]}, mean |activation| {found.strengths.max():.3g}"
        words(axes, strongest, WIDTH - MARGIN, top + LINE / 2, ha="right", color=INK)
        if self.beside:
            height, width = found.image.shape[:2]
            tile(axes, found.image, MARGIN, top + 1.25 * LINE, self.beside * width / height, self.beside)
        (self._bars if found.is_vector else self._tiles)(axes, top + LINE)

    def _tiles(self, axes: Any, top: float) -> None:
        maps = self.found.maps[self.kept]
        signed = bool((maps < 0).any())
        limit = float(np.percentile(np.abs(maps), CLIP))
        for place, (number, values) in enumerate(zip(self.kept, maps, strict=True)):
            x = self.left + place % self.columns * self.side
            y = top + place // self.columns * self.tall
            bounds = x, y + 0.8 * LINE, self.side - 0.06, self.tall - 0.8 * LINE
            tile(axes, color(values, limit if self.common else float(np.abs(values).max()), signed), *bounds)
            marked = number == self.found.strongest
            style = {"weight": "bold", "color": MARK} if marked else {}
            words(axes, self.found.channels[number], x, y + LINE / 2, fontsize=8, **style)
            if marked:
                frame(axes, *bounds)
        y = top + self.inside - 0.7 * LINE
        if self.common:
            scale(axes, self.left, y, 1.2, limit, signed)
            words(axes, f"beyond it {100 - CLIP:g} % of the values", WIDTH - MARGIN, y, ha="right", fontsize=8)
        else:
            words(axes, "each channel to its own largest value", self.left, y, fontsize=8)

    def _bars(self, axes: Any, top: float) -> None:
        from matplotlib.patches import Rectangle

        values = self.found.maps[self.kept, 0, 0]
        low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
        unit = BARS / max(high - low, 1e-30)
        step = min(self.width / len(values), WIDEST)
        zero = top + LINE / 2 + high * unit
        for place, (number, value) in enumerate(zip(self.kept, values, strict=True)):
            x, marked = self.left + place * step, number == self.found.strongest
            bar = Rectangle((x + 0.1 * step, zero), 0.8 * step, -float(value) * unit)
            axes.add_patch(bar)
            bar.set_color(MARK if marked else COLORS[0])
            if marked or len(values) <= 10:
                style = {"weight": "bold", "color": MARK} if marked else {}
                name = short(self.found.channels[number], max(3, int(step / 0.08)))
                words(axes, name, x + step / 2, top + BARS + LINE, ha="center", fontsize=8, **style)
                words(axes, f"{value:.3g}", x + step / 2, top + BARS + 1.7 * LINE, ha="center", fontsize=8, **style)
        axes.plot([self.left, self.left + len(values) * step], [zero, zero], color=INK, linewidth=0.8)
