"""The state for resuming, in one file that is replaced whole: weights, optimizer, and progress. No pickles."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor, nn

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.header import Header, parse_header
from leannet.retired import EMA_PREFIX, current_state
from leannet.run_files import LAST, MODEL, STATE
from leannet.training.ema import EMA


@dataclass
class TrainState:
    """The progress of a run: `step` batches of epoch `epoch` are done."""

    epoch: int = 0
    step: int = 0
    seen: int = 0  # since the last evaluation: images trained on, ...
    correct: int = 0  # ... of them correct, ...
    loss_sum: float = 0.0  # ... the sum of their losses, ...
    seconds: float = 0.0  # ... and time spent
    spent: float = 0.0  # seconds in total, of a run with a time limit
    best_rank: list[float] | None = None  # None: no epoch is done
    stale: int = 0  # epochs since the best
    not_evaluated: int = 0  # epochs since the last evaluation
    threads: int | None = None  # of a step on the processor; None: of an older run
    scaler: dict[str, Any] | None = None  # of the loss in float16
    ended: bool = False  # before its last epoch, by its time limit or its patience
    log: list[dict[str, float]] = field(default_factory=list)

    def add(self, mean_loss: float, correct: float, seen: int) -> None:
        """Adds a step: the mean loss of its images, the number of correct ones, and the number of images."""
        self.step += 1
        self.seen += seen
        self.correct += int(correct)
        self.loss_sum += mean_loss * seen

    def rank(self, rank: Sequence[float], patience: int | None) -> bool:
        """Compares an epoch with the best so far; larger ranks are better. Returns whether it is the best.

        patience: the number of epochs without a better one after which the run ends.
        """
        best = self.best_rank is None or len(rank) != len(self.best_rank) or list(rank) > self.best_rank
        self.stale = 0 if best else self.stale + self.not_evaluated + 1
        self.ended = self.ended or (patience is not None and self.stale >= patience)
        if best:
            self.best_rank = list(rank)
        return best

    def next_epoch(self, evaluated: bool = True) -> None:
        """Moves to the start of the next epoch. evaluated: whether this one was; if not, the counts go on."""
        self.epoch, self.step, self.not_evaluated = self.epoch + 1, 0, self.not_evaluated + 1
        if evaluated:
            self.seen, self.correct, self.loss_sum, self.seconds, self.not_evaluated = 0, 0, 0.0, 0.0, 0


@dataclass(frozen=True)
class SavedState:
    """The contents of a state file. header: that of the run's checkpoints."""

    header: Header
    state: TrainState
    tensors: dict[str, Tensor]
    groups: list[dict[str, Any]]
    plain: dict[str, dict[str, Any]]

    @classmethod
    def of(
        cls,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        state: TrainState,
        header: Header,
        ema: EMA | None = None,
    ) -> "SavedState":
        """What resuming needs of a training."""
        tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
        if ema is not None:
            tensors |= {f"ema.{name}": value for name, value in ema.state().items()}
        plain: dict[str, dict[str, Any]] = {}
        optimizer_state = optimizer.state_dict()
        for index, values in optimizer_state["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{index}.{name}"] = value
                elif value is not None:
                    plain.setdefault(str(index), {})[name] = value
        return cls(header, state, tensors, optimizer_state["param_groups"], plain)

    def write(self, run: Path) -> None:
        """Writes the state file of a run. It is replaced whole or not at all."""
        metadata = {
            "state": asdict(self.state),
            "groups": self.groups,
            "plain": self.plain,
            "header": self.header.to_dict(),
        }
        (run / STATE).parent.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.tensors.items()}
        write_whole(run / STATE, serialize(tensors, {"state": json.dumps(metadata)}))

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA | None = None) -> None:
        """Restores the network, the optimizer and the EMA."""
        if ema is not None:
            ema.restore(_under("ema.", self.tensors) or _under(EMA_PREFIX, self.tensors))
        network.load_state_dict(_under("network.", self.tensors))
        state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in self.plain.items()}
        for key, value in _under("optimizer.", self.tensors).items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": self.groups})
        # The file has plain layouts, and torch's fused optimizers pair numbers by their place in memory
        # (findings/torch_fused_optimizers_ignore_strides.sh).
        for parameter, values in optimizer.state.items():
            for name, value in values.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def find_state(run: Path) -> Path:
    """The state file of a run. Raises LeannetError if there is none."""
    path = run / STATE
    if not path.exists():
        raise LeannetError(f"{run}: expected a run that can be resumed ({STATE}), found none")
    return path


def load_state(run: Path) -> SavedState:
    """The saved state of a run. Raises LeannetError if there is none, or it is damaged."""
    path = find_state(run)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = current_state(json.loads(file.metadata()["state"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        header = parse_header(metadata["header"], path)
        return SavedState(header, TrainState(**metadata["state"]), tensors, metadata["groups"], metadata["plain"])
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        checkpoints = [name for name in (MODEL, LAST) if (run / name).exists()]
        consequence = (
            f"{' and '.join(checkpoints)} {'is' if len(checkpoints) == 1 else 'are'} still there"
            if checkpoints
            else "no weights were saved"
        )
        raise LeannetError(f"{path}: damaged ({error}); {consequence}") from None


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
