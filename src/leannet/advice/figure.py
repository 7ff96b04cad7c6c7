"""Advice as a figure: time here against published accuracy, the limit as a line."""

import textwrap
from itertools import pairwise
from pathlib import Path

from leannet.advice.advising import Advice, Advised
from leannet.reports.comparison.point_labels import name_points
from leannet.reports.page import middle
from leannet.style import COLORS, INK, figure, plain_axes, write_figure

LETTERS = 40  # of the data's name in the title
LABEL = 8.0  # points of a label
LINE = 100  # letters of a line below the axis
ENTRIES, WIDE = 26, 1.9  # of a column of the legend, and inches that another one takes


def draw(advice: Advice, path: Path) -> None:
    """Writes the figure: a point a network, a color and marker a family, the front labelled.

    Networks without a published accuracy are drawn by their mult-adds, with no front.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    timed = [network for network in advice.networks if network.latency is not None]
    families = list(dict.fromkeys(network.name for network in timed))
    published = any(network.top1 is not None for network in advice.networks)
    front = sorted((_point(network), _label(network)) for network in timed if network.best_for_its_time)
    steps = [point for left, right in pairwise(front) for point in (left[0], (right[0][0], left[0][1]))]
    steps += [front[-1][0]] if front else []
    labelled = front or [(_point(network), f"{network.width:g}") for network in timed]
    columns = max(-(-len(families) // ENTRIES), 1)
    with figure(10 + WIDE * (columns - 1), 6.2) as drawing:
        axes = drawing.subplots()
        for number, family in enumerate(families):
            points = sorted(_point(network) for network in timed if network.name == family)
            axes.plot(
                *zip(*points, strict=True), linestyle="", color=COLORS[number % len(COLORS)], markersize=5,
                marker="os^Dv"[number // len(COLORS) % 5], label=family,
            )  # fmt: skip
        if front:
            axes.plot(*zip(*steps, strict=True), color=INK, linewidth=0.8, label="best for its time")
        if advice.latency_ms is not None:
            limit = f"limit: {advice.latency_ms:g} ms"
            axes.axvline(advice.latency_ms, color=COLORS[4], linewidth=1, linestyle=(0, (4, 2)), label=limit)
        if timed:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        conditions = f"{advice.engine}, {advice.precision}, {advice.threads} thread{'s' if advice.threads > 1 else ''}"
        machine = textwrap.wrap(advice.machine.line(), LINE)
        axes.set_xlabel("\n".join(["milliseconds an image, median", conditions, *machine]), fontsize=10)
        axes.set_ylabel("published top-1 on ImageNet, %" if published else "million mult-adds")
        height = "Published accuracy" if published else "Mult-adds"
        name = middle(Path(advice.about).resolve().name or advice.about, LETTERS)
        title = axes.set_title(f"{height} against time, networks for\n{name}, {advice.classes} classes")
        title.set_parse_math(False)
        axes.margins(x=0.08, y=0.1)
        if not published:
            axes.set_ylim(bottom=0)
        plain_axes(axes)
        if timed:
            note = f"labels: width{'@pixels' if front else ''}"
            drawing.legend(
                loc="outside right upper",
                frameon=False,
                fontsize=9,
                title=note,
                title_fontsize=9,
                alignment="left",
                ncols=columns,
            )
        else:
            axes.text(0.5, 0.5, "no network was timed: none is near the limits", ha="center", transform=axes.transAxes)
        segments = list(pairwise(steps))
        if advice.latency_ms is not None:
            low, high = axes.get_ylim()
            segments.append(((advice.latency_ms, low), (advice.latency_ms, high)))
        points, labels = [point for point, _ in labelled], [label for _, label in labelled]
        name_points(drawing, axes, points, labels, segments, LABEL, [_point(network) for network in timed])
        write_figure(drawing, path)


def _point(network: Advised) -> tuple[float, float]:
    assert network.latency is not None
    return network.latency.median_ms, network.top1 if network.top1 is not None else network.macs / 1e6


def _label(network: Advised) -> str:
    return f"{network.width:g}@{network.resolution}"
