"""What a search tried: accuracy against cost with the front, beside trained networks; and rewards over time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leannet.nas.searched import Searched
from leannet.shrink.budgets import readable
from leannet.style import COLORS, figure, plain_axes, write_figure

WINDOW = 20  # trials whose mean is drawn
UNITS = {"latency_ms": ("ms", 1.0), "macs": ("M mult-adds", 1e6), "params": ("M parameters", 1e6)}


def draw_searched(
    searches: Sequence[Searched], path: str | Path, beside: Sequence[tuple[str, float, float]] = ()
) -> None:
    """Writes the figure of one search or several over the same space, of a color a strategy, with the space's base.

    beside: trained networks, each with its name, what it takes and its accuracy.
    """
    first = searches[0].request
    word, unit = UNITS[first.quantity]
    with figure(10, 4) as drawn:
        left, right = drawn.subplots(1, 2)
        strategies = list(dict.fromkeys(each.request.strategy for each in searches))
        drawn_before: set[str] = set()
        for each in searches:
            strategy = each.request.strategy
            color = COLORS[strategies.index(strategy) % len(COLORS)]
            label = f"{strategy}: front" if strategy not in drawn_before else None
            mean_label = f"{strategy}, mean of {WINDOW}" if strategy not in drawn_before else None
            drawn_before.add(strategy)
            costs, accuracies = [trial.cost / unit for trial in each.trials], [trial.accuracy for trial in each.trials]
            left.scatter(costs, 100 * np.array(accuracies), s=8, color=color, alpha=0.35, lw=0)
            left.step(
                [trial.cost / unit for trial in each.front], [100 * trial.accuracy for trial in each.front],
                where="post", color=color, label=label,
            )  # fmt: skip
            left.plot(each.best.cost / unit, 100 * each.best.accuracy, "*", ms=11, color=color)
            rewards = np.array([trial.reward for trial in each.trials])
            right.plot(np.arange(1, len(rewards) + 1), rewards, ".", ms=3, color=color, alpha=0.35)
            if len(rewards) >= WINDOW:
                means = np.convolve(rewards, np.ones(WINDOW) / WINDOW, "valid")
                right.plot(np.arange(WINDOW, len(rewards) + 1), means, color=color, label=mean_label)
        bases = {each.request.space.base.name: each.base for each in searches if each.base is not None}
        named = [(name, base.cost, base.accuracy) for name, base in bases.items()]
        for name, cost, accuracy in (*named, *beside):
            left.plot(cost / unit, 100 * accuracy, "^", ms=6, color="grey")
            left.annotate(name, (cost / unit, 100 * accuracy), fontsize=7, xytext=(4, -3), textcoords="offset points")
        left.axvline(first.target / unit, color="grey", lw=0.8, ls=":")
        left.set_xlabel(f"{word}, target {readable(first.quantity, first.target)}")
        left.set_ylabel("accuracy, %")
        left.set_title("what was tried")
        right.set_xlabel("trial")
        right.set_ylabel("reward")
        right.set_title("what it was worth")
        for axes in (left, right):
            plain_axes(axes)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False, fontsize=8)
        write_figure(drawn, path)
