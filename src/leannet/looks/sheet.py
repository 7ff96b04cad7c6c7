"""A sheet of small figures: a figure whose unit is an inch, from the upper left corner."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.files import write_whole
from leannet.style import COLORS, INK, figure

WIDTH = 6.4  # inches: on a telephone its text is two thirds of the page's
MARGIN = 0.12
LINE = 0.24  # of text
MARK = COLORS[1]
SIGNED, RISING = "RdBu_r", "viridis"  # both are read without telling red from green

Pixels = NDArray[np.uint8]


@contextmanager
def sheet(height: float) -> Iterator[tuple[Any, Any]]:
    """The figure, and axes over all of it in inches; to be saved inside."""
    with figure(WIDTH, height) as drawn:
        drawn.set_layout_engine("none")
        axes = drawn.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, WIDTH), ylim=(height, 0), autoscale_on=False)
        axes.axis("off")
        yield drawn, axes


def tile(axes: Any, pixels: Pixels, x: float, y: float, width: float, height: float) -> None:
    """A figure (H, W, 3) or (H, W, 1), each pixel a rectangle."""
    three = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    axes.imshow(three, extent=(x, x + width, y + height, y), interpolation="none", aspect="auto")


def frame(axes: Any, x: float, y: float, width: float, height: float) -> None:
    """A frame around what is marked."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=MARK, linewidth=2.5, joinstyle="miter"))


def words(axes: Any, text: str, x: float, y: float, **style: Any) -> None:
    """A line of text whose middle is at y. Dollars are dollars."""
    style = {"fontsize": 9, "ha": "left", "va": "center", "parse_math": False, "color": INK} | style
    axes.text(x, y, text, **style)


def color(values: NDArray[np.floating[Any]], limit: float, signed: bool) -> Pixels:
    """(H, W) -> (H, W, 3): from -limit to limit about white, or from 0 up; what is beyond has the last color."""
    from matplotlib import colormaps

    share = values / max(limit, 1e-30)
    painted = colormaps[SIGNED if signed else RISING]((share + 1) / 2 if signed else share, bytes=True)
    return np.asarray(painted[..., :3])


def scale(axes: Any, x: float, y: float, width: float, limit: float, signed: bool) -> None:
    """A color bar with the values at its ends."""
    low = f"−{limit:.3g}" if signed else "0"
    words(axes, low, x, y, ha="left")
    start = x + 0.09 * len(low) + 0.06
    ramp = np.linspace(-1 if signed else 0, 1, 128)[None]
    tile(axes, color(ramp, 1, signed), start, y - 0.06, width, 0.12)
    words(axes, f"{limit:.3g}", start + width + 0.06, y)


def with_palette(path: Path) -> None:
    """Writes a PNG anew with the 256 colors that suit it best: half the size, or less."""
    data = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(data, "PNG", optimize=True)
    write_whole(path, data.getvalue())
