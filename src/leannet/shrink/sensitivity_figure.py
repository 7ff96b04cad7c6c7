"""The curves of rows as a figure: a line of cells a row, the darker the more accuracy it costs."""

from pathlib import Path

from leannet.shrink.curves import Sensitivity
from leannet.style import figure, write_figure

CELL = 0.62  # inches, wide
LINE = 0.2  # inches, high
LETTERS = 0.075  # inches


def draw_sensitivity(curves: Sensitivity, path: str | Path) -> None:
    """Writes the figure. Raises LeannetError for a name that is no figure's."""
    lost = [[100 * (curves.accuracy - accuracy) for accuracy in curve.accuracies] for curve in curves.curves]
    ratios = curves.curves[0].ratios
    names = [curve.row for curve in curves.curves]
    width = 1.6 + LETTERS * max(map(len, names)) + CELL * len(ratios)
    with figure(width, 1.2 + LINE * len(names)) as drawn:
        axes = drawn.subplots()
        shown = axes.imshow(lost, cmap="YlOrRd", vmin=0, vmax=max(max(map(max, lost)), 1e-9), aspect="auto")
        for line, values in enumerate(lost):
            for column, value in enumerate(values):
                dark = value > 0.6 * max(map(max, lost))
                color = "white" if dark else "black"
                axes.text(column, line, f"{value:.1f}", ha="center", va="center", fontsize=7, color=color)
        axes.set_xticks(range(len(ratios)), [f"{100 * ratio:g} %" for ratio in ratios], fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_xlabel("share of the row's channels that is gone", fontsize=9)
        axes.set_title(f"{curves.network}: points lost", fontsize=10)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        drawn.colorbar(shown, ax=axes, shrink=0.5, label="points")
        write_figure(drawn, path)
