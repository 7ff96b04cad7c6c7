"""Names written beside the points of a plot."""

from collections.abc import Sequence
from typing import Any

from leannet.reports.comparison.label_placement import RINGS, Box, Point, anchor, place_labels
from leannet.style import INK

POINT, NAME = 7.0, 10.0  # sizes of a marker and of a name, in points


def name_points(
    drawing: Any,
    axes: Any,
    points: Sequence[Point],
    names: Sequence[str],
    lines: Sequence[tuple[Point, Point]],
    size: float = NAME,
    unnamed: Sequence[Point] = (),
) -> None:
    """Writes names beside points, the first ones first; a name that would lie on another is left out.

    points: in the units of the data. lines: of the plot, which names avoid where there is room. size: in points.
    unnamed: other points, which no name covers.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

    canvas: Any = FigureCanvasAgg(drawing)
    renderer = canvas.get_renderer()
    drawing.draw_without_rendering()  # which settles where the axes are
    font = FontProperties(size=size)
    sizes = []
    for name in names:
        parts = [renderer.get_text_width_height_descent(part, font, False) for part in name.split("\n")]
        sizes.append((max(width for width, *_ in parts) + 4, 1.15 * sum(height for _, height, _ in parts) + 2))
    places: list[Point] = [tuple(axes.transData.transform(point)) for point in points]
    half = POINT / 2 * drawing.dpi / 72 + 1
    marks = [*places, *(axes.transData.transform(point) for point in unnamed)]
    taken: list[Box] = [(x - half, y - half, x + half, y + half) for x, y in marks]
    line_boxes: list[Box] = []
    for line in lines:
        (left, low), (right, high) = axes.transData.transform(line)
        line_boxes.append((left - 3, min(low, high) - 3, right + 3, max(low, high) + 3))
    corners = place_labels(places, sizes, tuple(axes.bbox.extents), taken, line_boxes)
    for name, point, place, box, corner in zip(names, points, places, sizes, corners, strict=True):
        if corner is None:
            continue
        meets = anchor(place, (*corner, corner[0] + box[0], corner[1] + box[1]))
        is_far = max(abs(a - b) for a, b in zip(meets, place, strict=True)) > RINGS[0] + 1
        relative = [(a - b) / length for a, b, length in zip(meets, corner, box, strict=True)]
        leader = {"arrowstyle": "-", "color": INK, "alpha": 0.4, "linewidth": 0.7, "relpos": relative, "shrinkA": 1}
        note = axes.annotate(
            name, point, [72 / drawing.dpi * (a - b) for a, b in zip(corner, place, strict=True)],
            textcoords="offset points", va="bottom", fontsize=size, parse_math=False,
            linespacing=1, arrowprops=leader | {"shrinkB": POINT / 2} if is_far else None,
        )  # fmt: skip
        note.set_in_layout(False)
