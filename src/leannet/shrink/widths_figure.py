"""The widths that a pruning kept, as a figure: a bar a layer, and what it was in outline."""

from pathlib import Path

from leannet.shrink.pruned import Pruned
from leannet.style import COLORS, INK, figure, plain_axes, write_figure

INCHES = 0.22  # a layer
MANY = 60  # layers whose names can be read


def draw_widths(pruned: Pruned, path: str | Path) -> None:
    """Writes the figure. Raises LeannetError for a name that is no figure's."""
    names = [row for row, _, _ in pruned.widths]
    before, after = ([each[place] for each in pruned.widths] for place in (1, 2))
    places = range(len(names))
    with figure(max(5.0, INCHES * min(len(names), MANY) + 1.5), 4.2) as drawn:
        axes = drawn.subplots()
        axes.bar(places, before, width=0.8, fill=False, edgecolor=INK, alpha=0.45, linewidth=0.8, label="before")
        axes.bar(places, after, width=0.8, color=COLORS[0], label="after")
        axes.set_ylabel("channels")
        axes.set_title(pruned.name, fontsize=11)
        step = -(-len(names) // MANY)
        axes.set_xticks(list(places)[::step], names[::step], rotation=90, fontsize=7)
        axes.set_xlim(-0.7, len(names) - 0.3)
        axes.legend(frameon=False, fontsize=9)
        plain_axes(axes)
        write_figure(drawn, path)
