"""`compare`: networks side by side: what they cost, how accurate they are, and how their runs differ."""

from collections.abc import Sequence
from pathlib import Path

from leannet.diagrams.names import labels
from leannet.errors import LeannetError, as_items
from leannet.files import check_page, write_whole
from leannet.reports.comparison.comparison import Comparison, Timing
from leannet.reports.comparison.network import read_network


def compare(
    what: Sequence[str],
    width: float = 1.0,
    resolution: int | None = None,
    classes: int | None = None,
    timing: Timing | None = None,
) -> Comparison:
    """Sets networks side by side: zoo names, architecture files, runs, checkpoints and artifacts, as they come.

    The options change all networks that they can change; what a run or file records of other rows is then left out.
    Raises LeannetError for what means no network, and for what is named twice.
    """
    what = as_items(what)
    for place, word in enumerate(what):
        if Path(word) in map(Path, what[:place]):
            raise LeannetError(f"{word} is named twice: expected networks to set side by side, each once")
    latencies = timing.latencies if timing else {}
    networks = tuple(
        read_network(word, label, width, resolution, classes, latencies.get(word))
        for word, label in zip(what, labels(what), strict=True)
    )
    stored = {"run", "checkpoint", "artifact"}
    changed = [network.label for network in networks if network.header is None and network.kind in stored]
    return Comparison(networks, timing, tuple(changed))


def write_page(comparison: Comparison, out: str | Path) -> Path:
    """Writes the page and returns its path. Raises LeannetError where it cannot be written."""
    from leannet.reports.comparison.page import contents
    from leannet.reports.page import render

    check_page(out, None)
    write_whole(out, render("comparison/compare.html.j2", **contents(comparison)))
    return Path(out)


def write_figures(comparison: Comparison, folder: str | Path) -> list[Path]:
    """Writes every figure of the page as SVG and PNG, and its data as CSV. Raises LeannetError."""
    from leannet.reports.comparison.figures import figures

    check_page(None, folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    return [path for figure in figures(comparison) for path in figure.write(Path(folder))]
