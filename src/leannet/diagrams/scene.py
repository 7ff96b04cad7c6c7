"""What a diagram is made of: areas, texts, shapes and lines, and the boxes and edges made of these.

Coordinates are pixels from the upper left corner, to the right and down. A writer (svg.py, figure.py, tables.py) needs
to know only these.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from leannet.diagrams.letters import ASCENT, DESCENT, text_width

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Area:
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def center(self) -> Point:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def moved(self, dx: float, dy: float) -> "Area":
        return Area(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)

    def grown(self, by: float) -> "Area":
        """The same with `by` more on each side, or less where negative."""
        return Area(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def overlaps(self, other: "Area") -> bool:
        """Whether the two share more than an edge."""
        across = min(self.right, other.right) - max(self.left, other.left)
        along = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 1e-6 and along > 1e-6

    def contains(self, other: "Area") -> bool:
        return (
            self.left <= other.left + 1e-6
            and self.top <= other.top + 1e-6
            and other.right <= self.right + 1e-6
            and other.bottom <= self.bottom + 1e-6
        )

    @staticmethod
    def around(areas: Sequence["Area"]) -> "Area":
        return Area(
            min(a.left for a in areas),
            min(a.top for a in areas),
            max(a.right for a in areas),
            max(a.bottom for a in areas),
        )


@dataclass(frozen=True)
class Text:
    """One line of text; y is its baseline."""

    x: float
    y: float
    text: str
    size: float = 12
    bold: bool = False
    anchor: Anchor = "start"
    tone: Literal["ink", "dim"] = "ink"

    @property
    def width(self) -> float:
        return text_width(self.text, self.size, self.bold)

    @property
    def area(self) -> Area:
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * self.width
        return Area(left, self.y - ASCENT * self.size, left + self.width, self.y + DESCENT * self.size)

    def moved(self, dx: float, dy: float) -> "Text":
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Shape:
    """A rectangle with round corners; with a radius of half its size, a circle. `style` is a name of palette.py."""

    area: Area
    style: str
    radius: float = 5

    def moved(self, dx: float, dy: float) -> "Shape":
        return replace(self, area=self.area.moved(dx, dy))


@dataclass(frozen=True)
class Line:
    """Straight pieces, the corners between them rounded by `radius`."""

    points: tuple[Point, ...]
    style: str = "line"
    radius: float = 0
    arrow: bool = False
    width: float = 1.2

    def moved(self, dx: float, dy: float) -> "Line":
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


@dataclass(frozen=True)
class Box:
    """One row, or several equal rows folded. Everything in it lies in its area."""

    key: str
    rows: tuple[str, ...]  # names of rows, or paths inside a block
    kind: str
    area: Area
    parts: tuple[Shape | Line | Text, ...]  # in the order of drawing
    note: str  # what a tooltip says
    cost: dict[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> list[Text]:
        return [part for part in self.parts if isinstance(part, Text)]

    def moved(self, dx: float, dy: float) -> "Box":
        return replace(self, area=self.area.moved(dx, dy), parts=tuple(part.moved(dx, dy) for part in self.parts))


@dataclass(frozen=True)
class Edge:
    """The output of one box as an input of another."""

    source: str
    target: str
    line: Line

    def moved(self, dx: float, dy: float) -> "Edge":
        return replace(self, line=self.line.moved(dx, dy))


@dataclass(frozen=True)
class Frame:
    """A dashed line around the boxes of a block inside a block."""

    key: str
    rows: tuple[str, ...]
    kind: str
    area: Area
    title: Text
    note: str = ""
    cost: dict[str, Any] = field(default_factory=dict)

    def moved(self, dx: float, dy: float) -> "Frame":
        return replace(self, area=self.area.moved(dx, dy), title=self.title.moved(dx, dy))


@dataclass(frozen=True)
class Panel:
    """One network, or the inside of one row: boxes, edges, and the texts beside them."""

    name: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    frames: tuple[Frame, ...] = ()
    texts: tuple[Text, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def area(self) -> Area:
        areas = [box.area for box in self.boxes] + [frame.area for frame in self.frames]
        areas += [text.area for text in self.texts]
        points = [p for line in [*self.lines, *(edge.line for edge in self.edges)] for p in line.points]
        return Area.around(areas + [Area(x, y, x, y) for x, y in points])

    def moved(self, dx: float, dy: float) -> "Panel":
        return replace(
            self,
            boxes=tuple(x.moved(dx, dy) for x in self.boxes),
            edges=tuple(x.moved(dx, dy) for x in self.edges),
            frames=tuple(x.moved(dx, dy) for x in self.frames),
            texts=tuple(x.moved(dx, dy) for x in self.texts),
            lines=tuple(x.moved(dx, dy) for x in self.lines),
        )


@dataclass(frozen=True)
class Diagram:
    """Panels side by side, a legend below them. Nothing reaches beyond (0, 0, width, height)."""

    title: str
    description: str
    width: float
    height: float
    panels: tuple[Panel, ...]
    shapes: tuple[Shape, ...]  # of the legend
    texts: tuple[Text, ...]  # of the legend

    @property
    def file_name(self) -> str:
        """A name for the file: that of the panel, if it is the only one."""
        name = self.panels[0].name if len(self.panels) == 1 else "side_by_side"
        return re.sub(r"[^\w.-]+", "_", name).lstrip(".-") + ".svg"

    def _repr_svg_(self) -> str:
        from leannet.diagrams.svg import to_svg

        return to_svg(self)

    def all_texts(self) -> Iterator[Text]:
        """Every text of the diagram."""
        yield from self.texts
        for panel in self.panels:
            yield from panel.texts
            yield from (frame.title for frame in panel.frames)
            for box in panel.boxes:
                yield from box.texts
