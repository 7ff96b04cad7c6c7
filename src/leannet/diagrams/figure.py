"""A diagram as PNG or PDF, on white: the same shapes and texts through matplotlib, in the font they are measured in."""

from pathlib import Path
from typing import Any

from leannet.diagrams.palette import STYLES, TONES
from leannet.diagrams.scene import Diagram, Line, Shape, Text
from leannet.diagrams.svg import arrow_head, rounded
from leannet.style import figure, write_figure

DOTS = 96  # pixels an inch, as browsers have it
POINT = 72 / DOTS
QUARTER = 0.5523  # how far the points of control of a quarter circle stand from its ends, in radii
DIRECTIONS = ((1, 0), (0, 1), (-1, 0), (0, -1))
SIDES = {"start": "left", "middle": "center", "end": "right"}


def write_diagram(diagram: Diagram, path: Path) -> None:
    """Writes the diagram by the name's ending."""
    from matplotlib import rc_context

    # Hinting would round each letter's width to whole dots, and long names out of their boxes.
    with rc_context({"text.hinting": "no_hinting"}), figure(diagram.width / DOTS, diagram.height / DOTS) as drawn:
        drawn.set_layout_engine("none")  # all places are known
        axes = drawn.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, diagram.width)
        axes.set_ylim(diagram.height, 0)
        axes.set_axis_off()
        for panel in diagram.panels:
            for line in [*panel.lines, *(edge.line for edge in panel.edges)]:
                _line(axes, line)
            for frame in panel.frames:
                _rectangle(axes, Shape(frame.area, "frame", radius=8), "none", TONES["line"][0], "--")
                _text(axes, frame.title)
            for part in [part for box in panel.boxes for part in box.parts] + list(panel.texts):
                _part(axes, part)
        for shape in diagram.shapes:
            _part(axes, shape)
        for text in diagram.texts:
            _part(axes, text)
        write_figure(drawn, path)


def _part(axes: Any, part: Shape | Line | Text) -> None:
    if isinstance(part, Text):
        _text(axes, part)
    elif isinstance(part, Line):
        _line(axes, part)
    else:
        name, _, solid = part.style.partition(".")
        ink = STYLES[name][0]
        _rectangle(axes, part, ink.line if solid else ink.fill, "none" if solid else ink.line)


def _rectangle(axes: Any, shape: Shape, fill: str, line: str, dashes: str = "-") -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    radius = min(shape.radius, shape.area.width / 2, shape.area.height / 2)
    corners = ((1, 0), (1, 1), (0, 1), (0, 0))  # to the right, down, to the left, up, each with a quarter circle behind
    points, codes = [], []
    for number, corner in enumerate(corners):
        x, y = (shape.area.right, shape.area.left)[1 - corner[0]], (shape.area.bottom, shape.area.top)[1 - corner[1]]
        (dx, dy), (ex, ey) = DIRECTIONS[number], DIRECTIONS[(number + 1) % 4]
        start, end = (x - radius * dx, y - radius * dy), (x + radius * ex, y + radius * ey)
        near = radius * (1 - QUARTER)
        points += [start, (x - near * dx, y - near * dy), (x + near * ex, y + near * ey), end]
        codes += [Curve.LINETO if number else Curve.MOVETO, *[Curve.CURVE4] * 3]
    outline = Curve([*points, points[0]], [*codes, Curve.CLOSEPOLY])
    axes.add_patch(PathPatch(outline, facecolor=fill, edgecolor=line, linewidth=POINT, linestyle=dashes, zorder=2))


def _line(axes: Any, line: Line) -> None:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path as Curve

    color = STYLES[line.style][0].line if line.style in STYLES else TONES[line.style][0]
    points, codes = [], []
    for command, *corners in rounded(line):
        code = {"M": Curve.MOVETO, "L": Curve.LINETO, "Q": Curve.CURVE3}[command]
        points += corners
        codes += [code] * len(corners)
    axes.add_patch(
        PathPatch(Curve(points, codes), facecolor="none", edgecolor=color, linewidth=line.width * POINT, zorder=2)
    )
    if line.arrow:
        axes.add_patch(Polygon(arrow_head(line.points), facecolor=color, linewidth=0, zorder=2))


def _text(axes: Any, text: Text) -> None:
    axes.text(
        text.x, text.y, text.text, color=TONES[text.tone][0], fontsize=text.size * POINT, zorder=2,
        fontweight="bold" if text.bold else "normal", ha=SIDES[text.anchor], va="baseline", family="DejaVu Sans",
        parse_math=False,
    )  # fmt: skip
