"""What a training keeps: the files of a run folder. Without a folder it keeps nothing but its network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leannet.checkpoint import save
from leannet.data.dataset import Dataset
from leannet.evaluation.decisions import write_decisions
from leannet.evaluation.skipped import Decisions
from leannet.files import write_whole
from leannet.header import Header
from leannet.network import Network
from leannet.run_files import DECISIONS, LAST, LOG, MODEL, PREDICTIONS
from leannet.tasks import Task
from leannet.training.learner import Learner
from leannet.training.state import SavedState, TrainState


@dataclass(frozen=True)
class Keeper:
    """Writes into a run folder, from the main process alone. None: nowhere."""

    run: Path | None
    is_main_process: bool

    @property
    def folder(self) -> Path | None:
        """Where this process writes."""
        return self.run if self.is_main_process else None

    def state(self, learner: Learner, state: TrainState, header: Header) -> None:
        """What resuming needs."""
        if self.folder is not None:
            SavedState.of(learner.network, learner.optimizer, state, header, learner.ema).write(self.folder)

    def last(self, network: Network, header: Header) -> None:
        """The newest weights."""
        if self.folder is not None:
            save(self.folder / LAST, network, header)

    def best(self, network: Network, header: Header) -> None:
        """The best weights so far."""
        if self.folder is not None:
            save(self.folder / MODEL, network, header)

    def predictions(self, task: Task, predictions: Any, images: Dataset, decisions: Decisions) -> None:
        """Those of the best weights, for the validation images, and what its gates decided, if there are any."""
        if self.folder is not None:
            task.write(self.folder / PREDICTIONS, predictions, images)
            if decisions:
                write_decisions(self.folder / DECISIONS, images.names, decisions)

    def log(self, state: TrainState) -> None:
        """A line for each epoch that was evaluated."""
        if self.folder is not None:
            lines = [",".join(f"{value:.6g}" for value in line.values()) for line in state.log]
            write_whole(self.folder / LOG, ("\n".join([",".join(state.log[0]), *lines]) + "\n").encode())

    @property
    def what_is_left(self) -> str:
        """Which checkpoint is left when a training fails."""
        best = None if self.run is None else self.run / MODEL
        return (
            f"{best} holds the best epoch so far" if best is not None and best.exists() else "no checkpoint was saved"
        )
