"""A whole network as a panel: a box a row, equal rows folded, with channels, resolutions and shares of mult-adds."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from leannet.diagrams import drafts
from leannet.diagrams.assembling import Direction, assemble
from leannet.diagrams.costs import Costs, note
from leannet.diagrams.drafts import SMALL, Draft
from leannet.diagrams.layered import Link
from leannet.diagrams.palette import Colors
from leannet.diagrams.scene import Box, Line, Panel, Text
from leannet.diagrams.words import words, written
from leannet.rows import INPUT, Architecture, Node, RowBase, Shape

WRAP = 205  # pixels of a line of details
LANE = 12  # pixels between a box and the bracket of its stage


def draw_whole(
    architecture: Architecture, colors: Colors, direction: Direction = "down", everything: bool = False
) -> Panel:
    """The panel of a network. everything: no row is folded."""
    groups: list[list[RowBase]] = [[row] for row in architecture.rows] if everything else folded(architecture)
    nodes, costs = architecture.graph.by_path, Costs(architecture)
    owner = {INPUT: INPUT} | {row.name: group[0].name for group in groups for row in group}
    links = [
        Link(owner[x], group[0].name, place=n) for group in groups for n, x in enumerate(nodes[group[0].name].reads)
    ]
    costs_of_groups = [
        costs.of([row.name for row in group], nodes[group[0].name].in_shapes, nodes[group[-1].name].out_shape)
        for group in groups
    ]
    largest_share = max(cost["share_of_macs"] for cost in costs_of_groups) or 1
    cards = [_card(group, cost, colors, largest_share) for group, cost in zip(groups, costs_of_groups, strict=True)]
    for card in cards:
        card.width = max(other.width for other in cards)
    size = architecture.input
    start = drafts.pill(INPUT, f"image {size.height} x {size.width}")
    start.labels = (f"{size.channels:,}",)
    ends = [drafts.point(f"{name}:end") for name in architecture.output_names]
    links += [Link(owner[name], f"{name}:end") for name in architecture.output_names]
    panel = assemble(architecture.name, [start, *cards, *ends], links, direction)
    return _with_stages(panel, architecture, owner, direction)


def _card(group: Sequence[RowBase], cost: dict[str, Any], colors: Colors, largest_share: float) -> Draft:
    """The box of a group of equal rows. largest_share: of mult-adds, of all boxes."""
    first, out = group[0], Shape(*cost["out_shape"])
    description = words(first, out)
    shared = (f"weights of {first.shares}",) if first.shares else ()
    name = first.name if len(group) == 1 else f"{first.name} to {group[-1].name}"
    card = drafts.card(
        first.name,
        tuple(row.name for row in group),
        written(first),
        colors.style(first),
        name,
        drafts.wrapped((description.title, *description.details, *shared), SMALL, WRAP),
        badge=f"x {len(group)}" if len(group) > 1 else "",
        share=cost["share_of_macs"] if cost["macs"] else None,
        largest_share=largest_share,
    )
    card.cost = cost | {"repeats": len(group)}
    card.note = note(name, (description.line, *description.tags, *shared), cost)
    card.labels = (f"{out.channels:,}",)
    return card


def folded(architecture: Architecture, chains: bool = True) -> list[list[RowBase]]:
    """Rows in groups of one, and of equal ones in a chain: each reads the one above, which nothing else reads.

    chains: whether a row must read the one above; else equal neighbors are a group, whatever they read.
    """
    nodes = architecture.graph.nodes
    readers = Counter([*(name for node in nodes for name in node.reads), *architecture.output_names])

    def identity(node: Node) -> tuple[object, ...]:
        return type(node.row), node.row.model_dump(exclude={"name", "inputs"}), node.in_shapes, node.out_shape

    groups: list[list[Node]] = []
    for node in nodes:
        above = groups[-1][-1] if groups else None
        chained = above and node.reads == (above.path,) and readers[above.path] == 1
        if above and (chained or not chains) and identity(node) == identity(above):
            groups[-1].append(node)
        else:
            groups.append([node])
    return [[node.row for node in group] for group in groups]


def _with_stages(panel: Panel, architecture: Architecture, owner: dict[str, str], direction: Direction) -> Panel:
    """Beside the boxes a bracket for each height and width, along the longest path to the first output."""
    reads, shapes = architecture.reads(), architecture.shapes
    depth = {INPUT: 0}
    for name, sources in reads.items():
        depth[name] = 1 + max(depth[source] for source in sources)
    path, name = list[str](), architecture.output_names[0]
    while name != INPUT:
        if owner[name] == name:
            path.insert(0, name)
        name = max(reads[name], key=lambda source: depth[source])
    boxes = {box.key: box for box in panel.boxes}
    edge = panel.area
    lines, texts = [], []
    for size, names in groupby(path, key=lambda name: (shapes[name].height, shapes[name].width)):
        stage = [boxes[name] for name in names]
        label = f"{size[0]} x {size[1]}"
        line, text = _bracket(stage, label, edge.left if direction == "down" else edge.top, direction)
        lines.append(line)
        texts.append(text)
    return Panel(panel.name, panel.boxes, panel.edges, panel.frames, (*panel.texts, *texts), (*panel.lines, *lines))


def _bracket(stage: Sequence[Box], label: str, edge: float, direction: Direction) -> tuple[Line, Text]:
    at, tip = edge - LANE - 5, edge - LANE
    if direction == "down":
        first, last = stage[0].area.top, stage[-1].area.bottom
        points = ((tip, first), (at, first), (at, last), (tip, last))
        text = Text(at - 7, (first + last) / 2 + 4, label, SMALL, bold=True, anchor="end")
    else:
        first, last = stage[0].area.left, stage[-1].area.right
        points = ((first, tip), (first, at), (last, at), (last, tip))
        text = Text((first + last) / 2, at - 7, label, SMALL, bold=True, anchor="middle")
    return Line(points, "faint", radius=3, width=1.5), text
