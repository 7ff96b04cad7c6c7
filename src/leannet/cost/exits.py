"""Where exits stand by cost. No torch."""

from leannet.cost.counting import count
from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.rows.exits import exit_rows


def exit_places(architecture: Architecture, number: int) -> tuple[str, ...]:
    """Rows for so many exits, at equal steps of mult-adds. Raises LeannetError where there are not as many."""
    places = exit_rows(architecture)
    if not 1 <= number <= len(places):
        found = f"room for {len(places)}" if places else "no room for any"
        raise LeannetError(f"exits: expected 1 or more, found {number}, and {found} in {architecture.name}")
    cost, so_far, before = count(architecture), 0, dict[str, float]()
    for group in cost.by_row():
        so_far += group.macs
        before[group.name] = so_far / cost.macs
    chosen: list[str] = []
    for wanted in range(1, number + 1):
        left = [place for place in places if place not in chosen]
        chosen.append(min(left, key=lambda place: abs(before.get(place, 1.0) - wanted / (number + 1))))
    return tuple(sorted(chosen, key=places.index))
