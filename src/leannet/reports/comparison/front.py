"""The Pareto front: the points that no other one beats."""

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of the points (cost, accuracy) that no other point beats, in order of cost.

    One point beats another that costs as much or more and is as accurate or less, unless they are equal: equal points
    stand together.
    """
    front: list[int] = []
    order = sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1]))
    for place in order:
        if not front or points[place][1] > points[front[-1]][1] or points[place] == points[front[-1]]:
            front.append(place)
    return front
