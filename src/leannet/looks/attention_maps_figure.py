"""Attention beside the image: the heat laid over it in grey, a map for each class."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from leannet.looks.attention_maps import AttentionMap
from leannet.looks.names import short
from leannet.looks.sheet import LINE, MARGIN, WIDTH, Pixels, sheet, tile, words
from leannet.style import write_figure

GAP = 0.1
LARGEST = 2.4  # inches of a tile
HEAT = "inferno"  # darker where there is less, also without colors


def draw(attention_maps: Sequence[AttentionMap], path: str | Path, image: bool = True) -> None:
    """Writes a grid: each image, then its map for each class. image: whether the image itself is there."""
    groups = [list(maps) for _, maps in groupby(attention_maps, key=lambda attention_map: id(attention_map.image))]
    across = len(groups[0]) + image  # tiles of one image
    beside = max(1, min(4 // across, len(groups)))  # images in one line
    side = min(LARGEST, (WIDTH - 2 * MARGIN + GAP) / (across * beside)) - GAP
    height, width = attention_maps[0].image.shape[:2]
    line = side * height / width + 2.2 * LINE
    lines = -(-len(groups) // beside)
    head, foot = MARGIN + 1.4 * LINE, 1.6 * LINE
    with sheet(head + lines * line + foot) as (drawn, axes):
        rows, columns = attention_maps[0].heat.shape
        title = f"Grad-CAM at {attention_maps[0].layer}  ({rows} x {columns})"
        words(axes, title, MARGIN, MARGIN + LINE / 2, fontsize=11, weight="bold")
        for number, maps in enumerate(groups):
            x = MARGIN + number % beside * across * (side + GAP)
            y = head + number // beside * line
            _one(axes, maps, x, y, side, side * height / width, image)
        _scale(axes, head + lines * line + foot / 2)
        write_figure(drawn, path)


def _one(axes: Any, maps: Sequence[AttentionMap], x: float, y: float, side: float, tall: float, image: bool) -> None:
    room = int(side / 0.07)
    if image:
        words(axes, short(maps[0].name, room), x, y + LINE / 2, fontsize=8)
        tile(axes, maps[0].image, x, y + LINE, side, tall)
        x += side + GAP
    for attention_map in maps:
        nothing = ", nothing speaks for it" if attention_map.is_empty else ""
        label = f"{100 * attention_map.probability:.1f} %{nothing}"
        words(
            axes, f"{short(attention_map.target, max(4, room - len(label) - 2))}, {label}", x, y + LINE / 2, fontsize=8
        )
        tile(axes, laid_over(attention_map), x, y + LINE, side, tall)
        x += side + GAP


def laid_over(attention_map: AttentionMap) -> Pixels:
    """(H, W, 3): the image in grey, the heat over it."""
    from matplotlib import colormaps

    grey = attention_map.image.mean(axis=2, keepdims=True)
    heat = colormaps[HEAT](attention_map.over_image(), bytes=True)[..., :3]
    return np.asarray(0.4 * grey + 0.6 * heat, dtype=np.uint8)


def _scale(axes: Any, y: float) -> None:
    from matplotlib import colormaps

    words(axes, "0", MARGIN, y)
    ramp = 0.4 * 127 + 0.6 * colormaps[HEAT](np.linspace(0, 1, 128)[None], bytes=True)[..., :3]
    tile(axes, ramp.astype(np.uint8), MARGIN + 0.15, y - 0.06, 1.2, 0.12)
    words(axes, "the largest value of each map, over mid-grey", MARGIN + 1.45, y)
