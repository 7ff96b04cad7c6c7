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
from leannet.reports.comparison.comparison import COSTS, Comparison, price
from leannet.reports.comparison.label_placement import Point
from leannet.reports.comparison.network import ComparedNetwork
from leannet.reports.comparison.point_labels import POINT, name_points
from leannet.reports.curves import VALIDATION_LINE
from leannet.reports.page import short
from leannet.style import COLORS, INK, figure, inline_svg, plain_axes, write_figure

MARKERS = "os^Dv"
LONG = 30  # characters of a name in a figure; of longer ones the end is shown
SHORT = 20  # up to here a path is on one line
WIDE = 4.0  # costs that differ by more are on a logarithmic axis
PALE = 0.55
MARKS = 8  # markers on a curve, at most
CURVES = {
    "accuracy": ("accuracy", 100),
    "loss": ("loss", 1),
    "ap50": ("AP50", 100),
    "ap": ("AP", 100),
}  # of validation: word, scale


@dataclass(frozen=True)
class Figure:
    """One figure: what it shows, and its data."""

    name: str  # of its files
    label: str
    height: float  # inches; all are 5 wide
    paint: Callable[[Any], None]
    data: tuple[dict[str, Any], ...]

    def inline(self) -> str:
        """As an <svg> element for a page. Ids are its own: a hidden figure must not lend parts to one that is seen."""
        with figure(5, self.height) as drawing:
            self.paint(drawing)
            svg = inline_svg(drawing, self.label)
        for before in ('id="', "url(#", 'href="#'):
            svg = svg.replace(before, f"{before}{self.name}-")
        return svg

    def write(self, folder: Path) -> list[Path]:
        """Writes NAME.svg, NAME.png and NAME.csv, and returns their paths."""
        with figure(5, self.height) as drawing:
            self.paint(drawing)
            for ending in (".svg", ".png"):
                write_figure(drawing, folder / f"{self.name}{ending}")
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.data[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.data)
        write_whole(folder / f"{self.name}.csv", text.getvalue().encode(errors="backslashreplace"))
        return [folder / f"{self.name}{ending}" for ending in (".svg", ".png", ".csv")]


def figures(comparison: Comparison) -> list[Figure]:
    """Every figure that there is data for."""
    from leannet.reports.comparison.sweeps import sweeps

    return [*curves(comparison), *against_costs(comparison), *sweeps(comparison)]


def curves(comparison: Comparison) -> list[Figure]:
    """What CURVES of validation there are in runs' logs, over epochs and over minutes. None without a run."""
    numbered = list(enumerate(comparison.networks))
    logs = {
        name: [(place, each) for place, each in numbered if each.log and f"validation_{name}" in each.log[0]]
        for name in CURVES
    }
    return [_curve(logs[name], name, by) for by in ("epoch", "minute") for name in CURVES if logs[name]]


def against_costs(comparison: Comparison) -> list[Figure]:
    """Accuracy against mult-adds, file size and latency, where networks have both."""
    scatters = []
    for cost in COSTS:
        groups = [[network for network in group if price(network, cost) is not None] for group in comparison.groups]
        if any(groups):
            scatters.append(_scatter(comparison, cost, groups))
    return scatters


def color(number: int) -> str:
    """Of the network that is compared at this place, in all figures."""
    return COLORS[number % len(COLORS)]


def is_second(number: int) -> bool:
    """Whether another network has that color already: then its points are hollow."""
    return number // len(COLORS) % 2 == 1


def _curve(logs: Sequence[tuple[int, ComparedNetwork]], name: str, by: str) -> Figure:
    """Lines are solid, as those of validation are everywhere; colors and markers tell networks apart."""
    word, scale = CURVES[name]
    over = "epochs" if by == "epoch" else "minutes"
    label = f"validation {word} over {over}"

    def paint(drawing: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = drawing.subplots()
        handles = []
        for number, network in logs:
            x, y = _along(network.log, by), [scale * line[f"validation_{name}"] for line in network.log]
            fill = "none" if is_second(number) else "full"
            handles += axes.plot(
                x, y, color=color(number), linestyle=VALIDATION_LINE, linewidth=1.6, fillstyle=fill, markersize=4.5,
                marker=MARKERS[number % len(MARKERS)], markevery=max(1, -(-len(x) // MARKS)),
            )  # fmt: skip
            for place, line in enumerate(network.log):
                if line["epoch"] == network.best_epoch:
                    axes.plot(
                        x[place], y[place], "o", color=color(number), fillstyle="none", markersize=10,
                        markeredgewidth=1.4,
                    )  # fmt: skip
        axes.set_title(label[0].upper() + label[1:])
        axes.set_xlabel("epoch" if by == "epoch" else "minutes of training")
        axes.set_ylabel(f"{word}, %" if scale == 100 else word)
        axes.xaxis.set_major_locator(MaxNLocator(integer=by == "epoch", nbins=7))
        plain_axes(axes)
        names = [_shortened(network.label) for _, network in logs]
        columns = 2 if len(names) > 1 and max(map(len, names)) < 22 else 1
        # Names are set afterwards, since matplotlib leaves out those that begin with an underscore.
        legend = drawing.legend(
            handles, [str(number) for number in range(len(names))], loc="outside lower center", ncols=columns,
            frameon=False, fontsize=10, handlelength=2.6,
        )  # fmt: skip
        for text, shown in zip(legend.get_texts(), names, strict=True):
            text.set_parse_math(False)
            text.set_text(shown)

    data = tuple(
        {
            "network": network.what,
            "epoch": int(line["epoch"]),
            "minutes": round(minutes, 4),
            f"validation_{name}": line[f"validation_{name}"],
            "best": line["epoch"] == network.best_epoch,
        }
        for _, network in logs
        for line, minutes in zip(network.log, _along(network.log, "minute"), strict=True)
    )
    return Figure(f"{name}_over_{over}", label, 3.6 + 0.2 * len(logs), paint, data)


def _along(log: Sequence[dict[str, float]], by: str) -> list[float]:
    if by == "epoch":
        return [line["epoch"] for line in log]
    return [seconds / 60 for seconds in accumulate(line["seconds"] for line in log)]


def _scatter(comparison: Comparison, cost: str, groups: list[list[ComparedNetwork]]) -> Figure:
    fronts = comparison.fronts(cost)
    members = [network for group in groups for network in group]
    numbers = {id(network): number for number, network in enumerate(comparison.networks)}
    on_front = {id(network) for front in fronts for network in front}
    prices = [price(network, cost) or 0.0 for network in members]
    label = f"accuracy against {COSTS[cost]}"

    def paint(drawing: Any) -> None:
        axes = drawing.subplots()
        end, lines = max(prices), list[tuple[Point, Point]]()
        for number, (group, front) in enumerate(zip(groups, fronts, strict=True)):
            steps = _steps([_point(network, cost) for network in front], end)
            if len(group) > 1:
                axes.plot(*zip(*steps, strict=True), color=INK, linewidth=1, alpha=0.7, zorder=1)
                lines += pairwise(steps)
            for network in group:
                (x, y), accuracy = _point(network, cost), network.accuracy
                assert accuracy is not None
                whiskers = None
                if accuracy.low is not None and accuracy.high is not None:
                    whiskers = [[y - 100 * accuracy.low], [100 * accuracy.high - y]]
                    lines.append(((x, 100 * accuracy.low), (x, 100 * accuracy.high)))
                place = numbers[id(network)]
                axes.errorbar(
                    x, y, whiskers, linestyle="", marker=MARKERS[number % len(MARKERS)], color=color(place),
                    fillstyle="none" if is_second(place) else "full", markersize=POINT, elinewidth=1.2,
                    capsize=3, alpha=1 if id(network) in on_front else PALE,
                )  # fmt: skip
        cost_axis(axes, cost, prices, comparison.timing.conditions if comparison.timing else "")
        published = comparison.groups[0][0].kind == "zoo name"
        axes.set_ylabel("published top-1 on ImageNet, %" if published else "validation accuracy, %")
        axes.set_title(label.capitalize())
        axes.margins(x=0.12, y=0.14)
        plain_axes(axes)
        ordered = sorted(members, key=lambda network: id(network) not in on_front)
        names = [_in_lines(network.label) for network in ordered]
        name_points(drawing, axes, [_point(network, cost) for network in ordered], names, lines)

    data = tuple(
        {
            "network": network.what,
            cost: value,
            "accuracy": network.accuracy.value,
            "accuracy_low": network.accuracy.low,
            "accuracy_high": network.accuracy.high,
            "evaluated_on": network.accuracy.evaluated_on,
            "on_front": id(network) in on_front,
        }
        for network, value in zip(members, prices, strict=True)
        if network.accuracy
    )
    name = {"macs": "mult_adds", "size_bytes": "size", "latency_ms": "latency"}[cost]
    return Figure(f"accuracy_against_{name}", label, 4.0, paint, data)


def _point(network: ComparedNetwork, cost: str) -> tuple[float, float]:
    return price(network, cost) or 0.0, 100 * (network.accuracy.value if network.accuracy else 0.0)


def cost_axis(axes: Any, cost: str, prices: Sequence[float], conditions: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if min(prices) > 0 and max(prices) > WIDE * min(prices):
        axes.set_xscale("log")
        ratio = max(prices) / min(prices)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < 20 else (1, 3) if ratio < 1000 else (1,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    if cost == "latency_ms":
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("\n".join(["milliseconds an image, median", *textwrap.wrap(conditions, 62)]), fontsize=9)
    else:
        unit = "" if cost == "macs" else "B"
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: short(x) + unit))
        axes.set_xlabel("mult-adds an image" if cost == "macs" else "size of the file")


def _steps(front: Sequence[Point], end: float) -> list[Point]:
    """The front as a line: at each cost, the highest accuracy at that cost or less, up to the largest cost there is."""
    corners = [front[0]] if front else []
    for x, y in front[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return [*corners, (end, corners[-1][1])] if corners else []


def _in_lines(name: str) -> str:
    """A long path as two lines: its folders, and what is in them."""
    folders, slash, last = name.rpartition("/")
    return f"{_shortened(folders)}/\n{_shortened(last)}" if slash and len(name) > SHORT else _shortened(name)


def _shortened(name: str) -> str:
    return name if len(name) <= LONG else f"…{name[1 - LONG :]}"
