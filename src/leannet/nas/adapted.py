"""The result of an adaptation: what each step took away, what it costs and is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leannet.cost import count
from leannet.nas.adapt_request import Adaptation, Chosen, Offer
from leannet.nas.requests import Quantity
from leannet.network import Network
from leannet.rows import Architecture
from leannet.runtime import machine
from leannet.runtime.engines import is_installed
from leannet.shrink.pruned import widths_of
from leannet.shrink.timing import Timing
from leannet.training.run import Run


@dataclass(frozen=True)
class Adapted:
    """What became of a network. Accuracies are fractions of the validation images.

    before, predicted: what the original takes and the result by the same reckoning; most: the budget. measured_ms: of
    both, timed side by side at the end; None: not yet, or the engine is not here. widths: of each layer with filters
    its channels before and after. images: that the proposals saw. met: whether the budget is: --steps may be too few.
    """

    path: Path
    name: str
    quantity: Quantity
    before: float
    most: float
    predicted: float
    measured_ms: tuple[float, float] | None
    macs: tuple[int, int]
    params: tuple[int, int]
    accuracy_before: float
    accuracy_adapted: float
    accuracy: float | None
    steps: tuple[tuple[Offer, Chosen], ...]
    widths: tuple[tuple[str, int, int], ...]
    images: int
    timing: Timing
    architectures: tuple[Architecture, Architecture]
    finished: bool
    met: bool
    run: Run | None = None

    @classmethod
    def of(
        cls,
        folder: Path,
        adaptation: Adaptation,
        history: Sequence[tuple[Offer, Chosen]],
        original: Network,
        network: Network,
        accuracy: float | None,
        run: Run | None,
        met: bool,
    ) -> "Adapted":
        """Of a folder. accuracy: after the long training. run: None: another worker's. met: whether the budget is."""
        request, timing = adaptation.request, adaptation.request.timing
        rows = original.architecture, network.architecture
        finished = run is None or run.finished
        batch = int(adaptation.settings["batch_size"])
        return cls(
            path=folder,
            name=network.architecture.name,
            quantity=request.quantity,
            before=adaptation.before,
            most=adaptation.most,
            predicted=history[-1][1].cost if history else adaptation.before,
            measured_ms=None,
            macs=(count(rows[0]).macs, count(rows[1]).macs),
            params=(count(rows[0]).params, count(rows[1]).params),
            accuracy_before=adaptation.accuracy,
            accuracy_adapted=history[-1][1].accuracy if history else adaptation.accuracy,
            accuracy=accuracy,
            steps=tuple(history),
            widths=widths_of(*rows, ()),
            images=sum(len(offer.proposals) for offer, _ in history) * request.short_steps * batch,
            timing=timing,
            architectures=rows,
            finished=finished,
            met=met,
            run=run,
        )

    def measured(self) -> "Adapted":
        """With the milliseconds of the original and the result, timed side by side, where the engine is here."""
        if not self.finished or not is_installed(self.timing.engine):
            return self
        first, second = self.timing.milliseconds(self.architectures)
        return replace(self, measured_ms=(first, second))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "run": str(self.path),
            "name": self.name,
            "quantity": self.quantity,
            "before": self.before,
            "budget": self.most,
            "met": self.met,
            "predicted": self.predicted,
            "latency_ms": None if self.measured_ms is None else list(self.measured_ms),
            "macs": list(self.macs),
            "params": list(self.params),
            "accuracy_before": self.accuracy_before,
            "accuracy_adapted": self.accuracy_adapted,
            "accuracy": self.accuracy,
            "proposal_images": self.images,
            "widths": [dict(zip(("row", "before", "after"), each, strict=True)) for each in self.widths],
            "steps": [
                offer.model_dump(exclude={"proposals": {"__all__": {"removed"}}}) | {"chosen": chosen.model_dump()}
                for offer, chosen in self.steps
            ],
            "timed": str(self.timing),
            "machine": machine().to_dict(),
            "finished": self.finished,
        }
