"""`compare`: networks side by side: what they cost, what they are worth, and what their runs did differently."""

from collections.abc import Sequence
from pathlib import Path

from leannet.diagrams.names import labels
from leannet.errors import LeannetError
from leannet.files import check_page, write_whole
from leannet.reports.comparing.compared import look
from leannet.reports.comparing.comparison import Comparison, Timing


def compare(
    what: Sequence[str],
    width: float = 1.0,
    resolution: int | None = None,
    classes: int | None = None,
    timing: Timing | None = None,
) -> Comparison:
    """Sets networks side by side: zoo names, architecture files, runs, checkpoints and artifacts, as they come.

    The options change all of them that they can change; what a run or file says of other rows is then left out.
    Raises LeannetError for what means no network, and for what is named twice.
    """
    for place, word in enumerate(what):
        if Path(word) in map(Path, what[:place]):
            raise LeannetError(f"{word} is named twice: expected networks to set side by side, each once")
    found, times = [], timing.latencies if timing else {}
    for word, label in zip(what, labels(what), strict=True):
        found.append(look(word, label, width, resolution, classes, times.get(word)))
    changed = [each.label for each in found if each.header is None and each.kind in {"run", "checkpoint", "artifact"}]
    return Comparison(tuple(found), timing, tuple(changed))


def write_page(comparison: Comparison, out: str | Path) -> Path:
    """Writes the page and returns its path. Raises LeannetError where it cannot be written."""
    from leannet.reports.comparing.page import contents
    from leannet.reports.page import render

    check_page(out, None)
    write_whole(out, render("comparing/compare.html.j2", **contents(comparison)))
    return Path(out)


def write_figures(comparison: Comparison, folder: str | Path) -> list[Path]:
    """Writes every figure of the page as SVG and PNG, and its data as CSV. Raises LeannetError."""
    from leannet.reports.comparing.figures import figures

    check_page(None, folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    return [path for figure in figures(comparison) for path in figure.write(Path(folder))]
