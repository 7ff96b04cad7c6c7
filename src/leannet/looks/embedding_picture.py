"""An embedding as a picture: a panel a layer, the same pictures and colors in each."""

from pathlib import Path
from typing import Any

import numpy as np

from leannet.drawing import COLORS, INK, figure, write_picture
from leannet.looks.embedding import Embedding

TEN = (*COLORS, "#12a5b5", "#d65fa0", "#9a8412", "#7a4e2d")
SHAPES = "osD^v"  # with ten colors they tell fifty classes apart, and neighbours in the list differ in both
NAMED = len(TEN) * len(SHAPES)


def style(number: int) -> tuple[str, str]:
    """Color and shape of a class."""
    return TEN[number % len(TEN)], SHAPES[(number + number // len(TEN)) % len(SHAPES)]


def draw(found: Embedding, path: Path) -> None:
    """Writes the picture. Hollow points: the network says another class than the label."""
    panels = len(found.planes)
    across = min(2, panels)
    down = -(-panels // across)
    classes = np.unique(found.labels)
    legend = 0.35 + 0.2 * (-(-min(len(classes), NAMED) // 4) + 1)
    side = 3.1 if across == 2 else 4.8
    with figure(6.4, down * (side + 0.45) + legend) as drawn:
        axes = np.atleast_1d(drawn.subplots(down, across)).flat
        for place, panel in enumerate(axes):
            if place < panels:
                _panel(panel, found, place, side)
            else:
                panel.axis("off")
        handles, names = drawn.axes[0].get_legend_handles_labels()
        drawn.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)), frameon=False, fontsize=9,
                     markerscale=1.4, handletextpad=0.2)  # fmt: skip
        write_picture(drawn, path)


def _panel(axes: Any, found: Embedding, number: int, side: float) -> None:
    plane = found.planes[number]
    wrong = found.predictions != found.labels
    size = float(np.clip(2600 / len(found.labels), 5, 26)) * (side / 3.1)
    for label in np.unique(found.labels):
        color, shape = style(int(label))
        mine = found.labels == label
        name = found.classes[label] if label < NAMED else None
        for part, face in ((mine & ~wrong, color), (mine & wrong, "none")):
            x, y = plane.points[part].T
            said = name if face == color else None  # in the legend, also where no point is right
            axes.scatter(x, y, s=size, marker=shape, facecolors=face, edgecolors=color, linewidths=0.9, label=said)
    if number == 0:
        axes.scatter([], [], s=size, marker="o", facecolors="none", edgecolors=INK, linewidths=0.9,
                     label="hollow: taken for another")  # fmt: skip
    axes.set_title(plane.layer, fontsize=10, loc="left")
    axes.set_xlabel(
        f"{100 * plane.near_here:.1f} % among their own, guessing {100 * found.largest_share:.0f} %", fontsize=9
    )
    axes.set(xticks=[], yticks=[], box_aspect=1)
    axes.spines[:].set_alpha(0.25)
