"""How pictures look: one style, and SVG that takes the colour of the page around it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError
from leannet.files import write_whole

INK = "#0a0b0c"  # stands for the page's text colour until an SVG is written into a page
COLORS = ("#2f7ed8", "#e07b1f", "#3f9b4f", "#a0559c", "#c0392b", "#7f7f7f")
FORMATS = (".svg", ".png", ".pdf")

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "leannet",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def figure(width: float, height: float) -> Iterator[Any]:
    """A matplotlib figure of that many inches in the common style; to be saved inside."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def plain_axes(axes: Any) -> None:
    """Only the lines that are read: left and below, and a pale grid along y."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=INK, alpha=0.12)
    axes.set_axisbelow(True)


def inline_svg(drawn: Any, label: str) -> str:
    """The figure as an <svg> element for a page, in the page's text colour."""
    text = io.StringIO()
    drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def check_format(path: Path) -> None:
    """Raises LeannetError, before any work, where a picture cannot be written under that name."""
    if path.suffix not in FORMATS:
        raise LeannetError(f"{path}: expected a picture's name ending in {', '.join(FORMATS)}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise LeannetError(f"{path}: expected a file name in a folder that exists")


def write_picture(drawn: Any, path: Path) -> None:
    """Writes a figure as SVG, PNG or PDF, by the name's ending, on white."""
    check_format(path)
    data = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else None
    drawn.savefig(data, format=path.suffix[1:], facecolor="white", dpi=144, metadata=metadata)
    write_whole(path, data.getvalue())
