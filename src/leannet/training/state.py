"""What resuming needs, in one file that is replaced whole: weights, optimizer, and where the run stands. No pickles."""

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
    """Where a run stands: `step` batches of epoch `epoch` are done."""

    epoch: int = 0
    step: int = 0
    seen: int = 0  # in this epoch: images, ...
    correct: int = 0  # ... of them correct, ...
    loss_sum: float = 0.0  # ... the sum of their losses, ...
    seconds: float = 0.0  # ... and time spent
    spent: float = 0.0  # seconds in all, where the run has a clock
    best_rank: list[float] | None = None  # None: no epoch is done
    stale: int = 0  # epochs since the best
    scaler: dict[str, Any] | None = None  # of float16's loss, where there is one
    ended: bool = False  # before its last epoch: its time was up, or its patience
    log: list[dict[str, float]] = field(default_factory=list)

    def add(self, mean_loss: float, correct: float, seen: int) -> None:
        """One more step: the mean loss of its images, how many of them were correct, and how many there were."""
        self.step += 1
        self.seen += seen
        self.correct += int(correct)
        self.loss_sum += mean_loss * seen

    def rank(self, rank: Sequence[float], patience: int | None) -> bool:
        """Compares an epoch, by figures of which larger ones are better. Returns whether it is the best yet.

        patience: epochs without a better one, after which the run ends.
        """
        best = self.best_rank is None or list(rank) > self.best_rank
        self.stale = 0 if best else self.stale + 1
        self.ended = self.ended or self.stale == patience
        if best:
            self.best_rank = list(rank)
        return best

    def next_epoch(self) -> None:
        """Moves to the start of the next epoch."""
        self.epoch, self.step, self.seen, self.correct, self.loss_sum, self.seconds = self.epoch + 1, 0, 0, 0, 0.0, 0.0


def save_state(
    run: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: TrainState,
    header: Header,
    ema: EMA | None = None,
) -> None:
    """Writes what resuming needs. The file is the old one or all of the new one."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    if ema is not None:
        tensors |= {f"ema.{name}": value for name, value in ema.state().items()}
    plain: dict[str, dict[str, Any]] = {}
    saved = optimizer.state_dict()
    for index, values in saved["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            elif value is not None:
                plain.setdefault(str(index), {})[name] = value
    words = {"state": asdict(state), "groups": saved["param_groups"], "plain": plain, "header": header.to_dict()}
    (run / STATE).parent.mkdir(exist_ok=True)
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_whole(run / STATE, serialize(tensors, {"state": json.dumps(words)}))


@dataclass(frozen=True)
class SavedState:
    """A state file as it was read. `header` is that of the run's checkpoints."""

    header: Header
    state: TrainState
    tensors: dict[str, Tensor]
    groups: list[dict[str, Any]]
    plain: dict[str, dict[str, Any]]

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA | None = None) -> None:
        """Puts the network, the optimizer and the EMA back."""
        if ema is not None:
            ema.restore(_under("ema.", self.tensors) or _under(EMA_PREFIX, self.tensors))
        network.load_state_dict(_under("network.", self.tensors))
        state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in self.plain.items()}
        for key, value in _under("optimizer.", self.tensors).items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": self.groups})


def find_state(run: Path) -> Path:
    """The file of a run that resuming needs. Raises LeannetError where there is none."""
    path = run / STATE
    if not path.exists():
        raise LeannetError(f"{run}: expected a run that can be resumed ({STATE}), found none")
    return path


def load_state(run: Path) -> SavedState:
    """What a run left for resuming. Raises LeannetError where there is nothing, or it is damaged."""
    path = find_state(run)
    try:
        with safe_open(path, framework="pt") as opened:
            words = current_state(json.loads(opened.metadata()["state"]))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (no mapping)
        header = parse_header(words["header"], path)
        return SavedState(header, TrainState(**words["state"]), tensors, words["groups"], words["plain"])
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        left = [name for name in (MODEL, LAST) if (run / name).exists()]
        still = (
            f"{' and '.join(left)} {'is' if len(left) == 1 else 'are'} still there" if left else "no weights were saved"
        )
        raise LeannetError(f"{path}: damaged ({error}); {still}") from None


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
