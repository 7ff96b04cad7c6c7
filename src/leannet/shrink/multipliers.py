"""What the plain multipliers reach: the narrower network, and the smaller image, of at most the same cost. No torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.rows import Architecture, Dropout, RowBase
from leannet.rows.channels import channels
from leannet.rows.narrowing import narrowed
from leannet.shrink.choosing import Choice, choose
from leannet.shrink.widths import Costs, widths
from leannet.zoo import FAMILIES, architecture

STEP = 0.01  # of widths


@dataclass(frozen=True)
class Multiplied:
    """A network by a multiplier. flags: of `leannet train`, to train it; empty: it is no network of the zoo."""

    multiplier: Literal["width", "resolution"]
    value: float
    architecture: Architecture
    flags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        cost = count(self.architecture)
        about = {"multiplier": self.multiplier, "value": self.value, "flags": list(self.flags)}
        return about | {"params": cost.params, "macs": cost.macs}


def multiplied(original: Architecture, macs: float) -> tuple[Multiplied, ...]:
    """The largest network by the width and by the resolution multiplier of at most so many mult-adds.

    Of a network of the zoo it is the family's own width; of another all rows lose the same share.
    """
    word = zoo_word(original)
    results = []
    if word is not None:
        name, width = word
        size, classes, colors = original.input, original.classes, original.input.channels

        def of_width(value: float) -> Architecture:
            table = architecture(name, value, size.height, classes, colors)
            return table if size.height == size.width else table.with_input(size.height, size.width)

        steps = [round(width - STEP * number, 4) for number in range(1, int(width / STEP))]
        if (value := _first(steps, of_width, macs)) is not None:
            table = of_width(value)
            results.append(Multiplied("width", value, table, _flags(name, value, size.height)))
    elif (table_or_none := _narrower(original, macs)) is not None:
        results.append(Multiplied("width", _share_of_channels(original, table_or_none), table_or_none, ()))
    sides = list(range(original.input.height - 1, 7, -1))
    ratio = original.input.width / original.input.height

    def of_side(value: float) -> Architecture:
        return original.with_input(int(value), round(ratio * value))

    if (side := _first(sides, of_side, macs)) is not None:
        flags = _flags(*word, int(side)) if word is not None else ()
        results.append(Multiplied("resolution", side, of_side(side), flags))
    return tuple(results)


def zoo_word(original: Architecture) -> tuple[str, float] | None:
    """The family and width of an architecture, where its rows are those of the zoo."""
    for name in sorted(FAMILIES, key=len, reverse=True):
        rest = original.name.removeprefix(name)
        if rest == original.name or (rest and not rest.startswith("_")):
            continue
        try:
            width = float(rest[1:]) if rest else 1.0
            table = architecture(name, width, original.input.height, original.classes, original.input.channels)
        except (ValueError, LeannetError):
            continue
        if _without_dropout(table) == _without_dropout(original):
            return name, width
    return None


def _flags(name: str, width: float, side: int) -> tuple[str, ...]:
    return ("--model", name, "--width", f"{width:g}", "--resolution", str(side))


def _first(values: Sequence[float], of: Callable[[float], Architecture], macs: float) -> float | None:
    """The first value whose network is small enough, of falling ones; by halving."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        try:
            fits = count(of(values[middle])).macs <= macs
        except (ValueError, LeannetError):  # too small for the network
            fits = True
        low, high = (low, middle) if fits else (middle + 1, high)
    if low == len(values):
        return None
    try:
        of(values[low])
    except (ValueError, LeannetError):
        return None
    return values[low]


def _without_dropout(architecture: Architecture) -> list[RowBase]:
    """The rows, but for those whose rate training may change."""
    return [row for row in architecture.rows if not isinstance(row, Dropout)]


def _share_of_channels(original: Architecture, narrow: Architecture) -> float:
    """That are left, on the mean over layers, but for what cannot be narrower."""
    pairs = zip(original.layers, narrow.layers, strict=True)
    shares = [new.out_shape.channels / old.out_shape.channels for old, new in pairs]
    changed = [share for share in shares if share != 1]
    return float(np.mean(changed)) if changed else 1.0


def _narrower(original: Architecture, macs: float) -> Architecture | None:
    tied = channels(original)
    of = widths(tied)
    try:
        removed = choose(Costs(tied, of), np.zeros(tied.count), {"macs": macs}, Choice("per-row"))
    except LeannetError:
        return None
    return narrowed(tied, removed).architecture
