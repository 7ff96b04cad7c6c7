"""The progress of a run: its clock, log.csv, and lines for a terminal."""

import time
from pathlib import Path

from leannet.console import duration
from leannet.files import write_whole
from leannet.run_files import LOG, MODEL
from leannet.training.state import TrainState
from leannet.training.task import Result


class Clock:
    """Images per second and time left, from the batches since this process began.

    limit: seconds that the run may take in total, of which `spent` were in earlier processes; None: no limit.
    """

    def __init__(self, total: int, done: int, limit: float | None = None, spent: float = 0.0):
        self.total, self.done, self._first = total, done, done
        self.limit, self._spent = limit, spent
        self._began = self._saved = time.perf_counter()
        self._images = 0

    def tick(self, images: int) -> None:
        """One more batch."""
        self.done += 1
        self._images += images

    def since_save(self) -> float:
        """Seconds since the state was last saved."""
        return time.perf_counter() - self._saved

    def saved(self) -> None:
        """Notes that the state has been saved now."""
        self._saved = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds in total, including earlier processes."""
        return self._spent + time.perf_counter() - self._began

    @property
    def is_up(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and self.spent >= self.limit

    @property
    def progress(self) -> tuple[int, int]:
        """What is done and the total: in batches, or in seconds if the run has a time limit."""
        return (self.done, self.total) if self.limit is None else (round(self.spent), round(self.limit))

    @property
    def left(self) -> float:
        """Seconds to the end."""
        if self.limit is not None:
            return max(0.0, self.limit - self.spent)
        elapsed = time.perf_counter() - self._began
        return elapsed / max(self.done - self._first, 1) * (self.total - self.done)

    @property
    def rate(self) -> float:
        """Images per second since this process began."""
        return self._images / max(time.perf_counter() - self._began, 1e-9)


def log_epoch(run: Path, state: TrainState, result: Result, rate: float) -> None:
    """Adds a line to log.csv."""
    state.log.append(
        {
            "epoch": state.epoch + 1,
            "train_loss": state.loss_sum / state.seen,
            "train_accuracy": state.correct / state.seen,
            "validation_loss": result.loss,
            "validation_accuracy": result.accuracy,
            "learning_rate": rate,
            "seconds": state.seconds,
            "images_per_s": state.seen / max(state.seconds, 1e-9),
        }
    )
    lines = [",".join(state.log[0]), *(",".join(f"{value:.6g}" for value in line.values()) for line in state.log)]
    write_whole(run / LOG, ("\n".join(lines) + "\n").encode())


def note(state: TrainState, clock: Clock) -> str:
    """The text of the live line."""
    return (
        f"loss {state.loss_sum / state.seen:.3f}  accuracy {100 * state.correct / state.seen:.1f} %  "
        f"{clock.rate:.0f} images/s  {duration(clock.left)} left"
    )


def epoch_line(state: TrainState, epochs: int | None, clock: Clock, best: bool) -> str:
    """The line at the end of an epoch. epochs: None: the run has a time limit."""
    last = state.log[-1]
    total = f"/{epochs}" if epochs else ""
    return (
        f"epoch {last['epoch']:>3}{total}  loss {last['train_loss']:.3f}  "
        f"training {100 * last['train_accuracy']:.1f} %  validation {100 * last['validation_accuracy']:.1f} %  "
        f"{last['images_per_s']:.0f} images/s  {duration(clock.left)} left{'  best so far' if best else ''}"
    )


def saved_checkpoint(run: Path) -> str:
    """Which checkpoint is left when a run fails."""
    best = run / MODEL
    return f"{best} holds the best epoch so far" if best.exists() else "no checkpoint was saved"
