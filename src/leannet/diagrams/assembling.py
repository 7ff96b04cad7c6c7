"""From boxes without places to a panel: laid out, turned to the direction of the data, painted."""

from collections.abc import Sequence
from typing import Literal

from leannet.diagrams.drafts import SMALL, Draft, even
from leannet.diagrams.layered import Item, Link
from leannet.diagrams.letters import text_width
from leannet.diagrams.routes import Layout, lay_out
from leannet.diagrams.scene import Area, Box, Edge, Frame, Line, Panel, Point, Text

Direction = Literal["down", "right"]
LABEL = 10.5  # font size
CORNER = 6  # radius of a line that turns
PAD = 12  # pixels between a frame and what is in it
TITLE = 18  # pixels for the title of a frame


def assemble(
    name: str, drafts: Sequence[Draft], links: Sequence[Link], direction: Direction = "down", framed: bool = False
) -> Panel:
    """Boxes and edges where they belong. Drafts come in an order in which sources stand before targets.

    framed: the panel is for a frame, whose lines come in from and go on to elsewhere.
    """
    layout = lay_out([_item(draft, direction, framed) for draft in drafts], links)
    boxes: list[Box] = []
    edges: list[Edge] = []
    frames: list[Frame] = []
    texts: list[Text] = []
    for draft in drafts:
        area = _area(layout, draft.key, direction)
        texts += _labels(draft, layout, direction)
        if draft.inside is not None:
            inner = draft.inside.moved(area.left, area.top)
            title = Text(area.right - PAD, area.top + 14, draft.title, SMALL, anchor="end", tone="dim")
            frames += [Frame(draft.key, draft.rows, draft.kind, area, title, draft.note, draft.cost), *inner.frames]
            boxes += inner.boxes
            edges += inner.edges
            texts += inner.texts
        elif draft.form != "point":
            parts = tuple(draft.paint(area))
            boxes.append(Box(draft.key, draft.rows, draft.kind, area, parts, draft.note, draft.cost))
    by_key = {draft.key: draft for draft in drafts}
    for link, route in zip(links, layout.routes, strict=True):
        target = by_key[link.target]
        leads_on = target.inside is not None or (framed and target.form == "point")
        points = tuple(_turned(point, direction) for point in route)
        edges.append(Edge(link.source, link.target, Line(points, radius=CORNER, arrow=not leads_on)))
    return Panel(name, tuple(boxes), tuple(edges), tuple(frames), tuple(texts))


def framed(key: str, kind: str, title: str, inside: Panel, starts: Sequence[str], direction: Direction) -> Draft:
    """A block that is drawn expanded: a frame with its layers inside, as one item of the diagram around it.

    starts: the keys at which its lines come in, in the order of its inputs.
    """
    starts_at = {edge.source: edge.line.points[0] for edge in inside.edges}
    (end,) = (edge.line.points[-1] for edge in inside.edges if edge.target == f"{key}:end")
    area, title_width = inside.area, text_width(title, SMALL)
    if direction == "down":  # the title stands right of the lines that come in
        right = max(area.right, max(starts_at[start][0] for start in starts) + title_width + PAD)
        whole = Area(area.left - PAD, area.top, right + PAD, area.bottom)
    else:  # the title stands above the lines
        right = max(area.right, area.left + title_width + 2 * PAD)
        whole = Area(area.left, area.top - TITLE, right, area.bottom + PAD)
    width, height = even(whole.width), even(whole.height)
    across = 0 if direction == "down" else 1
    middle = (whole.left + width / 2, whole.top + height / 2)[across]
    return Draft(
        key,
        (key,),
        kind,
        width,
        height,
        lambda _: (),
        inside=inside.moved(-whole.left, -whole.top),
        title=title,
        enters=tuple(round(starts_at[start][across] - middle) for start in starts),
        leaves=round(end[across] - middle),
    )


def _area(layout: Layout, key: str, direction: Direction) -> Area:
    spot = layout.spots[key]
    if direction == "down":
        return Area(spot.before, spot.start, spot.behind, spot.end)
    return Area(spot.start, spot.before, spot.end, spot.behind)


def _item(draft: Draft, direction: Direction, framed: bool) -> Item:
    down = direction == "down"
    widest = max(text_width(label, LABEL) for label in draft.labels)
    before, after, along = 0, 0, 0
    if widest:
        before, after, along = (0, int(widest) + 8, 15) if down else (15, 0, int(widest) + 10)
    if framed and down and draft.form == "point":
        along = TITLE
    return Item(
        draft.key,
        across=draft.width if down else draft.height,
        along=draft.height if down else draft.width,
        form=draft.form,
        outs=len(draft.labels),
        label_before=before,
        label_after=after,
        label_along=along,
        enters=draft.enters,
        leaves=draft.leaves,
    )


def _labels(draft: Draft, layout: Layout, direction: Direction) -> list[Text]:
    """What is written beside the lines that leave a box."""
    texts = []
    end = layout.spots[draft.key].end
    for number, label in enumerate(draft.labels):
        at = layout.leaves[draft.key, number]
        if label:
            x, y = (at + 5, end + 12) if direction == "down" else (end + 5, at - 4)
            texts.append(Text(x, y, label, LABEL, tone="dim"))
    return texts


def _turned(point: Point, direction: Direction) -> Point:
    return point if direction == "down" else (point[1], point[0])
