"""Which channels go, so that a budget is met: by their scores, row by row or all together. No torch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError, nearest
from leannet.rows import Architecture
from leannet.shrink.budgets import FLAGS, readable
from leannet.shrink.names import is_of
from leannet.shrink.widths import Costs, Unit, Width

Ranking = Literal["global", "per-row"]
Fewer = NDArray[np.int64]  # of each width, how many of its groups are gone
STEPS = 12  # of the search for a share: to 1/4096


@dataclass(frozen=True)
class Choice:
    """How channels are chosen.

    ranking: per-row: every row loses the same share; global: what costs least goes first, wherever it is. by_cost:
    global, and a score is what the loss rises by: it is set against what its removal saves. round_to: widths stay, or
    become, multiples of it. least: the share of its channels that every layer keeps.
    """

    ranking: Ranking = "global"
    by_cost: bool = True
    round_to: int = 8
    least: float = 0.1


def choose(
    costs: Costs,
    scores: NDArray[np.float64],
    budgets: Mapping[Unit, float],
    choice: Choice,
    eligible: Collection[Width] | None = None,
    prices: Sequence[NDArray[np.float64] | None] | None = None,
) -> frozenset[int]:
    """The groups that go, so that no cost is above its budget.

    scores: of each group; of a width those of the lowest scores go first. eligible: None: all widths. prices: of each
    width what it costs that 0, 1, 2, ... of its groups are gone; None: the sum of their scores.
    Raises LeannetError where the least that the rows can be is above a budget.
    """
    chooser = _Chooser(costs, scores, choice, costs.widths if eligible is None else eligible, prices)
    floor = chooser.most
    for unit, budget in budgets.items():
        least = float(costs.of(unit, floor))
        if least > budget:
            flag = "--ratio" if unit == "channels" else FLAGS[unit]
            raise LeannetError(
                f"{flag} {readable(unit, budget)}: expected at least {readable(unit, least)}, which is left when every "
                "row that may become narrower is as narrow as it may be (--least, --round-to)"
            )
    fewer = chooser.per_row(budgets) if choice.ranking == "per-row" else chooser.together(budgets)
    return chooser.groups(fewer)


def uniform(costs: Costs, share: float, choice: Choice) -> frozenset[int]:
    """The groups that go where every width loses the same share, in whole steps: the last ones of each."""
    last = max(int(width.groups.max()) for width in costs.widths)
    chooser = _Chooser(costs, -np.arange(1.0 + last), choice, costs.widths)
    return chooser.groups(chooser.share(share))


class _Chooser:
    def __init__(
        self,
        costs: Costs,
        scores: NDArray[np.float64],
        choice: Choice,
        eligible: Collection[Width],
        prices: Sequence[NDArray[np.float64] | None] | None = None,
    ):
        self.costs, self.choice = costs, choice
        self._orders = [width.groups[np.argsort(scores[width.groups], kind="stable")] for width in costs.widths]
        measured = prices or [None] * len(self._orders)
        self._price = [
            np.concatenate([[0.0], np.cumsum(scores[order])]) if price is None else price
            for order, price in zip(self._orders, measured, strict=True)
        ]
        scored = [not np.isnan(scores[width.groups]).any() for width in costs.widths]
        self._eligible = np.array([width in eligible for width in costs.widths], bool) & np.array(scored, bool)
        self._least = np.maximum(
            np.minimum(choice.round_to, costs.before), np.ceil(choice.least * costs.before)
        )  # channels of each layer
        self._layer = np.array([costs.layer(width.row) for width in costs.widths], np.int64)
        self._each = np.array([width.each for width in costs.widths], np.int64)

    def groups(self, fewer: Fewer) -> frozenset[int]:
        """Which ones are gone, where of each width so many are."""
        return frozenset(
            int(group) for order, number in zip(self._orders, fewer, strict=True) for group in order[:number]
        )

    @property
    def most(self) -> Fewer:
        """What can go at most, where every layer keeps its least."""
        fewer = np.zeros(len(self._orders), np.int64)
        while True:
            steps = self._steps(fewer)
            (possible,) = np.nonzero(steps)
            if not len(possible):
                return fewer
            fewer = fewer.copy()
            fewer[possible[0]] += steps[possible[0]]

    def per_row(self, budgets: Mapping[Unit, float]) -> Fewer:
        """The smallest share of all widths that meets the budgets."""
        low, high = 0.0, 1.0
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if self._fits(self.share(middle), budgets) else (middle, high)
        return self.share(high)

    def together(self, budgets: Mapping[Unit, float]) -> Fewer:
        """What costs least goes first; where the last step saved more than was needed, what fits comes back."""
        fewer = np.zeros(len(self._orders), np.int64)
        taken: list[tuple[int, int]] = []
        while not self._fits(fewer, budgets):
            steps = self._steps(fewer)
            (possible,) = np.nonzero(steps)
            if not len(possible):
                raise LeannetError("expected the budgets to be met at once, found that one leaves no way to another")
            candidates = fewer + np.diag(steps)[possible]
            saved = self._excess(fewer, budgets) - self._excess(candidates, budgets)
            useful = saved > 0
            if not useful.any():  # a peak is as high as the next one: any step may be needed
                saved, useful = np.ones(len(possible)), np.ones(len(possible), bool)
            price = np.array([self._price[w][fewer[w] + steps[w]] - self._price[w][fewer[w]] for w in possible])
            units = saved if self.choice.by_cost else steps[possible] * self._each[possible]
            value = np.divide(price, units, out=np.full(len(possible), np.inf), where=useful)
            place = int(np.argmin(np.where(useful, value, np.inf)))
            best = int(possible[place])
            fewer = candidates[place]
            taken.append((best, int(steps[best])))
        for width, step in reversed(taken):
            less = fewer.copy()
            less[width] -= step
            if self._fits(less, budgets):
                fewer = less
        return fewer

    def share(self, share: float) -> Fewer:
        """What goes where every width loses this share of its groups, in whole steps."""
        fewer = np.zeros(len(self._orders), np.int64)
        for width, groups in enumerate(self.costs.groups):
            target = share * groups
            while self._eligible[width]:
                step = int(self._steps(fewer)[width])
                if not step or fewer[width] + step / 2 > target:
                    break
                fewer[width] += step
        return fewer

    def _steps(self, fewer: Fewer) -> Fewer:
        """Of each width the groups that go next, to the next multiple below; 0: no more can."""
        channels = self.costs.channels(fewer)[self._layer]
        below = (np.ceil(channels / self.choice.round_to) - 1) * self.choice.round_to
        steps = np.maximum((channels - below) // self._each, 1).astype(np.int64)
        steps = np.minimum(steps, self.costs.groups - fewer) * self._eligible
        left = self.costs.channels(fewer + np.diag(steps))
        return np.asarray(steps * (left >= self._least).all(axis=1))

    def _fits(self, fewer: Fewer, budgets: Mapping[Unit, float]) -> bool:
        return all(float(self.costs.of(unit, fewer)) <= budget for unit, budget in budgets.items())

    def _excess(self, fewer: Fewer, budgets: Mapping[Unit, float]) -> NDArray[np.float64]:
        """How far above the budgets choices are, (...): the sum of shares."""
        excess: NDArray[np.float64] = np.zeros(fewer.shape[:-1])
        for unit, budget in budgets.items():
            if unit == "activation_bytes":  # all places above it count, since the peak alone falls in jumps
                above = np.maximum(4 * self.costs.live(fewer) - budget, 0).sum(axis=-1)
            else:
                above = np.maximum(self.costs.of(unit, fewer) - budget, 0)
            excess = excess + above / max(budget, 1.0)
        return excess


def check_names(names: Collection[str], architecture: Architecture) -> None:
    """Raises LeannetError for what is no row or layer of an architecture."""
    known = architecture.graph.by_path
    for name in names:
        if name not in known:
            raise LeannetError(f"{architecture.name} has no row or layer '{name}'; nearest: {nearest(name, known)}")


def matching(widths: Sequence[Width], rows: Collection[str], keep: Collection[str]) -> tuple[Width, ...]:
    """The widths of some rows or layers, and of none of those to keep. rows: empty: all.

    A width is of the rows that make its channels; one that a row to keep makes too is kept.
    """
    return tuple(
        width
        for width in widths
        if (not rows or any(is_of(path, rows) for path in width.makers))
        and not any(is_of(path, keep) for path in width.makers)
    )
