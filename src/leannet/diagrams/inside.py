"""The inside of a row as a panel, as the papers draw their micro-structures."""

from collections.abc import Sequence

from leannet.diagrams import drafts
from leannet.diagrams.assembling import Direction, assemble, framed
from leannet.diagrams.costs import Costs, note
from leannet.diagrams.drafts import Draft
from leannet.diagrams.layered import Link
from leannet.diagrams.opening import Opened, input_name, inside_of, splits
from leannet.diagrams.palette import Colors
from leannet.diagrams.scene import Panel
from leannet.diagrams.words import ACTIVATIONS, Words, kind, words, written
from leannet.rows import Add, Architecture, BlockBase, Concat, Multiply, Shuffle

OPENED = 16  # blocks inside a block are opened where that makes no more layers than these
UNIFORM = 14  # so many boxes at most have one width


def draw_inside(
    architecture: Architecture,
    block: Opened,
    colors: Colors,
    direction: Direction = "down",
    everything: bool = False,
) -> Panel:
    """The panel of a block. Blocks inside it are opened where that keeps it small, or with `everything`."""
    layers = sum(layer.path.startswith(f"{block.path}.") for layer in architecture.layers)
    painter = _Painter(architecture, colors, direction, everything or layers <= OPENED)
    return painter.panel(block, framed=False)


class _Painter:
    """Draws tables of rows, and those inside them."""

    def __init__(self, architecture: Architecture, colors: Colors, direction: Direction, open_blocks: bool):
        self.architecture, self.costs = architecture, Costs(architecture)
        self.colors, self.direction, self.open_blocks = colors, direction, open_blocks

    def panel(self, block: Opened, framed: bool) -> Panel:
        """framed: the block is inside another one, whose lines lead into it and on from it."""
        rows, made = inside_of(block, self.architecture), list[Draft]()
        links: list[Link] = []
        where: dict[str, tuple[str, int]] = {}  # the name of a row -> its box, and which of the box's values it is
        for number, shape in enumerate(block.in_shapes):
            key = f"{block.path}:{input_name(number)}"
            where[input_name(number)] = key, 0
            made.append(drafts.point(key) if framed else drafts.pill(key, block.reads[number], str(shape)))
        parted = splits(rows)
        for each in rows:
            together = parted.get(each.row.name, [each])
            where[each.row.name] = together[0].path, together.index(each)
            if each is not together[-1]:
                continue
            draft = self._draft(each) if len(together) == 1 else self._split(together)
            if draft.inside is None:
                last = each is rows[-1] and not framed
                draft.labels = tuple(
                    str(part.out) if part.resizes or last else f"{part.out.channels:,}" for part in together
                )
            made.append(draft)
            for place, name in enumerate(each.reads):
                source, out = where[name]
                scales = isinstance(each.row, Multiply) and place == 1
                links.append(Link(source, draft.key, out, place, main=not scales))
        made.append(drafts.point(f"{block.path}:end"))
        source, out = where[rows[-1].row.name]
        links.append(Link(source, f"{block.path}:end", out))
        _one_width(made)
        name = f"{self.architecture.name}.{block.path}"
        return assemble(name, made, links, self.direction, framed)

    def _draft(self, each: Opened) -> Draft:
        row, said, path = each.row, words(each.row, each.out), each.path
        rows = (path,)
        if isinstance(row, BlockBase) and self.open_blocks:
            starts = [f"{path}:{input_name(number)}" for number in range(len(each.in_shapes))]
            inside = self.panel(each, framed=True)
            return self._with_cost(framed(path, written(row), kind(row), inside, starts, self.direction), [each], said)
        style = self.colors.style(row)
        match row:
            case Add() | Multiply():
                after = ACTIVATIONS[row.activation] if isinstance(row, Add) and row.activation != "linear" else ""
                draft = drafts.circle(path, rows, row.kind, style, "+" if isinstance(row, Add) else "x", after)
            case Concat():
                draft = drafts.bar(path, rows, row.kind, style, said.line)
            case Shuffle():
                draft = drafts.shuffle(path, rows, row.kind, style, said.line, row.name, row.groups)
            case _:
                draft = drafts.layer(path, rows, written(row), style, said.line, row.name, said.tags)
        return self._with_cost(draft, [each], said)

    def _split(self, parts: Sequence[Opened]) -> Draft:
        rows = tuple(part.path for part in parts)
        draft = drafts.bar(rows[0], rows, "slice", self.colors.style(parts[0].row), "channel split")
        return self._with_cost(draft, parts, Words("channel split"))

    def _with_cost(self, draft: Draft, each: Sequence[Opened], said: Words) -> Draft:
        draft.figures = self.costs.figures(draft.rows, each[0].in_shapes, each[-1].out)
        draft.note = note(" and ".join(draft.rows), (said.line, *said.tags), draft.figures)
        return draft


def _one_width(made: Sequence[Draft]) -> None:
    """Gives the boxes of a small figure one width."""
    boxes = [draft for draft in made if draft.form == "box" and draft.inside is None and draft.rows]
    if len(boxes) <= UNIFORM:
        for draft in boxes:
            draft.width = max(each.width for each in boxes)
