"""Panels on a page: titles above them, tops aligned, one legend below."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leannet.diagrams.letters import text_width
from leannet.diagrams.scene import Area, Diagram, Panel, Shape, Text

MARGIN, BETWEEN = 20, 44
TITLE, SUBTITLE, LEGEND = 16, 11.5, 11
SWATCH, SPACE = 14, 20
LEAST = 340  # pixels that a legend needs


@dataclass(frozen=True)
class Titled:
    """A panel and what is written above it: a title, and lines below that."""

    panel: Panel
    title: str
    lines: tuple[str, ...]

    @property
    def width(self) -> float:
        widths = [text_width(self.title, TITLE, True), *(text_width(line, SUBTITLE) for line in self.lines)]
        return max(self.panel.area.width, *widths)


def make_page(
    titled: Sequence[Titled], legend: Sequence[tuple[str, str]], remarks: Sequence[str], columns: int | None = None
) -> Diagram:
    """One diagram of several panels: side by side, or `columns` in a line and the others below."""
    columns = columns or len(titled)
    lines, bottom = list[list[Panel]](), 0.0
    for start in range(0, len(titled), columns):
        lines.append(_line(titled[start : start + columns], bottom + (BETWEEN if lines else MARGIN)))
        bottom = max(panel.area.bottom for panel in lines[-1])
    right = [max(panel.area.right for panel in line) + MARGIN for line in lines]
    width = max(*right, LEAST + 2 * MARGIN)
    # A narrow line stands in the middle of what the widest one or the legend takes.
    panels = [
        panel.moved(round((width - end) / 2), 0) for line, end in zip(lines, right, strict=True) for panel in line
    ]
    shapes, texts, bottom = _legend(legend, remarks, width, bottom + 34)
    title = ", ".join(panel.title for panel in titled)
    description = "; ".join(": ".join((panel.title, ". ".join(panel.lines))) for panel in titled)
    return Diagram(
        title, description, math.ceil(width), math.ceil(bottom + MARGIN), tuple(panels), tuple(shapes), tuple(texts)
    )


def _line(titled: Sequence[Titled], top: float) -> list[Panel]:
    """Panels from the left margin on, with their titles, the tops of what they show at one height."""
    head = 32 + 16 * max(len(panel.lines) for panel in titled)
    panels, x = list[Panel](), float(MARGIN)
    for entry in titled:
        area, width = entry.panel.area, entry.width
        moved = entry.panel.moved(round(x + (width - area.width) / 2 - area.left), round(top + head - area.top))
        texts = [Text(x + width / 2, top + 14, entry.title, TITLE, bold=True, anchor="middle")]
        for number, line in enumerate(entry.lines, start=1):
            texts.append(Text(x + width / 2, top + 16 + 16 * number, line, SUBTITLE, anchor="middle", tone="dim"))
        panels.append(replace(moved, texts=(*moved.texts, *texts)))
        x += width + BETWEEN
    return panels


def _legend(
    legend: Sequence[tuple[str, str]], remarks: Sequence[str], width: float, top: float
) -> tuple[list[Shape], list[Text], float]:
    """Colors with their labels, as many in a line as there is room for; then the remarks; and where it ends."""
    shapes, texts = list[Shape](), list[Text]()
    x, y = float(MARGIN), top
    for style, label in legend:
        length = SWATCH + 6 + text_width(label, LEGEND)
        if x > MARGIN and x + length > width - MARGIN:
            x, y = MARGIN, y + 19
        shapes.append(Shape(Area(x, y - 10, x + SWATCH, y + 1), style, radius=3))
        texts.append(Text(x + SWATCH + 6, y, label, LEGEND, tone="dim"))
        x += length + SPACE
    for line in (line for remark in remarks for line in _lines(remark, width - 2 * MARGIN)):
        y += 19
        texts.append(Text(MARGIN, y, line, LEGEND, tone="dim"))
    return shapes, texts, y


def _lines(remark: str, width: float) -> list[str]:
    """A remark in lines of at most `width` pixels, broken between words."""
    lines = [""]
    for word in remark.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, LEGEND) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
