"""The ranks of boxes along the flow of the data, and their order within a rank.

After Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981): a rank for
every item, lines cut where they pass a rank, an order with few crossings; then places (places.py), then lines
(routes.py). `across` and `along` stand for x and y where data flows down, for y and x where it flows to the right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

SWEEPS = 8


@dataclass(frozen=True)
class Item:
    """What gets a place. Sizes are even whole numbers, so that all places are whole."""

    key: str
    across: int
    along: int
    form: Literal["box", "bar", "circle", "point"] = "box"  # a bar grows to its lines; a circle is met at its sides
    outs: int = 1  # how many values leave it
    label_before: int = 0  # what is written where a value leaves: how far before and behind the line it reaches
    label_after: int = 0
    label_along: int = 0
    enters: tuple[int, ...] = ()  # where inputs enter, from the center; none: as they come
    leaves: int = 0  # where the value leaves, from the center


@dataclass(frozen=True)
class Link:
    """The output of `source` is input number `place` of `target`. Side branches are not `main`."""

    source: str
    target: str
    out: int = 0
    place: int = 0
    main: bool = True


@dataclass(eq=False)
class Cell:
    """An item in its rank, or a line passing through a rank, then without an item."""

    rank: int
    net: tuple[str, int]
    item: Item | None = None
    level: int = 2  # 0: on the path from input to output; 1: a line that skips part of that; 2: beside it
    upper: list["Join"] = field(default_factory=list)
    lower: list["Join"] = field(default_factory=list)
    place: int = 0  # in the order of the rank
    at: int = 0  # the center, across
    left: int = 0  # what the item takes before and behind its center; bars grow
    right: int = 0

    @property
    def before(self) -> int:
        return max(self.left, self.item.label_before if self.item else 0)

    @property
    def behind(self) -> int:
        return max(self.right, self.item.label_after if self.item else 0)


@dataclass(eq=False)
class Join:
    """A piece of a line, from one rank to the next."""

    above: Cell
    below: Cell
    level: int
    leaves: int
    enters: int


@dataclass
class Ranked:
    """Ranks in order, and for each link the cells that it goes through."""

    ranks: list[list[Cell]]
    chains: list[list[Cell]]


def in_ranks(items: Sequence[Item], links: Sequence[Link]) -> Ranked:
    """Items in ranks, and each rank in order. Items come in an order in which sources stand before targets."""
    early: dict[str, int] = {}
    for item in items:
        early[item.key] = max((early[x.source] + 1 for x in links if x.target == item.key), default=0)
    late: dict[str, int] = {}
    for item in reversed(items):
        late[item.key] = min((late[x.target] - 1 for x in links if x.source == item.key), default=early[item.key])
    fed = {x.target for x in links}
    # A short branch beside a long one stands at its middle.
    at = {key: (early[key] + late[key]) // 2 if key in fed else 0 for key in early}

    cells = {
        item.key: Cell(at[item.key], (item.key, 0), item, left=item.across // 2, right=item.across // 2)
        for item in items
    }
    ranks: list[list[Cell]] = [[] for _ in range(max(at.values()) + 1)]
    lines: dict[tuple[str, int, int], Cell] = {}
    joins: dict[tuple[Cell, Cell], Join] = {}
    chains = []
    levels = _levels(items, links)
    for link, level in zip(links, levels, strict=True):
        source, target = cells[link.source], cells[link.target]
        if level < 2:
            source.level = target.level = 0
        chain = [source]
        for number in range(source.rank + 1, target.rank):
            passing = lines.setdefault((link.source, link.out, number), Cell(number, (link.source, link.out)))
            passing.level = min(passing.level, level)
            chain.append(passing)
        chain.append(target)
        chains.append(chain)
        for above, below in pairwise(chain):
            join = joins.get((above, below))
            if join is None:
                leaves = above.item.leaves if above.item else 0
                enters = below.item.enters[link.place] if below.item and below.item.enters else 0
                join = joins[above, below] = Join(above, below, level, leaves, enters)
                above.lower.append(join)
                below.upper.append(join)
            join.level = min(join.level, level)
    _first_order(list(cells.values()), ranks)
    _order(ranks)
    return Ranked(ranks, chains)


def _levels(items: Sequence[Item], links: Sequence[Link]) -> list[int]:
    """For each link 0, 1 or 2, as in Cell."""
    main = [link for link in links if link.main]
    ends = [item.key for item in items if all(link.source != item.key for link in links)]
    leading = {ends[0]}
    below: dict[str, set[str]] = {item.key: set() for item in items}
    for item in reversed(items):
        for link in main:
            if link.source == item.key:
                below[item.key] |= {link.target} | below[link.target]
                if link.target in leading:
                    leading.add(item.key)
    levels = []
    for link in links:
        skips = any(x.source == link.source and link.target in below[x.target] for x in main)
        levels.append(2 if not link.main or link.target not in leading else 1 if skips else 0)
    return levels


def _first_order(cells: Sequence[Cell], ranks: list[list[Cell]]) -> None:
    """From the ends back, inputs in their order."""
    visited: set[Cell] = set()
    todo = [cell for cell in reversed(cells) if not cell.lower]
    while todo:
        cell = todo.pop()
        if cell not in visited:
            visited.add(cell)
            cell.place = len(ranks[cell.rank])
            ranks[cell.rank].append(cell)
            todo += [join.above for join in reversed(cell.upper)]


def _order(ranks: list[list[Cell]]) -> None:
    """Each rank by the mean place of what its cells are joined with, as long as that makes crossings fewer."""
    best, fewest = [list(rank) for rank in ranks], _crossings(ranks)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        for rank in ranks if down else reversed(ranks):
            rank.sort(key=lambda cell: _mean_place(cell, down))
            _number(rank)
        _swap(ranks)
        if (crossings := _crossings(ranks)) < fewest:
            best, fewest = [list(rank) for rank in ranks], crossings
    for rank, cells in zip(ranks, best, strict=True):
        rank[:] = cells
        _number(rank)


def _mean_place(cell: Cell, down: bool) -> float:
    places = [join.above.place for join in cell.upper] if down else [join.below.place for join in cell.lower]
    return sum(places) / len(places) if places else cell.place


def _swap(ranks: list[list[Cell]]) -> None:
    """Neighbors that cross less when swapped are swapped."""
    for rank in ranks:
        for place in range(len(rank) - 1):
            first, second = rank[place], rank[place + 1]
            if _pair_crossings(second, first) < _pair_crossings(first, second):
                rank[place], rank[place + 1] = second, first
                _number(rank)


def _pair_crossings(first: Cell, second: Cell) -> int:
    above = sum(a.above.place > b.above.place for a in first.upper for b in second.upper)
    return above + sum(a.below.place > b.below.place for a in first.lower for b in second.lower)


def _number(rank: list[Cell]) -> None:
    for place, cell in enumerate(rank):
        cell.place = place


def _crossings(ranks: list[list[Cell]]) -> int:
    total = 0
    for rank in ranks:
        ends = [(cell.place, join.below.place) for cell in rank for join in cell.lower]
        total += sum(a < b and c > d for number, (a, c) in enumerate(ends) for b, d in ends[number + 1 :])
    return total
