"""The result of a pruning: what it costs and is worth, before and after, and what the multipliers reach."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from leannet.checkpoint import to_bytes
from leannet.cost import count, graph
from leannet.header import Header
from leannet.network import Network
from leannet.rows import Architecture
from leannet.rows.layers import MIXING
from leannet.run_files import MODEL
from leannet.runtime import machine
from leannet.runtime.engines import is_installed
from leannet.shrink.budgets import Budget
from leannet.shrink.multipliers import Multiplied, multiplied
from leannet.shrink.plan import Plan
from leannet.shrink.progress import Progress
from leannet.training.run import Run


@dataclass(frozen=True)
class Cost:
    """What a network costs. size_bytes: of its checkpoint. activation_bytes: the peak, of float32 and one image.

    latency_ms: median, batch 1, in the engine that a result names; None: it was not measured.
    """

    macs: int
    params: int
    size_bytes: int
    activation_bytes: int
    latency_ms: float | None = None


def cost_of(network: Network, header: Header) -> Cost:
    """Of a network and the checkpoint that holds it."""
    architecture = network.architecture
    cost = count(architecture)
    return Cost(cost.macs, cost.params, len(to_bytes(network, header)), graph(architecture).peak_activation_bytes)


@dataclass(frozen=True)
class Pruned:
    """What became of a network. Accuracies are fractions of the validation images; None: it was not measured.

    path: the folder of the result; None: of a plan alone. widths: of each layer with filters that stayed its channels
    before and after. timed: where milliseconds were measured.
    """

    path: Path | None
    name: str
    plan: Plan
    before: Cost
    after: Cost
    widths: tuple[tuple[str, int, int], ...]
    accuracy_before: float | None
    accuracy_pruned: float | None
    accuracy: float | None
    epochs: int
    budgets: tuple[Budget, ...]
    multipliers: tuple[Multiplied, ...]
    multiplier_latencies_ms: tuple[float, ...]
    timed: str
    finished: bool
    run: Run | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        latencies = self.multiplier_latencies_ms or (None,) * len(self.multipliers)
        return {
            "run": None if self.path is None else str(self.path),
            "name": self.name,
            "before": asdict(self.before),
            "after": asdict(self.after),
            "widths": [dict(zip(("row", "before", "after"), each, strict=True)) for each in self.widths],
            "blocks": list(self.plan.blocks),
            "accuracy_before": self.accuracy_before,
            "accuracy_pruned": self.accuracy_pruned,
            "accuracy": self.accuracy,
            "epochs": self.epochs,
            "budgets": [asdict(budget) for budget in self.budgets],
            "multipliers": [
                each.to_dict() | {"latency_ms": milliseconds}
                for each, milliseconds in zip(self.multipliers, latencies, strict=True)
            ],
            "timed": self.timed,
            "machine": machine().to_dict(),
            "finished": self.finished,
        }


def widths_of(before: Architecture, after: Architecture, blocks: tuple[str, ...]) -> tuple[tuple[str, int, int], ...]:
    """Of each layer that makes channels, those of before and after. blocks: what is gone whole."""
    layers = before.without(*blocks).layers if blocks else before.layers
    return tuple(
        (old.path, old.out_shape.channels, new.out_shape.channels)
        for old, new in zip(layers, after.layers, strict=True)
        if isinstance(old.row, MIXING)
    )


def result(
    original: Network,
    small: Network,
    header: Header,
    folder: Path | None,
    plan: Plan,
    before: Cost,
    progress: Progress,
    budgets: tuple[Budget, ...],
    run: Run | None,
) -> Pruned:
    """The result, timed beside the original and the multipliers where the engine is here. run: of the training."""
    architecture, timing = small.architecture, progress.request.timing
    after = cost_of(small, header)
    if folder is not None and (folder / MODEL).exists():
        after = replace(after, size_bytes=(folder / MODEL).stat().st_size)
    others = multiplied(original.architecture, after.macs)
    times: list[float] = []
    if folder is not None and (run is None or run.finished) and is_installed(timing.engine):
        times = timing.milliseconds([original.architecture, architecture, *(each.architecture for each in others)])
        before, after = (replace(cost, latency_ms=ms) for cost, ms in zip((before, after), times[:2], strict=True))
    last = progress.rounds[-1].accuracy if progress.rounds else None
    accuracy = last if folder is not None and not progress.request.finetune else None
    if run is not None and run.validation is not None:
        accuracy = run.validation.accuracy
    return Pruned(
        path=folder,
        name=architecture.name,
        plan=plan,
        before=before,
        after=after,
        widths=widths_of(original.architecture, architecture, plan.blocks),
        accuracy_before=progress.accuracy,
        accuracy_pruned=last,
        accuracy=accuracy,
        epochs=0 if run is None else len(run.log),
        budgets=budgets,
        multipliers=others,
        multiplier_latencies_ms=tuple(times[2:]),
        timed=str(timing) if times else "",
        finished=run is None or run.finished,
        run=run,
    )
