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
from leannet.files import write_whole
from leannet.reports.boxes import FoundBoxes, draw_precision_recall
from leannet.reports.confusion import MANY, NARROW, shades
from leannet.reports.costs import (
    GROUPS,
    KindCost,
    RowCost,
    conditions,
    costs_by_kind,
    costs_by_row,
    measures,
)
from leannet.reports.curves import draw_curve, draw_rate, panels
from leannet.reports.page import middle
from leannet.reports.reliability import draw_reliability
from leannet.reports.run_contents import LOG_ORDER, RunContents
from leannet.reports.skipping import draw_costs, draw_rates, run_costs
from leannet.reports.summary import split_name
from leannet.style import COLORS, figure, plain_axes, write_figure
from leannet.tasks.metrics import Scores

Line = Sequence[Any]
LEGIBLE = 60  # names on an axis, at most, ...
LETTERS = 24  # ... and letters of each
UNITS = {"params": ("thousands", 1e-3), "macs": ("millions", 1e-6), "bytes_moved": ("MB", 1e-6), "ms": ("ms", 1.0)}


def write_figures(
    contents: RunContents,
    cost: Count | None,
    counts: dict[str, list[int]],
    folder: Path,
    boxes: FoundBoxes | None = None,
) -> list[Path]:
    """Writes the figures there is data for: learning curves, confusion matrix, calibration, costs, class counts.

    Returns the files. Raises LeannetError where the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LeannetError(f"--figures {folder}: expected a folder, or room for one ({error.strerror})") from None
    written: list[Path] = []

    def write(name: str, size: tuple[float, float], draw: Callable[[Any], None], lines: Iterable[Line]) -> None:
        with figure(*size) as drawing, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a class name in letters that the font lacks
            draw(drawing)
            for ending in (".png", ".svg"):
                write_figure(drawing, folder / f"{name}{ending}")
                written.append(folder / f"{name}{ending}")
        written.append(_write_csv(folder / f"{name}.csv", lines))

    if contents.log:
        columns = [name for name in contents.log[0] if name in LOG_ORDER]
        columns.sort(key=LOG_ORDER.index)
        lines = [[line[name] for name in columns] for line in contents.log]
        write("learning_curves", (13, 4.1), lambda drawing: _draw_curves(drawing, contents), [columns, *lines])
    if contents.predictions:
        scores, names = contents.predictions.scores, contents.predictions.classes
        longest = 0.09 * min(max(map(len, names)), LETTERS)  # inches of the longest name
        side = 2.7 + longest + 0.55 * len(names) if len(names) <= MANY else 11.0 + longest
        header = ["true \\ predicted", *names]
        matrix = [[name, *line] for name, line in zip(names, scores.confusion, strict=True)]
        write("confusion", (side + 0.5, side), lambda drawing: _draw_confusion(drawing, scores), [header, *matrix])
        calibration = contents.predictions.calibration
        bins = [list(asdict(group).values()) for group in calibration.bins]
        header = ["above", "up_to", "images", "mean_confidence", "accuracy"]
        write("calibration", (6, 5.8), lambda drawing: draw_reliability(drawing, calibration), [header, *bins])
    if boxes:
        of = [name for name, number in boxes.counts.items() if number]
        curves = [[name, recall / 100, value] for name in of
                  for recall, value in enumerate(boxes.precision.precision[name].tolist())]  # fmt: skip
        header = ["class", "recall", "precision"]
        write("precision_recall", (6, 4.6), lambda drawing: draw_precision_recall(drawing.subplots(), boxes, of),
              [header, *curves])  # fmt: skip
    if costs := run_costs(contents):
        rates = [[name, rate] for name, rate in costs.rates.items()]
        write("gates", (7, 4.2), lambda drawing: draw_rates(drawing, costs), [["gate", "share_that_runs"], *rates])
        each = zip(costs.predictions.names, costs.images.macs.tolist(), costs.correct.astype(int).tolist(), strict=True)
        write("image_costs", (7, 4.6), lambda drawing: draw_costs(drawing, costs), [["path", "macs", "correct"], *each])
    if cost:
        _write_costs(contents, cost, write)
    if counts:
        classes: Sequence[str] = ()
        if contents.header:
            classes = contents.header.classes
        elif contents.predictions:
            classes = contents.predictions.classes
        table = [[name, *(counts[split][i] for split in counts)] for i, name in enumerate(classes)]
        height = 1.6 + min(0.3 * len(classes), 14.0)
        header = ["class", *counts]
        write("class_counts", (7, height), lambda drawing: _draw_counts(drawing, classes, counts), [header, *table])
    return written


def _write_costs(contents: RunContents, cost: Count, write: Callable[..., None]) -> None:
    """Cost by row, with its data by layer too, and by kind of layer."""
    rows, columns = costs_by_row(cost, contents.times), measures(contents.times)
    measured = [conditions(contents.times)] if contents.times else []
    table = [[row.name, row.inside, row.out, *(row[key] for key in columns), *measured] for row in rows]
    header = ["row", "layers", "output", *columns, *(["measured"] if measured else [])]
    size = 2 + 3 * len(columns), 2.2 + 0.24 * len(rows)
    write("cost_by_row", size, lambda drawing: _draw_costs(drawing, rows, columns, *measured), [header, *table])
    kinds = costs_by_kind(rows)
    header = ["kind", "layers", "params", "macs", "bytes_moved"]
    table = [[kind.kind, kind.layers, kind.params, kind.macs, kind.bytes_moved] for kind in kinds]
    size = 9, 1.6 + 0.3 * len(kinds)
    write("cost_by_kind", size, lambda drawing: _draw_kinds(drawing, kinds), [header, *table])


def _write_csv(path: Path, lines: Iterable[Line]) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        ["" if value is None else value for value in line] for line in lines
    )
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))
    return path


def _draw_curves(drawing: Any, contents: RunContents) -> None:
    names = panels(contents.log[0])
    *axes, rate = drawing.subplots(1, len(names) + 1)
    for name, each in zip(names, axes, strict=True):
        draw_curve(each, name, contents.log, contents.best_epoch)
    draw_rate(rate, contents.log, contents.best_epoch)


def _draw_confusion(drawing: Any, scores: Scores) -> None:
    names = [_plain(c.name) for c in scores.per_class]
    axes = drawing.subplots()
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
    axes.set_title("Confusion matrix, validation images")


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


def _draw_costs(drawing: Any, rows: Sequence[RowCost], columns: dict[str, str], measured: str = "") -> None:
    """A bar a row, in the colors of the layers inside; times are of whole rows."""
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    places = np.arange(len(rows))
    panels = drawing.subplots(1, len(columns), sharey=True)
    for axes, (key, words) in zip(panels, columns.items(), strict=True):
        unit, scale = UNITS[key]
        if key == "ms":
            axes.barh(places, [row[key] for row in rows], color=COLORS[5])
        else:
            for place, row in zip(places, rows, strict=True):
                start = 0.0
                for layer in row.layers:
                    axes.barh(place, scale * layer[key], left=start, color=GROUPS[layer.group])
                    start += scale * layer[key]
        axes.set_xlabel(f"{words}, {unit}")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        plain_axes(axes)
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(places, [_plain(row.name) for row in rows], fontsize=9)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    drawing.suptitle("Cost by row", fontsize="large")
    groups = {layer.group for row in rows for layer in row.layers}
    patches = [Patch(color=color, label=group) for group, color in GROUPS.items() if group in groups]
    drawing.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False, fontsize=9)
    if measured:
        drawing.supxlabel(f"time: {measured}", fontsize=8)


def _draw_kinds(drawing: Any, kinds: Sequence[KindCost]) -> None:
    """The share of each kind of layer in the mult-adds and in the parameters."""
    places = np.arange(len(kinds))
    panels = drawing.subplots(1, 2, sharey=True)
    for axes, (key, words) in zip(panels, (("macs", "mult-adds"), ("params", "parameters")), strict=True):
        total = sum(kind[key] for kind in kinds) or 1
        shares = [100 * kind[key] / total for kind in kinds]
        bars = axes.barh(places, shares, color=[GROUPS[kind.group] for kind in kinds])
        axes.bar_label(bars, [f"{share:.1f}" for share in shares], padding=3, fontsize=9)
        axes.set_xlim(0, 1.15 * max(shares, default=1))
        axes.set_xlabel(f"% of {words}")
        plain_axes(axes)
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(places, [kind.kind for kind in kinds], fontsize=9)
    panels[0].set_ylim(len(kinds) - 0.4, -0.6)
    drawing.suptitle("Cost by kind of layer", fontsize="large")


def _draw_counts(drawing: Any, classes: Sequence[str], counts: dict[str, list[int]]) -> None:
    axes = drawing.subplots()
    places = np.arange(len(classes))
    before = np.zeros(len(classes), np.int64)
    for (split, numbers), color in zip(counts.items(), COLORS, strict=False):
        axes.barh(places, numbers, left=before, color=color, label=split_name(split))
        before = before + np.array(numbers)
    step = max(1, -(-len(classes) // LEGIBLE))
    axes.set_yticks(places[::step], [_plain(name) for name in classes[::step]], fontsize=9 if len(classes) <= 40 else 6)
    axes.invert_yaxis()
    axes.set_xlabel("images")
    axes.set_title("Images of each class")
    plain_axes(axes)
    axes.grid(visible=False, axis="y")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def _plain(name: str) -> str:
    """A name that matplotlib draws as it is, cut to fit: a dollar sign would begin a formula."""
    return middle(name, LETTERS).replace("$", r"\$")
