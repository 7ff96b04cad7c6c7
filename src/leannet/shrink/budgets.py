"""Budgets: how much of what a network may cost, as people write them: 50%, 14M, 300kB, 3.2ms."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from leannet.errors import LeannetError
from leannet.shrink.widths import Unit

Quantity = Literal["macs", "params", "size_bytes", "activation_bytes", "latency_ms"]
FLAGS: dict[Quantity, str] = {
    "macs": "--macs",
    "params": "--params",
    "size_bytes": "--size",
    "activation_bytes": "--activation-memory",
    "latency_ms": "--latency",
}
COUNTS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
BYTES = {"": 1.0, "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1024.0**2}
UNITS: dict[Quantity, dict[str, float]] = {
    "macs": COUNTS,
    "params": COUNTS,
    "size_bytes": BYTES,
    "activation_bytes": BYTES,
    "latency_ms": {"ms": 1.0, "us": 1e-3, "s": 1e3},
}


@dataclass(frozen=True)
class Budget:
    """The most that a network may cost. before: what the original costs."""

    quantity: Quantity
    most: float
    before: float

    def __str__(self) -> str:
        return readable(self.quantity, self.most)


def read_budgets(texts: Mapping[Quantity, str], before: Mapping[Quantity, float]) -> tuple[Budget, ...]:
    """Budgets as they were written. before: what the original costs.

    Raises LeannetError for what is no budget, a share that is not above 0 and below 100 %, and for more than the
    original.
    """
    return tuple(_read(quantity, text, before[quantity]) for quantity, text in texts.items())


def check_budgets(texts: Mapping[Quantity, str]) -> None:
    """Raises LeannetError, before any work, for what is no budget."""
    for quantity, text in texts.items():
        _parse(quantity, text)


def _parse(quantity: Quantity, text: str) -> tuple[float, bool]:
    """A number and whether it is a share."""
    number = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z%]*)\s*", str(text))
    units = UNITS[quantity]
    if number is None or (number[2] != "%" and number[2] not in units):
        names = ", ".join(unit for unit in units if unit)
        raise LeannetError(f"{FLAGS[quantity]}: expected a share as 50%, or a number with {names}, found '{text}'")
    value = float(number[1])
    if number[2] == "%":
        if not 0 < value < 100:
            raise LeannetError(f"{FLAGS[quantity]}: expected a share above 0% and below 100%, found '{text}'")
        return value / 100, True
    return value * units[number[2]], False


def _read(quantity: Quantity, text: str, before: float) -> Budget:
    value, is_share = _parse(quantity, text)
    if is_share:
        return Budget(quantity, value * before, before)
    if value >= before:
        raise LeannetError(
            f"{FLAGS[quantity]} {text}: expected less than the {readable(quantity, before)} that the network has now"
        )
    return Budget(quantity, value, before)


def readable(quantity: Quantity | Unit, value: float) -> str:
    """A cost with its unit."""
    if quantity == "latency_ms":
        return f"{value:.3g} ms"
    if quantity in ("size_bytes", "activation_bytes"):
        return f"{value / 1e6:.2f} MB" if value >= 1e6 else f"{value / 1e3:.1f} kB"
    for unit in ("G", "M", "k"):
        if value >= COUNTS[unit]:
            return f"{value / COUNTS[unit]:.3g} {unit}"
    return f"{value:.0f}"
