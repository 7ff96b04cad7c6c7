"""What goes: from scores and budgets to the groups of channels, and for a budget of milliseconds by measuring."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leannet.console import Console
from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.rows.channels import Channels
from leannet.rows.narrowing import narrowed
from leannet.shrink.budgets import Budget, readable
from leannet.shrink.choosing import Choice, check_names, choose, matching
from leannet.shrink.curves import Sensitivity, prices
from leannet.shrink.timing import Timing
from leannet.shrink.widths import Costs, Unit, Width, widths

CLOSE = 0.96  # of a budget of milliseconds: near enough from below
TRIES = 8


@dataclass(frozen=True)
class Decider:
    """A network's groups of channels and what they cost."""

    original: Architecture
    channels: Channels
    costs: Costs
    eligible: tuple[Width, ...]
    choice: Choice
    prices: tuple[NDArray[np.float64] | None, ...] | None = None

    @classmethod
    def of(
        cls,
        original: Architecture,
        channels: Channels,
        choice: Choice,
        rows: tuple[str, ...],
        keep: tuple[str, ...],
        overhead_bytes: int,
        curves: Sensitivity | None = None,
    ) -> "Decider":
        """original: the network that budgets are shares of. rows, keep: names of its rows and layers. curves: measured,
        in place of what scores add up to; rows without one stay.

        Raises LeannetError where no row is left that could become narrower.
        """
        of = widths(channels)
        names = channels.architecture.graph.by_path
        check_names((*rows, *keep), original)
        now = _now(rows, names)
        eligible = matching(of, now, _now(keep, names)) if now or not rows else ()
        if not eligible:
            raise LeannetError(
                f"{channels.architecture.name}: expected a row that could become narrower, found none; why: leannet "
                "prune --explain ROW"
            )
        costs, measured = Costs(channels, of, overhead_bytes), None
        if curves is not None:
            measured = tuple(prices(curves, of))
            known = {width for width, price in zip(of, measured, strict=True) if price is not None}
            eligible = tuple(width for width in eligible if width in known)
            choice = replace(choice, by_cost=True)
        return cls(original, channels, costs, eligible, choice, measured)

    def cost(self, unit: Unit) -> float:
        """Of the network as it is."""
        return float(self.costs.of(unit, np.zeros(len(self.costs.widths), np.int64)))

    def choose(self, scores: NDArray[np.float64], budgets: Mapping[Unit, float]) -> frozenset[int]:
        """The groups that go. Raises LeannetError for a budget that cannot be met, with the least that can."""
        return choose(self.costs, scores, budgets, self.choice, self.eligible, self.prices)

    def decide(
        self, scores: NDArray[np.float64], budgets: tuple[Budget, ...], timing: Timing, console: Console
    ) -> frozenset[int]:
        """The same for budgets of any kind."""
        counted: dict[Unit, float] = {
            budget.quantity: budget.most for budget in budgets if budget.quantity != "latency_ms"
        }
        timed = [budget for budget in budgets if budget.quantity == "latency_ms"]
        if not timed:
            return self.choose(scores, counted)
        return self._by_time(scores, counted, timed[0], timing, console)

    def _by_time(
        self,
        scores: NDArray[np.float64],
        counted: Mapping[Unit, float],
        budget: Budget,
        timing: Timing,
        console: Console,
    ) -> frozenset[int]:
        """By trial: a budget of mult-adds that is moved until the milliseconds are met, from below."""
        macs = self.cost("macs")
        low, high = 0.0, 1.0  # shares of the mult-adds: fast enough, too slow
        low_ms, high_ms = 0.0, 0.0
        share, best, least_ms = 0.0, frozenset[int](), 0.0
        for number in range(TRIES):
            limit = {**counted, "macs": min(share * macs, counted.get("macs", macs))} if number else dict(counted)
            try:
                removed = self.choose(scores, limit) if limit else frozenset()
            except LeannetError:
                if number == 0:
                    raise
                low = max(low, share)  # the rows' own least is above it
                share = (low + high) / 2
                continue
            before, now = timing.milliseconds([self.original, narrowed(self.channels, removed).architecture])
            # The machine drifts: what counts is the share of the original's time, measured with it.
            milliseconds = now / before * budget.before
            console.say(
                f"  {100 * share if number else 100:.0f} % of the mult-adds: {readable('latency_ms', milliseconds)} in "
                f"{timing}, budget {budget}"
            )
            least_ms = milliseconds if not least_ms else min(least_ms, milliseconds)
            if milliseconds <= budget.most:
                best, low, low_ms = removed, (share if number else 1.0), milliseconds
                if milliseconds >= CLOSE * budget.most or number == 0:
                    return removed
            else:
                high, high_ms = (share if number else 1.0), milliseconds
            if low_ms:
                share = low + (high - low) * min(max((0.98 * budget.most - low_ms) / (high_ms - low_ms), 0.1), 0.9)
            else:
                share = max(high * 0.98 * budget.most / high_ms, 0.0) if number else budget.most / milliseconds
        if not best:
            raise LeannetError(
                f"--latency {budget}: expected a network that takes so long, the fastest found takes "
                f"{readable('latency_ms', least_ms)} in {timing}"
            )
        return best


def _now(names: Collection[str], known: Collection[str]) -> list[str]:
    """Names of the original's layers as they are after earlier rounds, which may have written a block out as rows: then
    a block's are those of all that was in it."""
    now: list[str] = []
    for name in names:
        alone = name.replace(".", "_")
        as_now = [each for each in (name, alone) if each in known][:1]
        now += as_now or [each for each in known if each.startswith(f"{alone}_")]
    return now
