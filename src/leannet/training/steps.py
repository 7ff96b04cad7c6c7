"""steps.csv: a line per step, written as training goes. A resumed run ends with the same file as an unbroken one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from leannet.files import write_whole
from leannet.run_files import STEPS

COLUMNS = ("step", "epoch", "loss", "accuracy", "learning_rate")


class StepLog:
    """Adds lines to a file. Without one, nothing is written."""

    def __init__(self, file: TextIO | None):
        self._file = file

    def add(self, step: int, epoch: int, loss: float, accuracy: float, rate: float) -> None:
        """Adds a step, counted from 1 over the whole run: its batch's mean training loss and accuracy, 0 to 1."""
        if self._file is not None:
            self._file.write(f"{step},{epoch},{loss:.6g},{accuracy:.6g},{rate:.6g}\n")

    def flush(self) -> None:
        """Writes buffered lines to the file: before the state is saved, so that none is missing after a resume."""
        if self._file is not None:
            self._file.flush()


@contextmanager
def step_log(run: Path | None, done: int) -> Iterator[StepLog]:
    """The log of a run; None: writes nothing. done: steps in the saved state, after which older lines are cut."""
    if run is None:
        yield StepLog(None)
        return
    path = run / STEPS
    lines = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    known = [line for line in lines if line.count(",") == len(COLUMNS) - 1 and int(line.split(",")[0]) <= done]
    write_whole(path, ("\n".join([",".join(COLUMNS), *known]) + "\n").encode())
    with path.open("a", encoding="utf-8") as file:
        yield StepLog(file)
