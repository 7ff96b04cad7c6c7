"""The figures of a comparison: validation curves together, and accuracy against cost, with the Pareto front."""

import csv
import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from leannet.files import write_whole
from leannet.reports.comparing.compared import Compared
from leannet.reports.comparing.comparison import COSTS, Comparison, price
from leannet.reports.comparing.labels import RINGS, Box, Point, anchor, place_labels
from leannet.reports.page import short
from leannet.style import COLORS, INK, figure, inline_svg, plain_axes, write_figure

LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
MARKERS = "os^Dv"
LONG = 30  # characters of a name in a figure; of longer ones the end is shown
SHORT = 20  # up to here a path is on one line
WIDE = 4.0  # costs that differ by more are on a logarithmic axis
PALE = 0.55
POINT, NAME = 7.0, 10.0  # sizes of a marker and of a name, in points


@dataclass(frozen=True)
class Figure:
    """One figure: what it shows, and the very data."""

    name: str  # of its files
    label: str
    height: float  # inches; all are 5 wide
    paint: Callable[[Any], None]
    data: tuple[dict[str, Any], ...]

    def inline(self) -> str:
        """As an <svg> element for a page. Ids are its own: a hidden figure must not lend parts to one that is seen."""
        with figure(5, self.height) as drawn:
            self.paint(drawn)
            svg = inline_svg(drawn, self.label)
        for before in ('id="', "url(#", 'href="#'):
            svg = svg.replace(before, f"{before}{self.name}-")
        return svg

    def write(self, folder: Path) -> list[Path]:
        """Writes NAME.svg, NAME.png and NAME.csv, and returns their paths."""
        with figure(5, self.height) as drawn:
            self.paint(drawn)
            for ending in (".svg", ".png"):
                write_figure(drawn, folder / f"{self.name}{ending}")
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.data[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.data)
        write_whole(folder / f"{self.name}.csv", text.getvalue().encode(errors="backslashreplace"))
        return [folder / f"{self.name}{ending}" for ending in (".svg", ".png", ".csv")]


def figures(comparison: Comparison) -> list[Figure]:
    """Every figure that there is data for."""
    return [*curves(comparison), *against_costs(comparison)]


def curves(comparison: Comparison) -> list[Figure]:
    """Validation accuracy and loss of all runs, over epochs and over minutes. None without a run."""
    logs = [(number, each) for number, each in enumerate(comparison.networks) if each.log]
    return [_curve(logs, name, by) for by in ("epoch", "minute") for name in ("accuracy", "loss") if logs]


def against_costs(comparison: Comparison) -> list[Figure]:
    """Accuracy against mult-adds, file size and latency, where networks have both."""
    found = []
    for cost in COSTS:
        groups = [[each for each in group if price(each, cost) is not None] for group in comparison.groups]
        if any(groups):
            found.append(_scatter(comparison, cost, groups))
    return found


def color(number: int) -> str:
    """Of the network that is compared at this place, in all figures."""
    return COLORS[number % len(COLORS)]


def is_second(number: int) -> bool:
    """Whether another network has that color already: then its points are hollow."""
    return number // len(COLORS) % 2 == 1


def _curve(logs: Sequence[tuple[int, Compared]], name: str, by: str) -> Figure:
    scale, words = (100, "validation accuracy, %") if name == "accuracy" else (1, "validation loss")

    def paint(drawn: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = drawn.subplots()
        handles = []
        for number, each in logs:
            x, y = _along(each.log, by), [scale * line[f"validation_{name}"] for line in each.log]
            alone = "o" if len(x) == 1 else None
            handles += axes.plot(
                x, y, color=color(number), linestyle=LINES[number % len(LINES)], linewidth=1.8, marker=alone
            )
            for place, line in enumerate(each.log):
                if line["epoch"] == each.best_epoch:
                    axes.plot(x[place], y[place], "o", color=color(number), markersize=6)
        axes.set_xlabel("epoch" if by == "epoch" else "minutes of training")
        axes.set_ylabel(words)
        axes.xaxis.set_major_locator(MaxNLocator(integer=by == "epoch", nbins=7))
        plain_axes(axes)
        names = [_shortened(each.label) for _, each in logs]
        columns = 2 if len(names) > 1 and max(map(len, names)) < 22 else 1
        # Names are set afterwards, since matplotlib leaves out those that begin with an underscore.
        legend = drawn.legend(
            handles, [str(number) for number in range(len(names))], loc="outside lower center", ncols=columns,
            frameon=False, fontsize=10, handlelength=2.6,
        )  # fmt: skip
        for text, label in zip(legend.get_texts(), names, strict=True):
            text.set_parse_math(False)
            text.set_text(label)

    data = tuple(
        {
            "network": each.what,
            "epoch": int(line["epoch"]),
            "minutes": round(minutes, 4),
            f"validation_{name}": line[f"validation_{name}"],
            "best": line["epoch"] == each.best_epoch,
        }
        for _, each in logs
        for line, minutes in zip(each.log, _along(each.log, "minute"), strict=True)
    )
    over = "epochs" if by == "epoch" else "minutes"
    return Figure(f"{name}_over_{over}", f"validation {name} over {over}", 3.4 + 0.2 * len(logs), paint, data)


def _along(log: Sequence[dict[str, float]], by: str) -> list[float]:
    if by == "epoch":
        return [line["epoch"] for line in log]
    return [seconds / 60 for seconds in accumulate(line["seconds"] for line in log)]


def _scatter(comparison: Comparison, cost: str, groups: list[list[Compared]]) -> Figure:
    fronts = comparison.fronts(cost)
    members = [each for group in groups for each in group]
    numbers = {id(each): number for number, each in enumerate(comparison.networks)}
    on_front = {id(each) for front in fronts for each in front}
    prices = [price(each, cost) or 0.0 for each in members]

    def paint(drawn: Any) -> None:
        axes = drawn.subplots()
        end, lines = max(prices), list[tuple[Point, Point]]()
        for number, (group, front) in enumerate(zip(groups, fronts, strict=True)):
            steps = _steps([_point(each, cost) for each in front], end)
            if len(group) > 1:
                axes.plot(*zip(*steps, strict=True), color=INK, linewidth=1, alpha=0.7, zorder=1)
                lines += pairwise(steps)
            for each in group:
                (x, y), told = _point(each, cost), each.accuracy
                assert told is not None
                whiskers = None
                if told.low is not None and told.high is not None:
                    whiskers = [[y - 100 * told.low], [100 * told.high - y]]
                    lines.append(((x, 100 * told.low), (x, 100 * told.high)))
                axes.errorbar(
                    x, y, whiskers, linestyle="", marker=MARKERS[number % len(MARKERS)], color=color(numbers[id(each)]),
                    fillstyle="none" if is_second(numbers[id(each)]) else "full", markersize=POINT, elinewidth=1.2,
                    capsize=3, alpha=1 if id(each) in on_front else PALE,
                )  # fmt: skip
        _cost_axis(axes, cost, prices, comparison.timing.words if comparison.timing else "")
        published = comparison.groups[0][0].kind == "zoo name"
        axes.set_ylabel("published top-1 on ImageNet, %" if published else "validation accuracy, %")
        axes.margins(x=0.12, y=0.14)
        plain_axes(axes)
        _name_points(drawn, axes, sorted(members, key=lambda each: id(each) not in on_front), cost, lines)

    data = tuple(
        {
            "network": each.what,
            cost: value,
            "accuracy": each.accuracy.value,
            "accuracy_low": each.accuracy.low,
            "accuracy_high": each.accuracy.high,
            "judged_on": each.accuracy.judged_on,
            "on_front": id(each) in on_front,
        }
        for each, value in zip(members, prices, strict=True)
        if each.accuracy
    )
    name = {"macs": "mult_adds", "size_bytes": "size", "latency_ms": "latency"}[cost]
    return Figure(f"accuracy_against_{name}", f"accuracy against {COSTS[cost]}", 3.8, paint, data)


def _point(each: Compared, cost: str) -> tuple[float, float]:
    return price(each, cost) or 0.0, 100 * (each.accuracy.value if each.accuracy else 0.0)


def _cost_axis(axes: Any, cost: str, prices: Sequence[float], words: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if min(prices) > 0 and max(prices) > WIDE * min(prices):
        axes.set_xscale("log")
        wide = max(prices) / min(prices)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if wide < 20 else (1, 3) if wide < 1000 else (1,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    if cost == "latency_ms":
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("\n".join(["milliseconds a figure, median", *textwrap.wrap(words, 62)]), fontsize=9)
    else:
        unit = "" if cost == "macs" else "B"
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: short(x) + unit))
        axes.set_xlabel("mult-adds a figure" if cost == "macs" else "size of the file")


def _steps(front: Sequence[Point], end: float) -> list[Point]:
    """The front as a line: at each cost, the most that can be had for it, up to the largest cost there is."""
    corners = [front[0]] if front else []
    for x, y in front[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return [*corners, (end, corners[-1][1])] if corners else []


def _name_points(
    drawn: Any, axes: Any, members: Sequence[Compared], cost: str, lines: Sequence[tuple[Point, Point]]
) -> None:
    """Writes names beside points, those of the front first; one that would lie on another is left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

    canvas: Any = FigureCanvasAgg(drawn)
    renderer = canvas.get_renderer()
    drawn.draw_without_rendering()  # which settles where the axes are
    font = FontProperties(size=NAME)
    names = [_in_lines(each.label) for each in members]
    sizes = []
    for name in names:
        parts = [renderer.get_text_width_height_descent(part, font, False) for part in name.split("\n")]
        sizes.append((max(width for width, *_ in parts) + 4, 1.15 * sum(height for _, height, _ in parts) + 2))
    points: list[Point] = [tuple(axes.transData.transform(_point(each, cost))) for each in members]
    half = POINT / 2 * drawn.dpi / 72 + 1
    taken: list[Box] = [(x - half, y - half, x + half, y + half) for x, y in points]
    drawn_lines: list[Box] = []
    for line in lines:
        (left, low), (right, high) = axes.transData.transform(line)
        drawn_lines.append((left - 3, min(low, high) - 3, right + 3, max(low, high) + 3))
    corners = place_labels(points, sizes, tuple(axes.bbox.extents), taken, drawn_lines)
    for name, each, point, size, corner in zip(names, members, points, sizes, corners, strict=True):
        if corner is None:
            continue
        meets = anchor(point, (*corner, corner[0] + size[0], corner[1] + size[1]))
        far = max(abs(a - b) for a, b in zip(meets, point, strict=True)) > RINGS[0] + 1
        where = [(a - b) / length for a, b, length in zip(meets, corner, size, strict=True)]
        leader = {"arrowstyle": "-", "color": INK, "alpha": 0.4, "linewidth": 0.7, "relpos": where, "shrinkA": 1}
        note = axes.annotate(
            name, _point(each, cost), [72 / drawn.dpi * (a - b) for a, b in zip(corner, point, strict=True)],
            textcoords="offset points", va="bottom", fontsize=NAME, parse_math=False,
            linespacing=1, arrowprops=leader | {"shrinkB": POINT / 2} if far else None,
        )  # fmt: skip
        note.set_in_layout(False)


def _in_lines(name: str) -> str:
    """A long path as two lines: its folders, and what is in them."""
    folders, slash, last = name.rpartition("/")
    return f"{_shortened(folders)}/\n{_shortened(last)}" if slash and len(name) > SHORT else _shortened(name)


def _shortened(name: str) -> str:
    return name if len(name) <= LONG else f"…{name[1 - LONG :]}"
