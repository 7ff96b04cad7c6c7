"""Every figure of a run's page as PNG and SVG, and its data as CSV."""

import csv
import io
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from leannet.cost import Count
from leannet.errors import LeannetError
from leannet.evaluation.metrics import Scores
from leannet.files import write_whole
from leannet.reports.confusion import MANY, NARROW, shades
from leannet.reports.costs import RowCost, conditions, costs_by_row, measures
from leannet.reports.curves import draw_curve, draw_rate
from leannet.reports.held import COLUMNS, Held
from leannet.reports.page import middle
from leannet.reports.reliability import draw_reliability
from leannet.style import COLORS, figure, plain_axes, write_figure

Line = Sequence[Any]
LEGIBLE = 60  # names on an axis, at most, ...
LETTERS = 24  # ... and letters of each


def write_figures(held: Held, cost: Count | None, counts: dict[str, list[int]], folder: Path) -> list[Path]:
    """Writes learning_curves, confusion, calibration, cost_by_row and class_counts, those there is data for.

    Returns the files. Raises LeannetError where the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LeannetError(f"--figures {folder}: expected a folder, or room for one ({error.strerror})") from None
    written: list[Path] = []

    def write(name: str, size: tuple[float, float], draw: Callable[[Any], None], lines: Iterable[Line]) -> None:
        with figure(*size) as drawn, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a class name in letters that the font lacks
            draw(drawn)
            for ending in (".png", ".svg"):
                write_figure(drawn, folder / f"{name}{ending}")
                written.append(folder / f"{name}{ending}")
        written.append(_write_csv(folder / f"{name}.csv", lines))

    if held.log:
        lines = [[line[name] for name in COLUMNS] for line in held.log]
        write("learning_curves", (13, 3.8), lambda drawn: _curves(drawn, held), [COLUMNS, *lines])
    if held.judged:
        scores, names = held.judged.scores, held.judged.classes
        beside = 0.09 * min(max(map(len, names)), LETTERS)  # inches of the longest name
        side = 2.5 + beside + 0.55 * len(names) if len(names) <= MANY else 11.0 + beside
        header = ["true \\ predicted", *names]
        matrix = [[name, *line] for name, line in zip(names, scores.confusion, strict=True)]
        write("confusion", (side + 0.5, side), lambda drawn: _confusion(drawn, scores), [header, *matrix])
        found = held.judged.calibration
        bins = [list(asdict(each).values()) for each in found.bins]
        header = ["above", "up_to", "images", "mean_confidence", "accuracy"]
        write("calibration", (6, 5.5), lambda drawn: draw_reliability(drawn, found), [header, *bins])
    if cost:
        rows, columns = costs_by_row(cost, held.times), measures(held.times)
        measured = [conditions(held.times)] if held.times else []
        table = [[row.name, row.what, row.out, *(row[key] for key in columns), *measured] for row in rows]
        header = ["row", "what", "output", *columns, *(["measured"] if measured else [])]
        size = 2 + 3 * len(columns), 1.4 + 0.24 * len(rows)
        write("cost_by_row", size, lambda drawn: _costs(drawn, rows, columns, *measured), [header, *table])
    if counts:
        classes = held.header.classes if held.header else held.judged.classes if held.judged else ()
        table = [[name, *(counts[part][i] for part in counts)] for i, name in enumerate(classes)]
        height = 1.2 + min(0.3 * len(classes), 14.0)
        write("class_counts", (7, height), lambda drawn: _counts(drawn, classes, counts), [["class", *counts], *table])
    return written


def _write_csv(path: Path, lines: Iterable[Line]) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        ["" if value is None else value for value in line] for line in lines
    )
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))
    return path


def _curves(drawn: Any, held: Held) -> None:
    accuracy, loss, rate = drawn.subplots(1, 3)
    draw_curve(accuracy, "accuracy", held.log, held.best_epoch)
    draw_curve(loss, "loss", held.log, held.best_epoch)
    draw_rate(rate, held.log, held.best_epoch)


def _confusion(drawn: Any, scores: Scores) -> None:
    names = [_plain(c.name) for c in scores.per_class]
    axes = drawn.subplots()
    pixels = shades(scores, least=80 if len(names) > MANY else 10)
    if len(names) <= MANY:
        pixels[..., 3] = np.round(0.7 * pixels[..., 3])  # for the figures above them
    axes.imshow(pixels, interpolation="nearest")
    step = max(1, -(-len(names) // LEGIBLE))
    size = 10 if len(names) <= MANY else 6
    turn = 0 if len(names) <= MANY and all(len(name) <= NARROW for name in names) else 90
    axes.set_xticks(range(0, len(names), step), names[::step], rotation=turn, fontsize=size)
    axes.set_yticks(range(0, len(names), step), names[::step], fontsize=size)
    if len(names) <= MANY:
        for t, line in enumerate(scores.confusion):
            for p, n in enumerate(line):
                axes.text(p, t, f"{n:,}", ha="center", va="bottom" if n else "center", fontsize=9)
                if n:
                    axes.text(p, t, f"{100 * n / sum(line):.0f} %", ha="center", va="top", fontsize=6.5)
    _margins(axes, scores, step)
    axes.set_xlabel("predicted" + (" (%: of the true class)" if len(names) <= MANY else ""))
    axes.set_ylabel("true")


def _margins(axes: Any, scores: Scores, step: int) -> None:
    """Recall of each line at the right of the matrix, precision of each column above it, in percent."""
    number = len(scores.per_class)
    size = 9 if number <= MANY else 6
    shown = range(0, number, step)
    right, above = axes.secondary_yaxis("right"), axes.secondary_xaxis("top")
    right.set_yticks(shown, [f"{100 * scores.per_class[i].recall:.0f}" for i in shown], fontsize=size)
    above.set_xticks(shown, [f"{100 * scores.per_class[i].precision:.0f}" for i in shown], fontsize=size)
    right.set_ylabel("recall, %")
    above.set_xlabel("precision, %")
    for side in (right, above):
        side.tick_params(length=0)


def _costs(drawn: Any, rows: Sequence[RowCost], columns: dict[str, str], measured: str = "") -> None:
    from matplotlib.ticker import MaxNLocator

    places = np.arange(len(rows))
    units = {"params": ("thousands", 1e-3), "macs": ("millions", 1e-6), "bytes_moved": ("MB", 1e-6), "ms": ("ms", 1.0)}
    panels = drawn.subplots(1, len(columns), sharey=True)
    for axes, (key, words) in zip(panels, columns.items(), strict=True):
        unit, scale = units[key]
        axes.barh(places, [scale * row[key] for row in rows], color=COLORS[0])
        axes.set_xlabel(f"{words}, {unit}")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        plain_axes(axes)
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(places, [_plain(row.name) for row in rows], fontsize=9)
    panels[0].invert_yaxis()
    if measured:
        drawn.supxlabel(f"time: {measured}", fontsize=8)


def _counts(drawn: Any, classes: Sequence[str], counts: dict[str, list[int]]) -> None:
    axes = drawn.subplots()
    places = np.arange(len(classes))
    before = np.zeros(len(classes), np.int64)
    for (part, numbers), color in zip(counts.items(), COLORS, strict=False):
        axes.barh(places, numbers, left=before, color=color, label="training" if part == "train" else part)
        before = before + np.array(numbers)
    step = max(1, -(-len(classes) // LEGIBLE))
    axes.set_yticks(places[::step], [_plain(name) for name in classes[::step]], fontsize=9 if len(classes) <= 40 else 6)
    axes.invert_yaxis()
    axes.set_xlabel("images")
    plain_axes(axes)
    axes.grid(visible=False, axis="y")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def _plain(name: str) -> str:
    """A name that matplotlib draws as it is, cut to fit: a dollar sign would begin a formula."""
    return middle(name, LETTERS).replace("$", r"\$")
