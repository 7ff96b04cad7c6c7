"""What only one side of a choice needs, and need not be computed for an image that takes the other. No torch."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from leannet.rows.graph import Graph, Node
from leannet.rows.layers import Choose, Decide
from leannet.rows.table import Architecture

Item = Union[Node, "Branch"]


@dataclass(frozen=True, eq=False)
class Branch:
    """A choice, and for each of its two sides what only that side needs, in order."""

    node: Node
    sides: tuple[tuple[Item, ...], tuple[Item, ...]]

    @property
    def row(self) -> Choose:
        """The row of the choice."""
        assert isinstance(self.node.row, Choose)
        return self.node.row

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of what the choice and its sides read from outside."""
        inside = [item for side in self.sides for item in side]
        made = {item.row.name for item in inside}
        return tuple(dict.fromkeys(name for item in (*inside, self.node) for name in item.reads if name not in made))


def program(nodes: Sequence[Item], outputs: Sequence[str]) -> tuple[Item, ...]:
    """The same nodes, those that only one side of a choice needs moved into it.

    nodes: the rows of a network or of a block, in order. outputs: the names of those that are read from outside.
    """
    items = list(nodes)
    while (choice := _last_open(items)) is not None:
        place = items.index(choice)
        reads = [(item.row.name, item.reads) for item in items]
        sides = tuple(tuple(items[each] for each in only_for(reads, place, number, outputs)) for number in (0, 1))
        moved = {id(item) for side in sides for item in side}
        first, second = (program(side, (name,)) for side, name in zip(sides, choice.reads, strict=False))
        items[place] = Branch(choice, (first, second))
        items = [item for item in items if id(item) not in moved]
    return tuple(items)


def _last_open(items: Sequence[Item]) -> Node | None:
    """The last choice whose sides are not found yet; those inside a side of a later one are found with it."""
    nodes = (item for item in reversed(items) if isinstance(item, Node))
    return next((node for node in nodes if isinstance(node.row, Choose)), None)


def only_for(
    steps: Sequence[tuple[str, Sequence[str]]], choice: int, number: int, outputs: Collection[str]
) -> list[int]:
    """The places of the steps that lead to one input of a choice, and to nothing else.

    steps: what each makes, and what it reads, in order. choice: its place among them. outputs: what is read outside.
    """
    read_by_choice = steps[choice][1]
    wanted = read_by_choice[number]
    readers: dict[str, list[int]] = {}
    for place, (_, reads) in enumerate(steps):
        for name in reads:
            readers.setdefault(name, []).append(place)
    found = set[int]()
    for place in reversed(range(len(steps))):
        name = steps[place][0]
        once = name == wanted and list(read_by_choice).count(wanted) == 1
        leads = [reader in found or (reader == choice and once) for reader in readers.get(name, [])]
        if name not in outputs and leads and all(leads):
            found.add(place)
    return sorted(found)


@dataclass(frozen=True)
class Gate:
    """A choice by a decision, and the layers that it may leave out."""

    path: str  # of the choice
    decision: str  # the path of the layer that decides
    sides: tuple[tuple[Node, ...], tuple[Node, ...]]  # the layers that run where the decision is 1, and where it is 0


def gates(architecture: Architecture) -> tuple[Gate, ...]:
    """Every choice by a decision, in the order of the rows. A layer of a choice inside a side is in both.

    A choice by a score, as in highway networks, mixes its sides and leaves nothing out.
    """
    graph = architecture.graph
    order = {layer.path: place for place, layer in enumerate(graph.layers)}
    found = _gates(program(graph.nodes, architecture.output_names), graph)
    return tuple(sorted(found, key=lambda gate: order[gate.path]))


def _gates(items: Sequence[Item], graph: Graph) -> Iterator[Gate]:
    for item in items:
        if isinstance(item, Branch):
            decision = item.node.inputs[2]
            if decision in graph.by_path and isinstance(graph.by_path[decision].row, Decide):
                first, second = (tuple(_layers(side)) for side in item.sides)
                yield Gate(item.node.path, decision, (first, second))
            for side in item.sides:
                yield from _gates(side, graph)
        elif item.inside:
            yield from _gates(program(item.inside, (item.inside[-1].row.name,)), graph)


def _layers(items: Sequence[Item]) -> Iterator[Node]:
    for item in items:
        if isinstance(item, Branch):
            for side in item.sides:
                yield from _layers(side)
            yield item.node
        else:
            yield from item.layers
