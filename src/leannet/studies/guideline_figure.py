"""The four guidelines as one figure: slowdowns as bars, this machine's beside the paper's."""

from pathlib import Path
from typing import Any

from leannet.studies.guideline_study import Guidelines, mean, slowdowns
from leannet.style import COLORS, INK, figure, plain_axes, write_figure


def draw(study: Guidelines, path: Path) -> None:
    """Writes the figure: a panel for each guideline, a group of bars for each line of its table."""
    threads = list(dict.fromkeys(n for _, n in study.settings))
    engines = list(dict.fromkeys(name for name, _ in study.settings))
    sources = [(name, n) for n in threads for name in engines]
    bars = len(sources) + 2
    with figure(15, 9) as canvas:
        panels = canvas.subplots(2, 2).flat
        for table, axes in zip(study.tables, panels, strict=True):
            for place, case in enumerate(table.cases):
                values: list[tuple[str, list[float], Any]] = [
                    ("paper, GPU", slowdowns(table, case, "gpu"), "#d9d9d9"),
                    ("paper, ARM", slowdowns(table, case, "arm"), "#a6a6a6"),
                ]
                for setting in sources:
                    name, n = setting
                    label = f"{name}, {n} thread{'s' if n > 1 else ''}"
                    values.append(
                        (label, study.slowdowns(table.key, case.name, setting), _color(engines, threads, setting))
                    )
                for bar, (label, ratios, color) in enumerate(values):
                    x = place + (bar - (bars - 1) / 2) * 0.8 / bars
                    axes.bar(x, mean(ratios), 0.8 / bars, color=color, label=label if place == 0 else None)
                    axes.plot([x, x], [min(ratios), max(ratios)], color=INK, linewidth=0.8)
            axes.axhline(1, color=INK, linewidth=0.8)
            axes.set_title(f"{table.key}: {table.title}", loc="left", fontsize=11)
            axes.set_xticks(range(len(table.cases)), [case.name for case in table.cases])
            axes.set_ylabel(f"time over that of “{table.cases[0].name}”")
            plain_axes(axes)
        handles, labels = axes.get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside lower center", ncols=bars, frameon=False)
        canvas.suptitle(
            f"Equal mult-adds, unequal time: ShuffleNetV2's guidelines on {study.machine.line()}\n"
            "bars: mean over three scales; lines: from the least to the most of them",
            fontsize=12,
        )
        write_figure(canvas, path)


def _color(engines: list[str], threads: list[int], setting: tuple[str, int]) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(COLORS[engines.index(setting[0]) % len(COLORS)])
    pale = 0.45 if threads.index(setting[1]) == 0 and len(threads) > 1 else 0.0
    return tuple(value + (1 - value) * pale for value in (red, green, blue))
