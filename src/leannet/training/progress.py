"""The progress of a run: its clock, its log, and lines for a terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from leannet.console import duration
from leannet.tasks import Result, Task
from leannet.training.settings import Settings
from leannet.training.state import TrainState

WARM_UP = 3  # batches, which take longer than later ones
ESTIMATE_SECONDS = 4  # of batches that say how long a run takes
LONG = 600  # seconds, from which on a word says how to make it shorter
FIRST = 0.2  # of the time of a run with a limit, before which it is not evaluated
EVALUATION_SHARE = 0.05  # of it that evaluations may take, ...
LAST = 0.9  # ... and after this part of it, when the weights to keep are made, as long as it trains; ...
LAST_FEW = 3  # ... or from when on so many evaluations fit, each with its epoch, and the last one after them
SET_ASIDE = 0.2  # of a limit, which is kept for the last evaluation at most
FORWARD = 2  # images evaluated in the time of one trained


class Clock:
    """Images per second and time left, from the batches since this process began.

    limit: seconds that the run may take in total, of which `spent` were in earlier processes; None: no limit. work:
    what a share of the run costs, both 0 to 1; None: all batches cost the same. set_aside: seconds of the limit that
    the last evaluation takes, to be kept up to date.
    """

    def __init__(
        self,
        total: int,
        done: int,
        limit: float | None = None,
        spent: float = 0.0,
        work: Callable[[float], float] | None = None,
    ):
        self.total, self.done, self._first = total, done, done
        self.limit, self._spent, self._work = limit, spent, work
        self._began = self._saved = self._warm = time.perf_counter()
        self._images = 0
        self.set_aside = 0.0

    def tick(self, images: int) -> None:
        """One more batch."""
        self.done += 1
        self._images += images
        if self.done == self._first + WARM_UP:
            self._warm = time.perf_counter()

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
    def end(self) -> float:
        """The seconds after which no more steps are taken, of a run with a limit."""
        assert self.limit is not None
        return self.limit - min(self.set_aside, SET_ASIDE * self.limit)

    @property
    def share(self) -> float:
        """What is spent of the seconds until the end; 0 without a limit."""
        return 0.0 if self.limit is None else self.spent / self.end

    @property
    def is_up(self) -> bool:
        """Whether the end is reached."""
        return self.share >= 1

    @property
    def progress(self) -> tuple[int, int]:
        """What is done and the total: in batches, or in seconds if the run has a time limit."""
        return (self.done, self.total) if self.limit is None else (round(self.spent), round(self.limit))

    @property
    def left(self) -> float:
        """Seconds to the end."""
        if self.limit is not None:
            return max(0.0, self.limit - self.spent)
        return self._seconds_of_work(self._first, self._began) * (1 - self._done_of_work(self.done))

    def estimate(self, at_last: bool = False) -> float | None:
        """Seconds of all batches of the run, by those after the first few. None: it is too early to say, or too late.

        at_last: whether any batch is enough, since the first epoch is at its end.
        """
        if self.limit is not None or self._first:
            return None
        if self.done <= WARM_UP:
            return self._seconds_of_work(0, self._began) if at_last and self.done else None
        if not at_last and time.perf_counter() - self._warm < ESTIMATE_SECONDS:
            return None
        return self._seconds_of_work(WARM_UP, self._warm)

    def _seconds_of_work(self, first: int, since: float) -> float:
        """Seconds of the whole run, by its batches after the first ones."""
        done = self._done_of_work(self.done) - self._done_of_work(first)
        return (time.perf_counter() - since) / max(done, 1e-9)

    def _done_of_work(self, batches: int) -> float:
        share = batches / max(self.total, 1)
        return share if self._work is None else self._work(share)

    @property
    def rate(self) -> float:
        """Images per second since this process began."""
        return self._images / max(time.perf_counter() - self._began, 1e-9)


class Evaluations:
    """When to evaluate: every so many epochs; with a time limit as often as a twentieth of it allows, and near the end,
    when the weights to keep are made, as long as it trains, so that there are three to choose from.

    images: of an evaluation, by which its time is guessed before the first.
    """

    def __init__(self, settings: Settings, images: int = 0):
        self._settings, self._images = settings, images
        self._ended_at = self._seconds = 0.0  # of the last one: when it ended, and how long it took
        self._epoch_began = 0.0

    def are_due(self, state: TrainState, clock: Clock) -> bool:
        """Whether the epoch that has just ended is evaluated. The last one of a run always is."""
        settings = self._settings
        if state.ended or (settings.time is None and state.epoch + 1 == settings.epochs):
            return True
        if settings.evaluate_every is not None:
            return (state.epoch + 1) % settings.evaluate_every == 0
        if settings.time is None:
            return True
        spent = clock.spent
        epoch, self._epoch_began = spent - self._epoch_began, spent
        if not self._ended_at and spent < FIRST * settings.time:
            return False
        seconds = self.seconds(clock)
        if spent + seconds > clock.end:  # no step would be left to take before the last one
            return False
        is_near = spent >= min(LAST * clock.end, clock.end - LAST_FEW * (seconds + epoch))
        return spent - self._ended_at >= seconds / (1 if is_near else EVALUATION_SHARE)

    def seconds(self, clock: Clock) -> float:
        """What an evaluation takes: the last one, or guessed before the first."""
        return self._seconds if self._ended_at else self._images / max(FORWARD * clock.rate, 1e-9)

    def seconds_of_all(self, clock: Clock) -> float:
        """What the evaluations of a run without a time limit take, guessed before the first."""
        return self._settings.epochs / (self._settings.evaluate_every or 1) * self.seconds(clock)

    @contextmanager
    def timed(self, clock: Clock) -> Iterator[None]:
        """An evaluation, whose time says when the next one is due."""
        began = clock.spent
        yield
        self._ended_at = self._epoch_began = clock.spent
        self._seconds = self._ended_at - began


def log_epoch(state: TrainState, task: Task, result: Result, rate: float, charge: float | None = None) -> None:
    """Adds a line to the log. charge: what the decisions of gates cost beside the loss."""
    has_threads = state.threads is not None and (not state.log or "threads" in state.log[0])  # older runs have none
    state.log.append(
        {
            "epoch": state.epoch + 1,
            "train_loss": state.loss_sum / state.seen,
            task.trained: state.correct / state.seen,
            **result.logged,
            **({} if charge is None else {"validation_charge": charge}),
            "learning_rate": rate,
            "seconds": state.seconds,
            "images_per_s": state.seen / max(state.seconds, 1e-9),
            **({"threads": float(state.threads or 0)} if has_threads else {}),
        }
    )


def note(state: TrainState, clock: Clock) -> str:
    """The text of the live line."""
    return (
        f"loss {state.loss_sum / state.seen:.3f}  accuracy {100 * state.correct / state.seen:.1f} %  "
        f"{clock.rate:.0f} images/s  {duration(clock.left)} left"
    )


def estimate_line(seconds: float, epochs: int, rate: float, may_grow: bool = True) -> str:
    """How long a run will take, and from ten minutes on what would make it shorter. rate: images per second. may_grow:
    whether images could be smaller at first that are not yet."""
    line = f"about {duration(seconds)} for all {epochs} epochs, at {rate:.0f} images/s"
    if seconds < LONG:
        return line
    growing = " --progressive-resizing 0.5," if may_grow else ""
    return f"{line}; shorter: --time 10m, fewer --epochs,{growing} a smaller --resolution or --width"


def epoch_line(state: TrainState, task: Task, result: Result, epochs: int | None, clock: Clock, best: bool) -> str:
    """The line at the end of an epoch. epochs: None: the run has a time limit."""
    last = state.log[-1]
    total = f"/{epochs}" if epochs else ""
    return (
        f"epoch {last['epoch']:>3}{total}  loss {last['train_loss']:.3f}  "
        f"training {100 * last[task.trained]:.1f} %  {result.short()}  "
        f"{last['images_per_s']:.0f} images/s  {duration(clock.left)} left{'  best so far' if best else ''}"
    )
