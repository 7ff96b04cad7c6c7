"""One family at several widths and resolutions: published accuracy against mult-adds, a line for each of them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from leannet.reports.comparison.comparison import Comparison
from leannet.reports.comparison.figures import Figure, cost_axis
from leannet.reports.comparison.label_placement import Point
from leannet.reports.comparison.network import PUBLISHED, ComparedNetwork
from leannet.reports.comparison.point_labels import name_points
from leannet.style import COLORS, INK, plain_axes

MARKERS = "os^Dv"
LEAST = 3  # networks of a sweep


def sweeps(comparison: Comparison) -> list[Figure]:
    """A figure for each family that is there at several widths or resolutions with a published accuracy."""
    families: dict[str, list[ComparedNetwork]] = {}
    for network in comparison.networks:
        if network.family and network.accuracy and network.accuracy.evaluated_on == PUBLISHED:
            families.setdefault(network.family, []).append(network)
    return [_sweep(family, members) for family, members in families.items() if len(members) >= LEAST]


def _sweep(family: str, members: Sequence[ComparedNetwork]) -> Figure:
    widths = sorted({_width(network) for network in members}, reverse=True)
    resolutions = sorted({_resolution(network) for network in members}, reverse=True)

    def paint(drawing: Any) -> None:
        axes = drawing.subplots()
        segments: list[tuple[Point, Point]] = []
        for number, resolution in enumerate(resolutions):
            line = sorted(_point(network) for network in members if _resolution(network) == resolution)
            axes.plot(
                *zip(*line, strict=True), color=COLORS[number % len(COLORS)], linewidth=1.6, markersize=6,
                marker=MARKERS[number % len(MARKERS)], label=f"{resolution} px", zorder=3,
            )  # fmt: skip
            segments += pairwise(line)
        # A line a width joins its resolutions; it is named at its highest point.
        named: list[tuple[Point, str]] = []
        for width in widths:
            line = sorted(_point(network) for network in members if _width(network) == width)
            axes.plot(*zip(*line, strict=True), color=INK, alpha=0.45, linewidth=1, linestyle=(0, (2, 2)), zorder=2)
            segments += pairwise(line)
            named.append((line[-1], f"width {width:g}"))
        cost_axis(axes, "macs", [network.macs for network in members], "")
        axes.set_title(f"{family}: accuracy by {_varied(widths, resolutions)}")
        axes.set_ylabel("published top-1 on ImageNet, %")
        axes.margins(x=0.12, y=0.12)
        plain_axes(axes)
        if len(resolutions) > 1:
            drawing.legend(loc="outside lower center", ncols=min(len(resolutions), 5), frameon=False, fontsize=10)
        places, names = zip(*named, strict=True)
        name_points(drawing, axes, places, names, segments, unnamed=[_point(network) for network in members])

    data = tuple(
        {
            "network": network.what,
            "width": _width(network),
            "resolution": _resolution(network),
            "macs": network.macs,
            "params": network.cost.params,
            "accuracy": network.accuracy.value,
            "source": network.accuracy.source,
        }
        for network in members
        if network.accuracy
    )
    varied = _varied(widths, resolutions)
    label = f"accuracy of {family} by {varied}"
    return Figure(f"{family}_by_{varied.replace(' ', '_')}", label, 4.2, paint, data)


def _varied(widths: Sequence[float], resolutions: Sequence[int]) -> str:
    words = ["width"] if len(widths) > 1 else []
    return " and ".join([*words, "resolution"] if len(resolutions) > 1 or not words else words)


def _point(network: ComparedNetwork) -> Point:
    return float(network.macs), 100 * (network.accuracy.value if network.accuracy else 0.0)


def _width(network: ComparedNetwork) -> float:
    return network.width or 1.0


def _resolution(network: ComparedNetwork) -> int:
    return network.architecture.input.height
