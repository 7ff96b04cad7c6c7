"""Feature maps as a montage: the channels in their order, the strongest one framed; vectors as bars."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from leannet.looks.feature_maps import FeatureMaps
from leannet.looks.names import short
from leannet.looks.sheet import LINE, MARGIN, MARK, WIDTH, color, frame, scale, sheet, tile, with_palette, words
from leannet.style import COLORS, INK, write_figure

BESIDE, TALLEST = 1.5, 3.0  # inches of the image beside its maps
BARS, WIDEST = 1.8, 0.7  # inches of the tallest bar, and of one and its gap at most
SIGN = 0.075  # inches of one letter below a bar
NAMES = 24  # letters of a class's name there, where it stands upright
CLIP = 99.5  # percent of the values within the scale: a few large ones would leave the rest in one color


def draw(
    feature_maps: Sequence[FeatureMaps],
    path: str | Path,
    channels: int = 64,
    scaling: Literal["common", "each"] = "common",
    image: bool = True,
    columns: int | None = None,
) -> None:
    """Writes the montage, a panel for each image.

    channels: at most so many, the strongest, in their order. scaling: one scale for all channels of an image, or each
    from its own values. image: whether the image itself stands beside its maps. columns: of tiles; None: as many as
    rows, up to eight.
    """
    path = Path(path)
    with drawing(feature_maps, channels, scaling, image, columns) as drawn:
        write_figure(drawn, path)
    if path.suffix == ".png" and not image:  # of one ramp of colors and black: a palette holds them
        with_palette(path)


@contextmanager
def drawing(
    feature_maps: Sequence[FeatureMaps],
    channels: int = 64,
    scaling: Literal["common", "each"] = "common",
    image: bool = True,
    columns: int | None = None,
) -> Iterator[Any]:
    """The montage as a figure, to be saved inside."""
    panels = [_Panel(maps, channels, BESIDE + MARGIN if image else 0.0, scaling, columns) for maps in feature_maps]
    first = feature_maps[0]
    shape = " x ".join(map(str, (*first.maps.shape[1:], len(first.maps))))
    with sheet(MARGIN + 1.4 * LINE + sum(panel.height for panel in panels)) as (drawn, axes):
        some = f", the {channels} strongest" if channels < len(first.maps) else ""
        title = f"Feature maps of {first.layer}  ({shape}{some})"
        words(axes, title, MARGIN, MARGIN + LINE / 2, fontsize=11, weight="bold")
        top = MARGIN + 1.4 * LINE
        for panel in panels:
            panel.draw(axes, top)
            top += panel.height
        yield drawn


class _Panel:
    """One image: its name, itself, and the tiles or bars of its channels."""

    def __init__(self, maps: FeatureMaps, channels: int, left: float, scaling: str, columns: int | None):
        self.maps, self.common = maps, scaling == "common"
        self.shown: NDArray[np.intp] = np.sort(np.argsort(-maps.strengths, kind="stable")[:channels])
        self.left = MARGIN + left
        self.width = WIDTH - MARGIN - self.left
        height, width = maps.image.shape[:2]
        self.beside = min(TALLEST, BESIDE * height / width) if left else 0.0  # inches from its top to its bottom
        if maps.is_vector:
            self.step = min(self.width / len(self.shown), WIDEST)
            self.inside = BARS + LINE + (1.4 * LINE if self.lies else 0.9 * self.longest * SIGN + 0.3 * LINE)
        else:
            self.columns = columns or min(8, math.ceil(math.sqrt(len(self.shown))))
            self.side = self.width / self.columns
            self.tall = (self.side - 0.06) * maps.maps.shape[1] / maps.maps.shape[2] + LINE * 0.8
            self.inside = math.ceil(len(self.shown) / self.columns) * self.tall + 1.4 * LINE
        self.height = max(self.inside, self.beside) + 2 * LINE

    @property
    def labels(self) -> list[tuple[str, str]]:
        """Name and value below each bar; empty where there are too many to be read."""
        named = self.maps.channels != tuple(str(number) for number in range(len(self.maps.channels)))
        every = len(self.shown) <= 10 or (named and self.step >= 2 * SIGN)
        return [
            (short(self.maps.channels[number], NAMES), f"{self.maps.maps[number, 0, 0]:.3g}")
            if every or number == self.maps.strongest
            else ("", "")
            for number in self.shown
        ]

    @property
    def lies(self) -> bool:
        """Whether the words below the bars have room side by side; otherwise they stand on end."""
        words = [word for pair in self.labels for word in pair]
        alone = sum(any(pair) for pair in self.labels) == 1
        return alone or max(map(len, words)) * SIGN <= self.step - 0.06

    @property
    def longest(self) -> int:
        return max(len(name) + len(value) + 2 for name, value in self.labels)

    def draw(self, axes: Any, top: float) -> None:
        feature_maps = self.maps
        words(axes, short(feature_maps.name, 32), MARGIN, top + LINE / 2)
        name = short(feature_maps.channels[feature_maps.strongest], NAMES)
        if feature_maps.is_vector:
            strongest = f"largest: {name}, {feature_maps.maps.max():.3g}"
        else:
            strongest = f"strongest: channel {name}, mean |activation| {feature_maps.strengths.max():.3g}"
        words(axes, strongest, WIDTH - MARGIN, top + LINE / 2, ha="right", color=INK)
        if self.beside:
            height, width = feature_maps.image.shape[:2]
            tile(axes, feature_maps.image, MARGIN, top + 1.25 * LINE, self.beside * width / height, self.beside)
        (self._bars if feature_maps.is_vector else self._tiles)(axes, top + LINE)

    def _tiles(self, axes: Any, top: float) -> None:
        maps = self.maps.maps[self.shown]
        signed = bool((maps < 0).any())
        limit = float(np.percentile(np.abs(maps), CLIP))
        for place, (number, values) in enumerate(zip(self.shown, maps, strict=True)):
            x = self.left + place % self.columns * self.side
            y = top + place // self.columns * self.tall
            bounds = x, y + 0.8 * LINE, self.side - 0.06, self.tall - 0.8 * LINE
            tile(axes, color(values, limit if self.common else float(np.abs(values).max()), signed), *bounds)
            marked = number == self.maps.strongest
            style = {"weight": "bold", "color": MARK} if marked else {}
            words(axes, self.maps.channels[number], x, y + LINE / 2, fontsize=8, **style)
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

        values = self.maps.maps[self.shown, 0, 0]
        low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
        unit = BARS / max(high - low, 1e-30)
        step, lies = self.step, self.lies
        zero = top + LINE / 2 + high * unit
        for place, (number, value, said) in enumerate(zip(self.shown, values, self.labels, strict=True)):
            x, marked = self.left + place * step, number == self.maps.strongest
            bar = Rectangle((x + 0.1 * step, zero), 0.8 * step, -float(value) * unit)
            axes.add_patch(bar)
            bar.set_color(MARK if marked else COLORS[0])
            style = {"fontsize": 8, "ha": "center"} | ({"weight": "bold", "color": MARK} if marked else {})
            if lies:
                for line, word in enumerate(said):
                    words(axes, word, x + step / 2, top + BARS + (1 + 0.7 * line) * LINE, **style)
            else:
                both = "  ".join(said).strip()
                words(axes, both, x + step / 2, top + BARS + 0.8 * LINE, **style | {"va": "top", "rotation": 90})
        axes.plot([self.left, self.left + len(values) * step], [zero, zero], color=INK, linewidth=0.8)
