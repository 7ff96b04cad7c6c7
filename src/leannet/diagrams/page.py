"""Panels on a page: titles above them, tops aligned, one legend below."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leannet.diagrams.letters import text_width
from leannet.diagrams.scene import Area, Drawing, Panel, Shape, Text

MARGIN, BETWEEN = 20, 44
TITLE, SUBTITLE, LEGEND = 16, 11.5, 11
SWATCH, SPACE = 14, 20
LEAST = 340  # pixels in which a legend has room


@dataclass(frozen=True)
class Titled:
    """A panel and what is written above it: a title, and lines below that."""

    panel: Panel
    title: str
    lines: tuple[str, ...]

    @property
    def width(self) -> float:
        said = [text_width(self.title, TITLE, True), *(text_width(line, SUBTITLE) for line in self.lines)]
        return max(self.panel.area.width, *said)


def make_page(
    titled: Sequence[Titled], legend: Sequence[tuple[str, str]], remarks: Sequence[str], columns: int | None = None
) -> Drawing:
    """One drawing of several panels: side by side, or so many in a line and the others below."""
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
    names = ", ".join(each.title for each in titled)
    said = "; ".join(": ".join((each.title, ". ".join(each.lines))) for each in titled)
    return Drawing(
        names, said, math.ceil(width), math.ceil(bottom + MARGIN), tuple(panels), tuple(shapes), tuple(texts)
    )


def _line(titled: Sequence[Titled], top: float) -> list[Panel]:
    """Panels from the left margin on, with their titles, the tops of what they show at one height."""
    head = 32 + 16 * max(len(each.lines) for each in titled)
    panels, x = list[Panel](), float(MARGIN)
    for each in titled:
        area, width = each.panel.area, each.width
        moved = each.panel.moved(round(x + (width - area.width) / 2 - area.left), round(top + head - area.top))
        texts = [Text(x + width / 2, top + 14, each.title, TITLE, bold=True, anchor="middle")]
        for number, line in enumerate(each.lines, start=1):
            texts.append(Text(x + width / 2, top + 16 + 16 * number, line, SUBTITLE, anchor="middle", tone="dim"))
        panels.append(replace(moved, texts=(*moved.texts, *texts)))
        x += width + BETWEEN
    return panels


def _legend(
    legend: Sequence[tuple[str, str]], remarks: Sequence[str], width: float, top: float
) -> tuple[list[Shape], list[Text], float]:
    """Color and words side by side, as many in a line as there is room for; then the remarks. And where it ends."""
    shapes, texts = list[Shape](), list[Text]()
    x, y = float(MARGIN), top
    for style, said in legend:
        long = SWATCH + 6 + text_width(said, LEGEND)
        if x > MARGIN and x + long > width - MARGIN:
            x, y = MARGIN, y + 19
        shapes.append(Shape(Area(x, y - 10, x + SWATCH, y + 1), style, radius=3))
        texts.append(Text(x + SWATCH + 6, y, said, LEGEND, tone="dim"))
        x += long + SPACE
    for line in (line for remark in remarks for line in _lines(remark, width - 2 * MARGIN)):
        y += 19
        texts.append(Text(MARGIN, y, line, LEGEND, tone="dim"))
    return shapes, texts, y


def _lines(remark: str, width: float) -> list[str]:
    """A remark in lines of at most `width` pixels, parted between words."""
    lines = [""]
    for word in remark.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, LEGEND) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
