"""How lines run between boxes that have their places: straight where possible, else level in a channel between ranks.

Lines of the same value run together until they branch. In a channel each value that has to turn has a track of
its own where others' are; their order is the one with the fewest crossings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

from leannet.diagrams.layered import Cell, Item, Link, in_ranks
from leannet.diagrams.places import LINE_GAP, give_places
from leannet.diagrams.scene import Point

TRACK, BEFORE_TRACKS, ARROW = 9, 7, 13  # pixels from track to track, above the first, below the last
STRAIGHT = 22  # pixels of a channel without tracks and labels
PORTS = 14  # pixels between two lines into one item
EDGE = 12  # pixels between the corner of an item and a line into it
TOUCH = 5  # nearer than this, two lines would be read as one
UNLOCKS = 4  # how often places where lines enter are moved aside


@dataclass(frozen=True)
class Spot:
    """Where an item stands: across from start to end, and along."""

    before: int
    behind: int
    start: int
    end: int


@dataclass
class Layout:
    """All places, from (0, 0) on: (across, along)."""

    spots: dict[str, Spot]
    routes: list[list[Point]]  # of each link, in their order
    leaves: dict[tuple[str, int], int]  # where the values of an item leave it, across


@dataclass
class _Net:
    """One value in one channel."""

    top: int
    bottoms: list[int]
    order: int = 0

    @property
    def span(self) -> tuple[int, int]:
        return min(self.top, *self.bottoms), max(self.top, *self.bottoms)

    @property
    def straight(self) -> bool:
        return all(bottom == self.top for bottom in self.bottoms)


def lay_out(items: Sequence[Item], links: Sequence[Link]) -> Layout:
    """Places of items and the lines of links. Items come in an order in which sources stand before targets."""
    ranked = in_ranks(items, links)
    give_places(ranked.ranks)
    cells = {cell.item.key: cell for rank in ranked.ranks for cell in rank if cell.item}
    _stretch(ranked.ranks)
    leaves = _leaves(items, links, ranked.chains, cells)
    ports, sides = _enter(links, ranked.chains, cells, ranked.ranks, leaves)

    def top(link: Link, cell: Cell) -> int:
        return cell.at if cell.item is None else leaves[link.source, link.out]

    for attempt in range(1 + UNLOCKS):
        channels: list[dict[tuple[str, int], _Net]] = [{} for _ in ranked.ranks]
        for number, (link, chain) in enumerate(zip(links, ranked.chains, strict=True)):
            for above, below in pairwise(chain):
                start = top(link, above)
                end = below.at if below.item is None else start if number in sides else ports[number]
                net = channels[above.rank].setdefault((link.source, link.out), _Net(start, []))
                net.bottoms.append(end)
        spots, tracks = _along(ranked.ranks, channels)
        if attempt == UNLOCKS or not _unlock(links, ranked.chains, channels, ports):
            break
    routes = []
    for number, (link, chain) in enumerate(zip(links, ranked.chains, strict=True)):
        points: list[Point] = [(top(link, chain[0]), spots[link.source].end)]
        for above, below in pairwise(chain):
            start = top(link, above)
            end = below.at if below.item is None else start if number in sides else ports[number]
            net = channels[above.rank][link.source, link.out]
            if start != end:
                at = tracks[above.rank] + net.order * TRACK
                points += [(start, at), (end, at)]
        points.append(_arrive(number, link, chain[-1], points[-1][0], ports, sides, spots[link.target]))
        if number in sides:
            points.insert(-1, (points[-2][0], points[-1][1]))
        routes.append(_plain(points))
    return _from_zero(spots, routes, leaves)


def _arrive(
    number: int, link: Link, cell: Cell, column: float, ports: dict[int, int], sides: set[int], spot: Spot
) -> Point:
    middle = (spot.start + spot.end) // 2
    if number in sides:
        return (spot.before if column < cell.at else spot.behind), middle
    if cell.item is not None and cell.item.form == "circle":  # its outline is round at the ends
        radius = min(spot.end - spot.start, spot.behind - spot.before) / 2
        off = max(0.0, abs(ports[number] - cell.at) - (cell.right - radius))
        return ports[number], spot.start + radius - (radius**2 - off**2) ** 0.5
    return ports[number], spot.start


# Across


def _stretch(ranks: Sequence[Sequence[Cell]]) -> None:
    """Bars reach over the columns of their inputs and outputs, as far as there is room."""
    for rank in ranks:
        for place, cell in enumerate(rank):
            if cell.item is None or cell.item.form != "bar":
                continue
            ends = [join.above.at for join in cell.upper] + [join.below.at for join in cell.lower]
            first, last = min(ends) - EDGE, max(ends) + EDGE
            if place > 0:
                first = max(first, rank[place - 1].at + rank[place - 1].behind + LINE_GAP)
            if place + 1 < len(rank):
                last = min(last, rank[place + 1].at - rank[place + 1].before - LINE_GAP)
            cell.left = max(cell.left, cell.at - first)
            cell.right = max(cell.right, last - cell.at)


def _leaves(
    items: Sequence[Item], links: Sequence[Link], chains: Sequence[Sequence[Cell]], cells: dict[str, Cell]
) -> dict[tuple[str, int], int]:
    """Where each value leaves its item: in the middle, or for several over what reads them."""
    leaves = {}
    for item in items:
        cell = cells[item.key]
        if item.outs == 1:
            leaves[item.key, 0] = cell.at + item.leaves
            continue
        ideal = []
        for out in range(item.outs):
            ends = [c[1].at for x, c in zip(links, chains, strict=True) if (x.source, x.out) == (item.key, out)]
            spread = cell.at + (out - (item.outs - 1) / 2) * PORTS
            ideal.append(min(ends, key=lambda at: abs(at - cell.at)) if ends else spread)
        for out, at in enumerate(_apart(ideal, cell)):
            leaves[item.key, out] = at
    return leaves


def _enter(
    links: Sequence[Link],
    chains: Sequence[Sequence[Cell]],
    cells: dict[str, Cell],
    ranks: Sequence[Sequence[Cell]],
    leaves: dict[tuple[str, int], int],
) -> tuple[dict[int, int], set[int]]:
    """Where each link enters its target; and the links that enter a circle at its side."""
    ports: dict[int, int] = {}
    sides: set[int] = set()
    for key, cell in cells.items():
        item = cell.item
        assert item is not None
        entering = [number for number, link in enumerate(links) if link.target == key]
        if item.enters:
            ports |= {number: cell.at + item.enters[links[number].place] for number in entering}
            continue
        columns = {}
        for number in entering:
            last = chains[number][-2]
            columns[number] = last.at if last.item is None else leaves[links[number].source, links[number].out]
        if item.form == "circle":
            for side in (-1, 1):
                outer = [n for n in entering if side * (columns[n] - cell.at) > cell.right + EDGE]
                if len(outer) == 1 and _free(columns[outer[0]], cell, ranks[cell.rank]):
                    sides.add(outer[0])
        rest = [number for number in entering if number not in sides]
        if len(rest) == 1 and item.form != "bar":
            ports[rest[0]] = cell.at
        elif rest:
            ports |= dict(zip(rest, _apart([columns[number] for number in rest], cell), strict=True))
    return ports, sides


def _free(column: int, cell: Cell, rank: Sequence[Cell]) -> bool:
    """Whether a line may come down that column to the height of the cell and turn to it."""
    low, high = sorted((column, cell.at))
    return all(
        other is cell or other.at + other.behind < low - TOUCH or other.at - other.before > high + TOUCH
        for other in rank
    )


def _apart(ideal: Sequence[float], cell: Cell) -> list[int]:
    """Places near the ideal ones, inside the cell and not too near to each other, in the order of the ideal ones."""
    low, high = cell.at - cell.left + EDGE, cell.at + cell.right - EDGE
    step = PORTS
    if (len(ideal) - 1) * step > high - low:
        low, high = cell.at - cell.left + 3, cell.at + cell.right - 3
        step = min(10, max(1, (high - low) // (len(ideal) - 1)))
    order = sorted(range(len(ideal)), key=lambda n: ideal[n])
    places = [round(min(max(ideal[n], low), high)) for n in order]
    fixed = min(range(len(order)), key=lambda n: (abs(ideal[order[n]] - places[n]), abs(places[n] - cell.at)))
    for n in range(fixed + 1, len(places)):
        places[n] = max(places[n], places[n - 1] + step)
    for n in range(fixed - 1, -1, -1):
        places[n] = min(places[n], places[n + 1] - step)
    if places[-1] > high:  # the fixed one stood too near to an end
        places = [min(place, high - (len(places) - 1 - n) * step) for n, place in enumerate(places)]
    if places[0] < low:
        places = [max(place, low + n * step) for n, place in enumerate(places)]
    result = [0] * len(ideal)
    for place, n in zip(places, order, strict=True):
        result[n] = place
    return result


# Along


def _along(
    ranks: Sequence[Sequence[Cell]], channels: Sequence[dict[tuple[str, int], _Net]]
) -> tuple[dict[str, Spot], list[int]]:
    """Where each item starts and ends, and where the first track of each channel runs."""
    spots: dict[str, Spot] = {}
    tracks = []
    start = 0
    for rank, channel in zip(ranks, channels, strict=True):
        height = max((cell.item.along for cell in rank if cell.item), default=0)
        label = 0
        for cell in rank:
            if cell.item is not None:
                top = start + (height - cell.item.along) // 2
                spots[cell.item.key] = Spot(cell.at - cell.left, cell.at + cell.right, top, top + cell.item.along)
                label = max(label, cell.item.label_along - (height - cell.item.along) // 2)
        end = start + height
        levels = _tracks([net for net in channel.values() if not net.straight])
        tracks.append(end + label + BEFORE_TRACKS)
        start = end + label + (BEFORE_TRACKS + (levels - 1) * TRACK + ARROW if levels else ARROW)
        start = max(start, end + STRAIGHT)
    return spots, tracks


def _tracks(nets: list[_Net]) -> int:
    """Gives each net its track. Returns how many there are."""
    nets = _ordered(sorted(nets, key=lambda net: (net.top, net.span)))
    for n, net in enumerate(nets):
        net.order = max((before.order + 1 for before in nets[:n] if _near(before, net)), default=0)
    return max((net.order + 1 for net in nets), default=0)


def _ordered(nets: list[_Net]) -> list[_Net]:
    """The nets from the first track to the last: one after another is taken elsewhere while that costs less."""
    costs = [[_cost(upper, lower) for lower in nets] for upper in nets]

    def total(order: Sequence[int]) -> int:
        return sum(costs[upper][lower] for upper, lower in combinations(order, 2))

    best = list(range(len(nets)))
    least, better = total(best), True
    while better:
        better = False
        for net, place in product(tuple(best), range(len(best))):
            order = [other for other in best if other != net]
            order.insert(place, net)
            if (cost := total(order)) < least:
                best, least, better = order, cost, True
    return [nets[number] for number in best]


def _cost(upper: _Net, lower: _Net) -> int:
    """Crossings where one runs above the other; more than any number of them where the two would lie on each other."""
    low, high = lower.span
    cost = sum(low < bottom < high for bottom in set(upper.bottoms))
    low, high = upper.span
    cost += low < lower.top < high
    return cost + 1000 * any(abs(bottom - lower.top) < TOUCH for bottom in upper.bottoms)


def _unlock(
    links: Sequence[Link],
    chains: Sequence[Sequence[Cell]],
    channels: Sequence[dict[tuple[str, int], _Net]],
    ports: dict[int, int],
) -> bool:
    """Moves aside where a line enters, where it would lie on one that leaves at the same height. Whether any was.

    Two values that each end where the other one begins have no order in which they do not.
    """
    moved = False
    for number, (link, chain) in enumerate(zip(links, chains, strict=True)):
        cell, channel = chain[-1], channels[chain[-2].rank]
        net = channel[link.source, link.out]
        if number not in ports or net.straight or cell.item is None or cell.item.enters:
            continue
        tops = [other.top for other in channel.values() if _near(net, other) and _locked(net, other)]
        others = [port for other, port in ports.items() if other != number and links[other].target == link.target]
        if all(abs(ports[number] - top) >= TOUCH for top in tops):
            continue
        low, high = cell.at - cell.left + 1, cell.at + cell.right - 1
        free = [
            place for place in range(low, high + 1)
            if all(abs(place - top) >= TOUCH for top in tops) and all(abs(place - other) > TOUCH for other in others)
        ]  # fmt: skip
        if free:
            ports[number] = min(free, key=lambda place: abs(place - ports[number]))
            moved = True
    return moved


def _locked(first: _Net, second: _Net) -> bool:
    """Whether the one of them that runs above ends where the other one begins."""
    upper, lower = (first, second) if first.order < second.order else (second, first)
    return upper is not lower and any(abs(bottom - lower.top) < TOUCH for bottom in upper.bottoms)


def _near(first: _Net, second: _Net) -> bool:
    (a, b), (c, d) = first.span, second.span
    return a - 2 * TOUCH < d and c - 2 * TOUCH < b


def _plain(points: list[Point]) -> list[Point]:
    """Without points that lie on a straight line between their neighbors."""
    corners = points[:1]
    for before, here in pairwise(points):
        if here == before:
            continue
        if len(corners) > 1 and any(corners[-2][axis] == before[axis] == here[axis] for axis in (0, 1)):
            corners.pop()
        corners.append(here)
    return corners


def _from_zero(spots: dict[str, Spot], routes: list[list[Point]], leaves: dict[tuple[str, int], int]) -> Layout:
    """All of it moved across, so that it begins at 0."""
    first = int(min([spot.before for spot in spots.values()] + [p[0] for route in routes for p in route]))
    return Layout(
        {key: Spot(s.before - first, s.behind - first, s.start, s.end) for key, s in spots.items()},
        [[(u - first, v) for u, v in route] for route in routes],
        {key: at - first for key, at in leaves.items()},
    )
