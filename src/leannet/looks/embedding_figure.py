"""An embedding as an image: a panel a layer, the same images and colors in each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from leannet.looks.embedding import Embedding
from leannet.looks.names import short
from leannet.style import COLORS, INK, figure, write_figure

TEN = (*COLORS, "#12a5b5", "#d65fa0", "#9a8412", "#7a4e2d")
SHAPES = "osD^v"  # with ten colors they tell fifty classes apart, and neighbours in the list differ in both
HOLLOW = "hollow: taken for another"
LETTERS = 24  # of a class's name
NAMED = len(TEN) * len(SHAPES)


def style(number: int) -> tuple[str, str]:
    """Color and shape of a class."""
    return TEN[number % len(TEN)], SHAPES[(number + number // len(TEN)) % len(SHAPES)]


def draw(embedding: Embedding, path: str | Path) -> None:
    """Writes the figure. Hollow points: the network says another class than the label."""
    with drawing(embedding) as drawn:
        write_figure(drawn, path)


@contextmanager
def drawing(embedding: Embedding, title: str = "t-SNE of the features") -> Iterator[Any]:
    """The figure, to be saved inside."""
    panels = len(embedding.planes)
    across = min(2, panels)
    down = -(-panels // across)
    classes = np.unique(embedding.labels)
    named = [short(embedding.classes[label], LETTERS) for label in classes if label < NAMED]
    ncols = _columns([*named, HOLLOW])
    legend = 0.35 + 0.2 * (-(-len(named) // ncols) + 1)
    side = 3.1 if across == 2 else 4.8
    with figure(6.4, down * (side + 0.45) + legend) as drawn:
        drawn.suptitle(title, fontsize=11, parse_math=False)
        axes = np.atleast_1d(drawn.subplots(down, across)).flat
        for place, panel in enumerate(axes):
            if place < panels:
                _panel(panel, embedding, place, side)
            else:
                panel.axis("off")
        handles, names = drawn.axes[0].get_legend_handles_labels()
        legend = drawn.legend(
            handles, names, loc="outside lower center", ncols=ncols, frameon=False, fontsize=9,
            markerscale=1.4, handletextpad=0.2,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)  # a class may be named with dollars
        yield drawn


def _columns(names: Sequence[str]) -> int:
    """Of the legend: as many as have room, up to four. It is filled column by column."""
    for columns in range(min(4, len(names)), 1, -1):
        down = -(-len(names) // columns)
        widest = [max(map(len, names[start : start + down])) for start in range(0, len(names), down)]
        if sum(widest) + 4 * len(widest) <= 80:
            return columns
    return 1


def _panel(axes: Any, embedding: Embedding, number: int, side: float) -> None:
    plane = embedding.planes[number]
    wrong = embedding.predictions != embedding.labels
    size = float(np.clip(2600 / len(embedding.labels), 5, 26)) * (side / 3.1)
    for label in np.unique(embedding.labels):
        color, shape = style(int(label))
        mine = embedding.labels == label
        name = short(embedding.classes[label], LETTERS) if label < NAMED else None
        for part, face in ((mine & ~wrong, color), (mine & wrong, "none")):
            x, y = plane.points[part].T
            said = name if face == color else None  # in the legend, also where no point is right
            axes.scatter(x, y, s=size, marker=shape, facecolors=face, edgecolors=color, linewidths=0.9, label=said)
    if number == 0:
        axes.scatter([], [], s=size, marker="o", facecolors="none", edgecolors=INK, linewidths=0.9,
                     label=HOLLOW)  # fmt: skip
    axes.set_title(short(plane.layer, 40), fontsize=10, loc="left", parse_math=False)
    axes.set_xlabel(
        f"{100 * plane.near_here:.1f} % among their own, guessing {100 * embedding.largest_share:.0f} %", fontsize=9
    )
    axes.set(xticks=[], yticks=[], box_aspect=1)
    axes.spines[:].set_alpha(0.25)
