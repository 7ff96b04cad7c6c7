"""steps.csv: a line a step, as the loop goes; after a kill and a resume as if it had never been killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from leannet.files import write_whole
from leannet.run_files import STEPS

COLUMNS = ("step", "epoch", "loss", "accuracy", "learning_rate")


class StepLog:
    """Where lines are added. Without a file nothing is written."""

    def __init__(self, file: TextIO | None):
        self._file = file

    def add(self, step: int, epoch: int, loss: float, accuracy: float, rate: float) -> None:
        """One step, counted from 1 over the whole run: the batch's mean loss and its accuracy, 0 to 1, in training."""
        if self._file is not None:
            self._file.write(f"{step},{epoch},{loss:.6g},{accuracy:.6g},{rate:.6g}\n")

    def flush(self) -> None:
        """Puts the lines on the disk: before the state that is resumed from, so that none is missing then."""
        if self._file is not None:
            self._file.flush()


@contextmanager
def step_log(run: Path | None, done: int) -> Iterator[StepLog]:
    """The log of a run; None: of none. done: steps that the state knows: what a killed process wrote beyond goes."""
    if run is None:
        yield StepLog(None)
        return
    path = run / STEPS
    lines = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    known = [line for line in lines if line.count(",") == len(COLUMNS) - 1 and int(line.split(",")[0]) <= done]
    write_whole(path, ("\n".join([",".join(COLUMNS), *known]) + "\n").encode())
    with path.open("a", encoding="utf-8") as file:
        yield StepLog(file)
