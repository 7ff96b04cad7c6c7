"""Kernels as tiles, numbered."""

import math
from pathlib import Path
from typing import Literal

from leannet.looks.kernels import Kernels
from leannet.looks.sheet import LINE, MARGIN, WIDTH, sheet, tile, words
from leannet.style import write_figure

GAP = 0.08


def draw(kernels: Kernels, path: str | Path, scaling: Literal["common", "each"] = "each", columns: int = 8) -> None:
    """Writes the kernels in their order: zero is the middle grey, the largest absolute weight white or black.

    scaling: the largest of each kernel, or of all in common.
    """
    tiles = kernels.tiles(common=scaling == "common")
    columns = max(columns, math.ceil(math.sqrt(len(tiles))))
    side = (WIDTH - 2 * MARGIN + GAP) / columns
    line = side + 0.8 * LINE
    size = " x ".join(map(str, kernels.weights.shape[2:]))
    head = MARGIN + 2.4 * LINE
    with sheet(head + math.ceil(len(tiles) / columns) * line + MARGIN) as (drawn, axes):
        title = f"Kernels of {kernels.layer}  ({len(tiles)}, each {size})"
        words(axes, title, MARGIN, MARGIN + LINE / 2, fontsize=11, weight="bold")
        whose = "of its kernel" if scaling == "each" else "of all"
        rule = f"middle grey: 0; white and black: the largest absolute weight {whose}"
        words(axes, rule, MARGIN, MARGIN + 1.5 * LINE, fontsize=8)
        for number, pixels in enumerate(tiles):
            x, y = MARGIN + number % columns * side, head + number // columns * line
            words(axes, str(number), x, y + 0.4 * LINE, fontsize=8 if columns <= 16 else 5)
            tile(axes, pixels, x, y + 0.8 * LINE, side - GAP, side - GAP)
        write_figure(drawn, path)
