"""Advice as a figure: time here against published accuracy, the budget as a line."""

from pathlib import Path

from leannet.advice.advising import Advice, Advised
from leannet.style import COLORS, INK, figure, plain_axes, write_figure


def draw(found: Advice, path: Path) -> None:
    """Writes the figure: a point a network, a color a family, those on the front named."""
    from matplotlib.ticker import LogLocator, NullFormatter

    timed = [each for each in found.networks if each.latency is not None]
    families = list(dict.fromkeys(each.name for each in timed))
    with figure(9, 5.5) as drawn:
        axes = drawn.subplots()
        for number, family in enumerate(families):
            points = sorted((_ms(each), _height(each)) for each in timed if each.name == family)
            axes.plot(
                *zip(*points, strict=True), linestyle="", color=COLORS[number % len(COLORS)], markersize=5,
                marker="os^Dv"[number // len(COLORS) % 5], label=family,
            )  # fmt: skip
        front = sorted((_ms(each), _height(each), each) for each in timed if each.best_for_its_time)
        axes.step([x for x, *_ in front], [y for _, y, _ in front], where="post", color=INK, linewidth=0.8)
        last = None
        for x, y, each in front:
            if last is None or x > 1.12 * last:  # names that would lie on each other are left out
                axes.annotate(
                    f"{each.width:g}, {each.resolution} px", (x, y), xytext=(0, 5), textcoords="offset points",
                    fontsize=7, ha="right",
                )  # fmt: skip
                last = x
        if found.latency_ms is not None:
            axes.axvline(found.latency_ms, color=COLORS[4], linewidth=1)
            axes.annotate("budget", (found.latency_ms, 0.02), xycoords=("data", "axes fraction"), fontsize=8,
                          xytext=(4, 0), textcoords="offset points", color=COLORS[4])  # fmt: skip
        if timed:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            drawn.legend(loc="outside right upper", frameon=False, fontsize=8)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"milliseconds: {found.engine}, {found.precision}, {found.threads} thread"
                        f"{'s' if found.threads > 1 else ''}, {found.machine.line()}")  # fmt: skip
        published = any(each.top1 is not None for each in timed)
        axes.set_ylabel("published top-1 on ImageNet, %" if published else "million mult-adds")
        plain_axes(axes)
        write_figure(drawn, path)


def _ms(each: Advised) -> float:
    assert each.latency is not None
    return each.latency.median_ms


def _height(each: Advised) -> float:
    return each.top1 if each.top1 is not None else each.macs / 1e6
