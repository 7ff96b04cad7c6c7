"""What must be true of every diagram, checked from its coordinates alone."""

from collections.abc import Iterator
from itertools import combinations, pairwise

from leannet.diagrams.scene import Area, Box, Diagram, Panel, Point, Shape


def faults(diagram: Diagram) -> list[str]:
    """What is wrong with a diagram, in words; nothing where all is well."""
    return [
        *_beyond(diagram),
        *_texts(diagram),
        *(
            fault
            for panel in diagram.panels
            for fault in (*_boxes(panel), *_frames(panel), *_edges(panel), *_ends(panel))
        ),
        *_together(diagram),
    ]


def _panel(panel: Panel) -> Iterator[str]:
    yield from _boxes(panel)
    yield from _frames(panel)
    yield from _edges(panel)
    yield from _ends(panel)


def _beyond(diagram: Diagram) -> Iterator[str]:
    page = Area(0, 0, diagram.width, diagram.height)
    for text in diagram.all_texts():
        if not page.contains(text.area):
            yield f"text '{text.text}' leaves the page"
    for panel in diagram.panels:
        if not page.contains(panel.area):
            yield f"panel {panel.name} leaves the page"


def _texts(diagram: Diagram) -> Iterator[str]:
    for first, second in combinations(diagram.all_texts(), 2):
        if first.area.overlaps(second.area):
            yield f"texts '{first.text}' and '{second.text}' overlap"
    for panel in diagram.panels:
        for box in panel.boxes:
            for text in box.texts:
                if not box.area.grown(-1).contains(text.area):
                    yield f"text '{text.text}' leaves its box {box.key}"
            for part in box.parts:
                area = getattr(part, "area", None)
                if area is not None and not box.area.contains(area):
                    yield f"a part of {box.key} leaves it"
            for text in [*panel.texts, *diagram.texts, *(frame.title for frame in panel.frames)]:
                if text.area.overlaps(box.area):
                    yield f"text '{text.text}' lies on box {box.key}"


def _boxes(panel: Panel) -> Iterator[str]:
    for first, second in combinations(panel.boxes, 2):
        if first.area.overlaps(second.area):
            yield f"boxes {first.key} and {second.key} overlap"


def _frames(panel: Panel) -> Iterator[str]:
    for frame in panel.frames:
        if not frame.area.contains(frame.title.area):
            yield f"the title of frame {frame.key} leaves it"
        for box in panel.boxes:
            inside = box.key.startswith(f"{frame.key}.")
            if inside and not frame.area.contains(box.area):
                yield f"box {box.key} leaves its frame"
            if not inside and frame.area.overlaps(box.area):
                yield f"box {box.key} lies in frame {frame.key}"


def _edges(panel: Panel) -> Iterator[str]:
    texts = [*panel.texts, *(frame.title for frame in panel.frames)]
    for edge in panel.edges:
        for start, end in pairwise(edge.line.points):
            if start[0] != end[0] and start[1] != end[1]:
                yield f"edge {edge.source} to {edge.target} is oblique"
            piece = _piece(start, end)
            for box in panel.boxes:
                # Ends are touched, round ones entered up to their outline.
                inner = box.area if box.key not in {edge.source, edge.target} else box.area.grown(-box.area.height / 2)
                if piece.overlaps(inner):
                    yield f"edge {edge.source} to {edge.target} passes through {box.key}"
            for text in texts:
                if piece.overlaps(text.area):
                    yield f"edge {edge.source} to {edge.target} passes through '{text.text}'"
    for first, second in combinations(panel.edges, 2):
        if first.line.points[0] == second.line.points[0]:
            continue  # one value: it may run together until it parts
        for a in pairwise(first.line.points):
            for b in pairwise(second.line.points):
                if _on_each_other(a, b):
                    yield f"edges to {first.target} and {second.target} run on each other"


def _ends(panel: Panel) -> Iterator[str]:
    """Lines that do not begin and end on the outlines of what they join."""
    shapes = {box.key: (box.area, _is_round(box)) for box in panel.boxes}
    shapes |= {frame.key: (frame.area, False) for frame in panel.frames}
    for edge in panel.edges:
        for key, point in ((edge.source, edge.line.points[0]), (edge.target, edge.line.points[-1])):
            if key in shapes and not _on_outline(point, *shapes[key]):
                yield f"edge {edge.source} to {edge.target} does not meet {key}"


def _is_round(box: Box) -> bool:
    outline = box.parts[0]
    return isinstance(outline, Shape) and 2 * outline.radius == box.area.height


def _on_outline(point: Point, area: Area, is_round: bool) -> bool:
    x, y = point
    if is_round:
        radius = area.height / 2
        foot = min(max(x, area.left + radius), area.right - radius)
        return abs(((x - foot) ** 2 + (y - area.top - radius) ** 2) ** 0.5 - radius) < 0.01
    if not area.grown(0.01).contains(Area(x, y, x, y)):
        return False
    return min(x - area.left, area.right - x, y - area.top, area.bottom - y) < 0.01


def _together(diagram: Diagram) -> Iterator[str]:
    for first, second in combinations(diagram.panels, 2):
        if first.area.overlaps(second.area):
            yield f"panels {first.name} and {second.name} overlap"
    for panel in diagram.panels:
        if any(shape.area.overlaps(panel.area) for shape in diagram.shapes):
            yield f"the legend lies on panel {panel.name}"


def _piece(start: Point, end: Point) -> Area:
    """A straight piece as an area of one pixel's width."""
    (a, b), (c, d) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    return Area(a - 0.5, c - 0.5, b + 0.5, d + 0.5) if (a, c) != (b, d) else Area(a, c, b, d)


def _on_each_other(a: tuple[Point, Point], b: tuple[Point, Point]) -> bool:
    """Whether two pieces of one direction share more than a point, or run so near that they are read as one."""
    for axis in (0, 1):
        if a[0][axis] == a[1][axis] and b[0][axis] == b[1][axis] and abs(a[0][axis] - b[0][axis]) < 3:
            other = 1 - axis
            low = max(min(p[other] for p in a), min(p[other] for p in b))
            high = min(max(p[other] for p in a), max(p[other] for p in b))
            if high - low > 1e-6:
                return True
    return False
