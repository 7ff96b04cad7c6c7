"""What a network takes of what is short: mult-adds and parameters by counting, milliseconds by a latency table."""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leannet.cost import count
from leannet.nas.tables import LatencyTable, Work, measure_table
from leannet.rows import Architecture
from leannet.shrink.budgets import Quantity
from leannet.shrink.timing import Timing

SECONDS_A_NETWORK = 0.15  # of what a table lacks


class Resource(abc.ABC):
    """One number of an architecture, in a unit of budgets."""

    quantity: Quantity

    @abc.abstractmethod
    def of(self, architecture: Architecture) -> float:
        """What a network takes."""

    def learn(self, architectures: Sequence[Architecture]) -> "Resource":
        """The same, once it can tell what these take."""
        return self


@dataclass(frozen=True)
class Counted(Resource):
    """Mult-adds or parameters."""

    quantity: Quantity

    def of(self, architecture: Architecture) -> float:
        cost = count(architecture)
        return float(cost.macs if self.quantity == "macs" else cost.params)


@dataclass(frozen=True)
class Predicted(Resource):
    """Milliseconds, the sum of rows; what the table lacks is measured here, where it is this machine's."""

    table: LatencyTable
    timing: Timing
    allowed: str | None = None  # a processor whose table may be used though it is not this machine's
    quantity: Quantity = "latency_ms"
    done: Callable[[int, int], None] = lambda number, of: None

    def of(self, architecture: Architecture) -> float:
        return self.table.predict(architecture)

    def learn(self, architectures: Sequence[Architecture]) -> "Predicted":
        """The same with the rows of these networks. Raises LeannetError for a table of another machine that lacks
        some."""
        lacking = [each for each in architectures if self.table.lacking(each)]
        if not lacking:
            return self
        if self.allowed is not None:
            self.table.predict(lacking[0])  # raises, naming the rows
        self.table.check(self.timing.engine, self.timing.precision, self.timing.threads)
        work = Work.of(lacking, known=self.table.rows)
        number = len(work.networks)
        measured = measure_table(
            work, self.timing.engine, self.timing.precision, self.timing.threads,
            seconds=SECONDS_A_NETWORK * number, done=lambda done: self.done(done, number),
        )  # fmt: skip
        return replace(self, table=replace(self.table, rows=self.table.rows | measured.rows))

    def save(self, path: Path) -> None:
        """Writes the table."""
        self.table.save(path)
