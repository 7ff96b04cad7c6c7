"""Places across the flow of the data: nothing overlaps, chains are straight, splits and joins are centered.

Cells that are joined in a chain make a segment, which moves as one (Sander, "A fast heuristic for hierarchical
Manhattan layout", 1995). Segments are packed from one side, then moved towards what they are joined with.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from leannet.diagrams.layered import Cell, Join

GAP, LINE_GAP = 22, 14  # pixels between two items, and between a line and what stands beside it
ROUNDS = 60


@dataclass(eq=False)
class _Segment:
    """Cells that keep their distance across: a straight chain."""

    cells: list[tuple[Cell, int]]  # with the offset from the segment's place
    at: float = 0
    level: int = 2
    lefts: dict["_Segment", int] = field(default_factory=dict)  # how far behind each of these it must stay
    rights: dict["_Segment", int] = field(default_factory=dict)


def give_places(ranks: Sequence[Sequence[Cell]]) -> None:
    """Gives every cell its place."""
    segments = _segments(ranks, _straight_joins(ranks))
    ordered = _from_the_left(segments)
    if ordered is None:  # chains in each other's way: none stays straight
        segments = _segments(ranks, set())
        ordered = _from_the_left(segments)
    assert ordered is not None
    of = {cell: (segment, offset) for segment in segments for cell, offset in segment.cells}
    for segment in ordered:
        segment.at = max((left.at + far for left, far in segment.lefts.items()), default=0)
    for number in range(ROUNDS):
        moved = 0.0
        for segment in ordered if number % 2 else reversed(ordered):
            moved += abs(_move(segment, _ideal_place(segment, of) - segment.at))
        if moved < 0.01:
            break
    for segment in ordered:
        for cell, offset in segment.cells:
            cell.at = math.floor(segment.at + 0.5) + offset


def _segments(ranks: Sequence[Sequence[Cell]], straight: set[Join]) -> list[_Segment]:
    segments = []
    of: dict[Cell, tuple[_Segment, int]] = {}
    for rank in ranks:
        for cell in rank:
            if cell in of:
                continue
            segment = _Segment([])
            todo = [(cell, 0)]
            while todo:
                member, offset = todo.pop()
                if member in of:
                    continue
                of[member] = segment, offset
                segment.cells.append((member, offset))
                segment.level = min(segment.level, member.level)
                for join in member.upper + member.lower:
                    if join in straight:
                        step = join.leaves - join.enters
                        other = join.below if join.above is member else join.above
                        todo.append((other, offset + (step if other is join.below else -step)))
            segments.append(segment)
    for rank in ranks:
        for first, second in pairwise(rank):
            (left, a), (right, b) = of[first], of[second]
            gap = GAP if first.item and second.item else LINE_GAP
            far = a + first.behind + gap + second.before - b
            right.lefts[left] = left.rights[right] = max(far, right.lefts.get(left, far))
    return segments


def _straight_joins(ranks: Sequence[Sequence[Cell]]) -> set[Join]:
    """Those that make chains. Of two that cross, the less important one may bend."""
    straight = set[Join]()
    for rank in ranks:
        joins = [join for cell in rank for join in cell.lower if _may_be_straight(join)]
        bent = set[Join]()
        for first, second in combinations(joins, 2):
            turns = (first.above.place - second.above.place) * (first.below.place - second.below.place) < 0
            if turns and first not in bent and second not in bent:
                bent.add(max(second, first, key=_may_bend))
        straight |= set(joins) - bent
    return straight


def _may_bend(join: Join) -> tuple[int, bool]:
    return join.level, join.above.item is not None or join.below.item is not None


def _may_be_straight(join: Join) -> bool:
    if join.above.item is None and join.below.item is None:
        return True
    if join.level == 1:
        return False
    above = [x for x in join.below.upper if x.level <= join.level]
    below = [x for x in join.above.lower if x.level <= join.level]
    return len(above) == len(below) == 1


def _from_the_left(segments: list[_Segment]) -> list[_Segment] | None:
    """In an order in which each comes after those left of it; None where there is no such order."""
    waiting = {segment: len(segment.lefts) for segment in segments}
    ready = [segment for segment in segments if not waiting[segment]]
    for segment in ready:
        for right in segment.rights:
            waiting[right] -= 1
            if not waiting[right]:
                ready.append(right)
    return ready if len(ready) == len(segments) else None


def _ideal_place(segment: _Segment, of: dict[Cell, tuple[_Segment, int]]) -> float:
    """The mean of the places at which its most important lines would be straight, on the side that has more of them:
    a join stands below the middle of its inputs, a split above the middle of its outputs.
    """
    sides: dict[int, tuple[list[float], list[float]]] = {}
    for cell, offset in segment.cells:
        for join in cell.upper + cell.lower:
            other = join.below if join.above is cell else join.above
            their, far = of[other]
            if their is not segment:
                down = other is join.below
                step = join.leaves - join.enters
                sides.setdefault(join.level, ([], []))[down].append(their.at + far - offset + (-step if down else step))
    if not sides:
        return segment.at
    above, below = sides[min(sides)]
    best = above + below if len(above) == len(below) else max(above, below, key=len)
    return sum(best) / len(best)


def _move(segment: _Segment, by: float) -> float:
    """Moves it as far as others let it, pushing those of less importance. Returns how far."""
    if abs(by) < 1e-9:
        return 0
    ahead = by > 0
    by = math.copysign(min(abs(by), _room(segment, ahead)), by)
    _push(segment, by, ahead)
    return by


def _beside(segment: _Segment, ahead: bool) -> list[tuple[_Segment, float]]:
    """Its neighbors on one side, with the free way to each."""
    if ahead:
        return [(right, right.at - segment.at - far) for right, far in segment.rights.items()]
    return [(left, segment.at - left.at - far) for left, far in segment.lefts.items()]


def _room(segment: _Segment, ahead: bool) -> float:
    ways = [
        free + (_room(other, ahead) if other.level > segment.level else 0) for other, free in _beside(segment, ahead)
    ]
    return max(0, min(ways, default=math.inf))


def _push(segment: _Segment, by: float, ahead: bool) -> None:
    for other, free in _beside(segment, ahead):
        if abs(by) > free + 1e-9:
            _push(other, math.copysign(abs(by) - max(free, 0), by), ahead)
    segment.at += by
