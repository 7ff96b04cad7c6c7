"""What each step of an adaptation took away: its way through cost and accuracy, and the rows that became narrower."""

from pathlib import Path

import numpy as np

from leannet.nas.adapted import Adapted
from leannet.shrink.budgets import readable
from leannet.style import COLORS, figure, plain_axes, write_figure

LINE = 0.17  # inches a row


def draw_adapted(adapted: Adapted, path: str | Path) -> None:
    """Writes the figure. Left: every proposal by what it would take and its accuracy, and those chosen. Right: what is
    left of each row that was chosen, step by step."""
    steps = adapted.steps
    rows = list(dict.fromkeys(chosen.row for _, chosen in steps))
    unit = {"latency_ms": ("ms", 1.0), "macs": ("M mult-adds", 1e6), "params": ("M parameters", 1e6)}[adapted.quantity]
    with figure(10, max(3.6, 1.4 + LINE * len(rows))) as drawn:
        left, right = drawn.subplots(1, 2, gridspec_kw={"width_ratios": (1.2, 1)})
        for offer, chosen in steps:
            costs = [each.cost / unit[1] for each in offer.proposals]
            accuracies = [100 * chosen.accuracies[each.key] for each in offer.proposals]
            left.scatter(costs, accuracies, s=8, color=COLORS[1], alpha=0.5, lw=0)
        way = [(adapted.before, adapted.accuracy_before), *((chosen.cost, chosen.accuracy) for _, chosen in steps)]
        left.plot(
            [cost / unit[1] for cost, _ in way], [100 * accuracy for _, accuracy in way], "o-", ms=4, color=COLORS[0],
            label="chosen",
        )  # fmt: skip
        if adapted.accuracy is not None:
            left.plot(adapted.predicted / unit[1], 100 * adapted.accuracy, "*", ms=12, color=COLORS[2],
                      label="after the long training")  # fmt: skip
        left.axvline(adapted.most / unit[1], color="grey", lw=0.8, ls=":")
        left.invert_xaxis()
        left.set_xlabel(f"{unit[0]}, budget {readable(adapted.quantity, adapted.most)}")
        left.set_ylabel("accuracy of the validation images, %")
        left.set_title("proposals, and those chosen")
        plain_axes(left)
        left.legend(frameon=False, fontsize=8)
        if rows:
            first = {chosen.row: chosen.before for _, chosen in reversed(steps)}
            share = np.ones((len(rows), len(steps) + 1))
            for number, (_, chosen) in enumerate(steps, start=1):
                share[rows.index(chosen.row), number:] = chosen.after / first[chosen.row]
            shown = right.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
            right.set_yticks(range(len(rows)), rows, fontsize=7)
            right.set_xlabel("step")
            right.set_title("channels left")
            right.tick_params(length=0)
            right.spines[:].set_visible(False)
            drawn.colorbar(shown, ax=right, shrink=0.6)
        else:
            right.set_axis_off()
        write_figure(drawn, path)
