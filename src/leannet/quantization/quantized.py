"""The result of `quantize`: what integers cost and save, and the noise of each layer."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from leannet.artifact.checking import EngineCheck
from leannet.quantization.comparison import Comparison, Criterion, decibels
from leannet.runtime import Latency, Machine
from leannet.tasks import Result

NOT_FASTER = 0.95  # of float's time: what is nearer to it is no gain to count on


@dataclass(frozen=True)
class LayerNoise:
    """What one layer alone does to the outputs as integers."""

    path: str
    kind: str
    noise: float  # mean square of the change of the outputs over their variance

    @property
    def decibels(self) -> float:
        """The outputs over that noise."""
        return decibels(self.noise)


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """What integers cost and save. `path` None: they cost too much, and nothing was written."""

    cost: Comparison
    path: Path | None
    engine: str
    machine: Machine
    bits: int  # of the weights
    calibrated_on: int
    max_drop: float
    min_agreement: float
    float_layers: tuple[str, ...]  # those that were not quantized, by path
    layer_count: int  # of those that can become integers
    layers: tuple[LayerNoise, ...]  # each alone; empty: not measured
    size_bytes_before: int
    size_bytes_after: int
    decided_by: Criterion = "accuracy"
    latency_before: Latency | None = None  # not measured
    latency_after: Latency | None = None
    checks: tuple[EngineCheck, ...] = ()
    finetuned_epochs: int = 0

    @property
    def allowed(self) -> bool:
        """Whether it costs no more than was allowed."""
        return self.cost.within(self.max_drop, self.min_agreement, self.decided_by)

    @property
    def before(self) -> Result:
        """The scores of the float network."""
        return self.cost.scores[0]

    @property
    def after(self) -> Result:
        """Those of the integers."""
        return self.cost.scores[1]

    @property
    def drop(self) -> float:
        """Points lost: of accuracy, or of AP."""
        return self.cost.drop

    @property
    def faster(self) -> bool | None:
        """Whether the integers take clearly less time than float in this engine here. None: not measured."""
        if self.latency_before is None or self.latency_after is None:
            return None
        return self.latency_after.median_ms < NOT_FASTER * self.latency_before.median_ms

    @property
    def notes(self) -> list[str]:
        """What a person should know: images that are too few, and integers that are not faster; a line each."""
        notes = [self.cost.note(self.max_drop)] if self.decided_by == "noise" else []
        if self.faster is False:
            notes.append(
                "not faster than float in this engine on this machine: worth it for the size alone; for speed, "
                "leannet export RUN --fastest times every engine and precision here"
            )
        return notes

    def line(self) -> str:
        """What it costs, by what decides."""
        return self.cost.line(self.max_drop, self.decided_by)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "path": str(self.path) if self.path else None,
            "engine": self.engine,
            "machine": self.machine.to_dict(),
            "bits": self.bits,
            "calibrated_on": self.calibrated_on,
            "finetuned_epochs": self.finetuned_epochs,
            "decided_by": self.decided_by,
            **self.cost.to_dict(self.max_drop),
            "max_drop_points": self.max_drop,
            "min_agreement": self.min_agreement,
            "size_bytes_before": self.size_bytes_before,
            "size_bytes_after": self.size_bytes_after,
            "latency_before": self.latency_before.to_dict() if self.latency_before else None,
            "latency_after": self.latency_after.to_dict() if self.latency_after else None,
            "faster_than_float": self.faster,
            "notes": self.notes,
            "float_layers": list(self.float_layers),
            "layer_count": self.layer_count,
            "layers": [
                asdict(layer) | {"decibels": layer.decibels, "kept_float": layer.path in self.float_layers}
                for layer in self.layers
            ],
            "checks": [check.to_dict() for check in self.checks],
        }
