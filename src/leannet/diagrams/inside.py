"""The inside of a row as a panel, as the papers draw their micro-structures."""

from collections.abc import Sequence

from leannet.diagrams import drafts
from leannet.diagrams.assembling import Direction, assemble, framed
from leannet.diagrams.costs import Costs, note
from leannet.diagrams.drafts import Draft
from leannet.diagrams.expanding import splits
from leannet.diagrams.layered import Link
from leannet.diagrams.palette import Colors
from leannet.diagrams.scene import Panel
from leannet.diagrams.words import ACTIVATIONS, Words, kind, words, written
from leannet.rows import Add, Architecture, BlockBase, Concat, Multiply, Node, Shuffle, input_name

MOST_LAYERS = 16  # blocks inside a block are expanded where that makes no more layers than these
UNIFORM = 14  # up to so many boxes get the same width


def draw_inside(
    architecture: Architecture,
    block: Node,
    colors: Colors,
    direction: Direction = "down",
    everything: bool = False,
) -> Panel:
    """The panel of a block. Blocks inside it are expanded where that keeps it small, or with `everything`."""
    layers = sum(layer.path.startswith(f"{block.path}.") for layer in architecture.layers)
    painter = _Painter(architecture, colors, direction, everything or layers <= MOST_LAYERS)
    return painter.panel(block, framed=False)


class _Painter:
    """Draws tables of rows, and those inside them."""

    def __init__(self, architecture: Architecture, colors: Colors, direction: Direction, expand_blocks: bool):
        self.architecture, self.costs = architecture, Costs(architecture)
        self.colors, self.direction, self.expand_blocks = colors, direction, expand_blocks

    def panel(self, block: Node, framed: bool) -> Panel:
        """framed: the block is inside another one, whose lines lead into it and on from it."""
        rows, items = block.inside, list[Draft]()
        links: list[Link] = []
        where: dict[str, tuple[str, int]] = {}  # the name of a row -> its box, and which of the box's values it is
        for number, shape in enumerate(block.in_shapes):
            key = f"{block.path}:{input_name(number)}"
            where[input_name(number)] = key, 0
            items.append(drafts.point(key) if framed else drafts.pill(key, block.reads[number], str(shape)))
        split_of = splits(rows)
        for node in rows:
            together = split_of.get(node.row.name, [node])
            where[node.row.name] = together[0].path, together.index(node)
            if node is not together[-1]:
                continue
            draft = self._draft(node) if len(together) == 1 else self._split(together)
            if draft.inside is None:
                last = node is rows[-1] and not framed
                draft.labels = tuple(
                    str(part.out_shape) if _resizes(part) or last else f"{part.out_shape.channels:,}"
                    for part in together
                )
            items.append(draft)
            for place, name in enumerate(node.reads):
                source, out = where[name]
                scales = isinstance(node.row, Multiply) and place == 1
                links.append(Link(source, draft.key, out, place, main=not scales))
        items.append(drafts.point(f"{block.path}:end"))
        source, out = where[rows[-1].row.name]
        links.append(Link(source, f"{block.path}:end", out))
        _one_width(items)
        name = f"{self.architecture.name}.{block.path}"
        return assemble(name, items, links, self.direction, framed)

    def _draft(self, node: Node) -> Draft:
        row, description, path = node.row, words(node.row, node.out_shape), node.path
        rows = (path,)
        if isinstance(row, BlockBase) and self.expand_blocks:
            starts = [f"{path}:{input_name(number)}" for number in range(len(node.in_shapes))]
            inside = self.panel(node, framed=True)
            return self._with_cost(
                framed(path, written(row), kind(row), inside, starts, self.direction), [node], description
            )
        style = self.colors.style(row)
        match row:
            case Add() | Multiply():
                after = ACTIVATIONS[row.activation] if isinstance(row, Add) and row.activation != "linear" else ""
                draft = drafts.circle(path, rows, row.kind, style, "+" if isinstance(row, Add) else "x", after)
            case Concat():
                draft = drafts.bar(path, rows, row.kind, style, description.line)
            case Shuffle():
                draft = drafts.shuffle(path, rows, row.kind, style, description.line, row.name, row.groups)
            case _:
                draft = drafts.layer(path, rows, written(row), style, description.line, row.name, description.tags)
        return self._with_cost(draft, [node], description)

    def _split(self, parts: Sequence[Node]) -> Draft:
        rows = tuple(part.path for part in parts)
        draft = drafts.bar(rows[0], rows, "slice", self.colors.style(parts[0].row), "channel split")
        return self._with_cost(draft, parts, Words("channel split"))

    def _with_cost(self, draft: Draft, rows: Sequence[Node], description: Words) -> Draft:
        draft.cost = self.costs.of(draft.rows, rows[0].in_shapes, rows[-1].out_shape)
        draft.note = note(" and ".join(draft.rows), (description.line, *description.tags), draft.cost)
        return draft


def _resizes(node: Node) -> bool:
    """Whether height and width change from input to output."""
    return node.out_shape[1:] != node.in_shapes[0][1:]


def _one_width(items: Sequence[Draft]) -> None:
    """Gives the boxes of a small figure one width."""
    boxes = [draft for draft in items if draft.form == "box" and draft.inside is None and draft.rows]
    if len(boxes) <= UNIFORM:
        for draft in boxes:
            draft.width = max(box.width for box in boxes)
