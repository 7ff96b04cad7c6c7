"""A sweep as a figure: mult-adds and published accuracy against resolution or width."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError
from leannet.studies.sweeps import Sweep, SweepPoint
from leannet.style import COLORS, figure, plain_axes, write_figure

DASHES = ("-", "--", ":", "-.")  # a source of accuracies each


def draw(sweep: Sweep, path: Path) -> None:
    """Writes the figure. Along x stands what varies, the resolution where both do; a line is one of the other.

    Raises LeannetError where neither varies.
    """
    x_label, x_of, lines = arrange(sweep.points)
    dashes = dict(zip(sweep.sources, DASHES * len(sweep.sources), strict=False))
    with figure(11 if dashes else 6, 5) as canvas:
        panels = canvas.subplots(1, 2 if dashes else 1, squeeze=False)[0]
        for (label, points), color in zip(lines.items(), COLORS * len(lines), strict=False):
            macs = [point.cost.macs / 1e6 for point in points]
            panels[0].plot([x_of(point) for point in points], macs, "o-", color=color, label=label)
            for number, (source, dash) in enumerate(dashes.items()):
                top1 = [(x_of(point), accuracy) for point in points if (accuracy := _top1(point, source)) is not None]
                face = "white" if number else color
                panels[-1].plot(*zip(*top1, strict=True), "o", linestyle=dash, color=color, mfc=face) if top1 else None
        _label(panels[0], "Mult-adds", "millions, one image")
        panels[0].set_ylim(0, 1.08 * max(point.cost.macs for point in sweep.points) / 1e6)
        if dashes:
            _label(panels[1], "Published top-1 accuracy", "% of ImageNet's validation images")
            samples = [
                panels[1].plot([], [], "o", linestyle=dash, color="gray", mfc="white" if number else "gray")[0]
                for number, dash in enumerate(dashes.values())
            ]
            canvas.legend(samples, list(dashes), loc="outside lower right", frameon=False, fontsize=9)
        for axes in panels:
            axes.set_xlabel(x_label)
            axes.set_xticks(sorted({x_of(point) for point in sweep.points}))
            plain_axes(axes)
        if len(lines) > 1:
            canvas.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
        names = ", ".join(dict.fromkeys(point.name for point in sweep.points))
        what = "cost and published accuracy" if dashes else "cost"
        varied = [word for word in ("width", "resolution") if len({getattr(p, word) for p in sweep.points}) > 1]
        canvas.suptitle(f"{names}: {what} by {' and '.join(varied)}", fontsize=13)
        write_figure(canvas, path)


def _top1(point: SweepPoint, source: str) -> float | None:
    return next((figures.top1 for figures, origin in point.published if origin == source), None)


def _label(axes: Any, title: str, unit: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_ylabel(unit)


Lines = dict[str, list[SweepPoint]]


def arrange(points: Sequence[SweepPoint]) -> tuple[str, Callable[[SweepPoint], float], Lines]:
    """The label of x, the x of a point, and the points of each line by its label, from left to right.

    Raises LeannetError where no network has several widths or resolutions.
    """
    names = {point.name for point in points}
    widths, resolutions = ({getattr(point, key) for point in points} for key in ("width", "resolution"))
    several_resolutions = any(len({p.resolution for p in points if p.name == name}) > 1 for name in names)
    several_widths = any(len({p.width for p in points if p.name == name}) > 1 for name in names)
    if not several_resolutions and not several_widths:
        raise LeannetError(
            "a figure shows a sweep: expected several widths or resolutions, as --width 1,0.5 --resolution 224,160"
        )
    x, others = ("resolution", widths) if several_resolutions else ("width", resolutions)
    lines: Lines = {}
    for point in sorted(points, key=lambda point: getattr(point, x)):
        value = f"width {point.width:g}" if x == "resolution" else f"{point.resolution} px"
        words = [point.name] * (len(names) > 1) + [value] * (len(others) > 1 or len(names) == 1)
        lines.setdefault(", ".join(words), []).append(point)
    order = {id(point): number for number, point in enumerate(points)}
    lines = dict(sorted(lines.items(), key=lambda item: min(order[id(point)] for point in item[1])))
    label = "resolution, pixels" if x == "resolution" else "width multiplier"
    return label, lambda point: float(getattr(point, x)), lines
