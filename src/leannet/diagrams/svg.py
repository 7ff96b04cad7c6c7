"""A diagram as SVG: one file, light and dark, a tooltip for each box, the same bytes for the same diagram."""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from leannet.diagrams.letters import FONTS
from leannet.diagrams.palette import STYLES, TONES
from leannet.diagrams.scene import Box, Diagram, Frame, Line, Panel, Point, Shape, Text

HEAD = 5  # pixels of an arrow's head, half across


def to_svg(diagram: Diagram) -> str:
    """The diagram as the text of an SVG file.

    Its colors are custom properties of its root, so that a page it is written into may change them; programs that do
    not know those take the light colors, which stand as attributes.
    """
    width, height = _number(diagram.width), _number(diagram.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="leannet" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{escape(FONTS)}">',
        f"<title>{_escaped(diagram.title)}</title>",
        f"<desc>{_escaped(diagram.description)}</desc>",
        f"<style>{_css()}</style>",
        f'<rect class="paper" width="{width}" height="{height}" rx="8" fill="{TONES["paper"][0]}"/>',
        *(line for panel in diagram.panels for line in _panel(panel)),
        *map(_shape, diagram.shapes),
        *map(_text, diagram.texts),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _css() -> str:
    """Light and dark, and how each style takes its color."""
    rules = [f"svg.leannet{{max-width:100%;height:auto;{_variables(0)}}}"]
    rules.append(f"@media (prefers-color-scheme:dark){{svg.leannet{{{_variables(1)}}}}}")
    for name in STYLES:
        rules.append(f".leannet .{name}{{fill:var(--{name});stroke:var(--{name}-line)}}")
        rules.append(f".leannet .{name}-bar{{fill:var(--{name}-line);stroke:none}}")
        rules.append(f".leannet .{name}-mark{{fill:none;stroke:var(--{name}-line)}}")
    rules += [f".leannet .{name}-mark{{fill:none;stroke:var(--{name})}}" for name in TONES]
    rules += [f".leannet .{name}{{fill:var(--{name})}}" for name in TONES]
    rules.append(".leannet g:focus-visible{outline:2px solid var(--ink)}")
    return "".join(rules)


def _variables(dark: int) -> str:
    values = [f"--{name}:{tones[dark]}" for name, tones in TONES.items()]
    for name, inks in STYLES.items():
        values += [f"--{name}:{inks[dark].fill}", f"--{name}-line:{inks[dark].line}"]
    return ";".join(values)


def _panel(panel: Panel) -> Iterable[str]:
    yield f'<g aria-label="{_escaped(panel.name)}">'
    yield from map(_line, panel.lines)
    yield from map(_frame, panel.frames)
    yield from (_line(edge.line) for edge in panel.edges)
    for box in panel.boxes:
        yield from _box(box)
    yield from map(_text, panel.texts)
    yield "</g>"


def _box(box: Box) -> Iterable[str]:
    tooltip = box.note or box.key.split(":")[-1]
    yield f'<g tabindex="0" role="img"><title>{_escaped(tooltip)}</title>'
    for part in box.parts:
        yield _text(part) if isinstance(part, Text) else _shape(part) if isinstance(part, Shape) else _line(part)
    yield "</g>"


def _frame(frame: Frame) -> str:
    area, color = frame.area, TONES["line"][0]
    return (
        f'<g><title>{_escaped(frame.note)}</title><rect class="line-mark" {_place(area.left, area.top)} '
        f'width="{_number(area.width)}" height="{_number(area.height)}" rx="8" fill="none" stroke="{color}" '
        f'stroke-dasharray="5 4"/>{_text(frame.title)}</g>'
    )


def _shape(shape: Shape) -> str:
    name, _, part = shape.style.partition(".")
    ink, area = STYLES[name][0], shape.area
    paint = f'class="{name}-bar" fill="{ink.line}"' if part else f'class="{name}" fill="{ink.fill}" stroke="{ink.line}"'
    radius = f' rx="{_number(shape.radius)}"' if shape.radius else ""
    return (
        f'<rect {paint} {_place(area.left, area.top)} width="{_number(area.width)}" '
        f'height="{_number(area.height)}"{radius}/>'
    )


def _line(line: Line) -> str:
    color = STYLES[line.style][0].line if line.style in STYLES else TONES[line.style][0]
    width = f' stroke-width="{_number(line.width)}"'
    path = f'<path class="{line.style}-mark" fill="none" stroke="{color}"{width} d="{_path(line)}"/>'
    if not line.arrow:
        return path
    points = " ".join(f"{_number(x)},{_number(y)}" for x, y in arrow_head(line.points))
    return f'{path}<polygon class="{line.style}" fill="{color}" points="{points}"/>'


def _path(line: Line) -> str:
    return "".join(command + " ".join(map(_pair, points)) for command, *points in rounded(line))


def rounded(line: Line) -> Iterator[tuple[str, *tuple[Point, ...]]]:
    """A line as SVG's commands: M to a point, L straight to a point, Q with one point of control to another."""
    points = list(line.points)
    if line.arrow:  # ends inside the head, not at its tip
        points[-1] = _towards(points[-1], points[-2], HEAD)
    yield "M", points[0]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(line.radius, math.dist(before, here) / 2, math.dist(here, after) / 2)
        yield "L", _towards(here, before, radius)
        if radius:
            yield "Q", here, _towards(here, after, radius)
    yield "L", points[-1]


def arrow_head(points: Sequence[Point]) -> tuple[Point, Point, Point]:
    """The corners of a head at the end of a line: its tip first."""
    tip, (back_x, back_y) = points[-1], _towards(points[-1], points[-2], 1.6 * HEAD)
    length = math.dist(tip, (back_x, back_y)) or 1
    dx, dy = (tip[0] - back_x) / length * 0.8 * HEAD, (tip[1] - back_y) / length * 0.8 * HEAD
    return tip, (back_x - dy, back_y + dx), (back_x + dy, back_y - dx)


def _towards(start: Point, end: Point, distance: float) -> Point:
    length = math.dist(start, end) or 1
    return start[0] + (end[0] - start[0]) / length * distance, start[1] + (end[1] - start[1]) / length * distance


def _text(text: Text) -> str:
    color = TONES[text.tone][0]
    bold = ' font-weight="bold"' if text.bold else ""
    anchor = f' text-anchor="{text.anchor}"' if text.anchor != "start" else ""
    return (
        f'<text class="{text.tone}" fill="{color}" {_place(text.x, text.y)} '
        f'font-size="{_number(text.size)}"{bold}{anchor}>{_escaped(text.text)}</text>'
    )


def _escaped(text: str) -> str:
    """Text as XML takes it: escaped, and without the characters that XML cannot hold."""
    return escape("".join(c for c in text if c in "\n\t" or c.isprintable()))


def _place(x: float, y: float) -> str:
    return f'x="{_number(x)}" y="{_number(y)}"'


def _pair(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:g}"
