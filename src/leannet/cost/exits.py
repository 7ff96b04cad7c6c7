"""Where exits stand by cost. No torch."""

from itertools import pairwise

from leannet.cost.counting import count
from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.rows.exits import exit_rows


def exit_places(architecture: Architecture, number: int) -> tuple[str, ...]:
    """Rows for so many exits, at about equal steps of mult-adds. Raises LeannetError where there are not as many, or
    none near such a step."""
    places = exit_rows(architecture)
    if not 1 <= number <= len(places):
        room = f"expected 1 to {len(places)}" if places else "expected a row that every later map comes from"
        raise LeannetError(f"exits of {architecture.name}: {room}, found {number if places else 'none'}")
    cost, so_far, before = count(architecture), 0, dict[str, float]()
    for group in cost.by_row():
        so_far += group.macs
        before[group.name] = so_far / cost.macs
    chosen: list[str] = []
    for wanted in range(1, number + 1):
        left = [place for place in places if place not in chosen]
        chosen.append(min(left, key=lambda place: abs(before.get(place, 1.0) - wanted / (number + 1))))
    chosen.sort(key=places.index)
    shares = [0.0, *(before.get(place, 1.0) for place in chosen), 1.0]
    widest = max(after - share for share, after in pairwise(shares))
    if widest > 2.5 / (number + 1):
        raise LeannetError(
            f"exits: expected a row for each {100 / (number + 1):.0f} % of the mult-adds, found "
            f"{', '.join(f'{place} at {100 * before.get(place, 1.0):.0f} %' for place in chosen)} in "
            f"{architecture.name}; rows of your own choice: leannet.rows.exits.with_exits"
        )
    return tuple(chosen)
