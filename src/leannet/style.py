"""How figures look: one style, and SVG that takes the color of the page around it."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError
from leannet.files import check_writable, write_whole

INK = "#0a0b0c"  # stands for the page's text color until an SVG is written into a page
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


def bands(axes: Any, tooltips: Mapping[float, str]) -> dict[str, str]:
    """Lays a band over the plot around each place on the x-axis (one apart); see `inline_svg`."""
    within = axes.get_xlim()
    for x in tooltips:
        axes.axvspan(x - 0.5, x + 0.5, color=INK, alpha=0, linewidth=0, zorder=10, gid=f"band-{x:g}")
    axes.set_xlim(within)
    return {f"band-{x:g}": words for x, words in tooltips.items()}


def inline_svg(drawn: Any, label: str, tooltips: Mapping[str, str] | None = None) -> str:
    """The figure as an <svg> element for a page, in the page's text color.

    tooltips: gid of an element of the figure -> words that are shown while the pointer is over it.
    """
    text = io.StringIO()
    with _any_letter():
        drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    for gid, words in (tooltips or {}).items():
        svg = svg.replace(f'<g id="{gid}">', f'<g class="band"><title>{escape(words)}</title>', 1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def check_format(path: str | Path) -> None:
    """Raises LeannetError, before any work, where a figure cannot be written under that name."""
    path = Path(path)
    if path.suffix not in FORMATS:
        raise LeannetError(f"{path}: expected a figure's name ending in {', '.join(FORMATS)}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise LeannetError(f"{path}: expected a file name in a folder that exists")
    check_writable(path)


def write_figure(drawn: Any, path: str | Path) -> None:
    """Writes a figure as SVG, PNG or PDF, by the name's ending, on white."""
    path = Path(path)
    check_format(path)
    data = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else None
    with _any_letter():
        drawn.savefig(data, format=path.suffix[1:], facecolor="white", dpi=144, metadata=metadata)
    write_whole(path, data.getvalue())


@contextmanager
def _any_letter() -> Iterator[None]:
    """Names may hold letters that matplotlib's font lacks: PNG and PDF show a box, SVG what the reader's fonts have."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from")
        yield
