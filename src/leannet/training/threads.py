"""The number of threads of a training step, chosen by timing.

The threads of a step meet after each layer. Where layers are small, or other processes crowd the cores, they wait for
each other longer than they compute, and one thread is faster. What is fastest changes with what else the machine does,
so it is measured again at the end of an epoch. Sums of several threads are added in another order than those of one,
so a training is the same to the last bit only with the same number: --threads sets it.
"""

import os
import time
from statistics import median
from typing import Self

import torch

from leannet.console import Console
from leannet.rows import Architecture
from leannet.training import processes
from leannet.training.pace import Steps
from leannet.training.settings import Settings

ROUNDS = 3  # steps of each number of threads, in turns
LONG_STEP = 0.25  # seconds, from which on more threads are always faster
CLEARLY = 1.1  # times as fast: what is nearer is no reason to change
PAUSE = 50  # times what choosing took, until it is chosen anew


class Threads:
    """Sets torch's number of threads until the end of a `with` block. number: the current one."""

    def __init__(self, architecture: Architecture, settings: Settings, console: Console, number: int | None = None):
        """number: that of a run that goes on; None: a new run."""
        self._architecture, self._settings, self._console = architecture, settings, console
        self._options = sorted({1, torch.get_num_threads()}) if _are_open(settings) else []
        self._next = 0.0  # when it is chosen anew
        self._before = torch.get_num_threads()
        if settings.threads or number:
            torch.set_num_threads(settings.threads or number or 1)
        self.number = torch.get_num_threads()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self._before)

    def choose(self) -> None:
        """Times a few steps with each number, and changes to one that is clearly faster."""
        began = time.perf_counter()
        if len(self._options) < 2 or began < self._next:
            return
        if (seconds := self._time()) is not None:
            best = min(seconds, key=lambda number: seconds[number])
            gain = seconds[self.number] / seconds[best]
            if gain >= CLEARLY:
                words = f"{best} thread{'' if best == 1 else 's'}"
                self._console.say(f"  {words} from now on: {gain:.1f} times as fast as {self.number} at the moment")
                self.number = best
            torch.set_num_threads(self.number)
        else:
            self._options = []
        self._next = time.perf_counter() + PAUSE * (time.perf_counter() - began)

    def _time(self) -> dict[int, float] | None:
        """Seconds of a step with each number of threads. None: a step takes so long that more are faster."""
        steps = Steps(self._architecture, self._settings)
        seconds: dict[int, list[float]] = {number: [] for number in reversed(self._options)}
        for _ in range(1 + ROUNDS):  # the first steps take longer
            for number, times in seconds.items():
                torch.set_num_threads(number)
                times.append(steps.step())
                if number == max(self._options) and times[-1] > LONG_STEP:
                    torch.set_num_threads(self.number)
                    return None
        return {number: median(times[1:]) for number, times in seconds.items()}


def _are_open(settings: Settings) -> bool:
    """Whether the number of threads is for leannet to choose: of one process, on the processor, where nobody has."""
    chosen = settings.threads or "OMP_NUM_THREADS" in os.environ or "MKL_NUM_THREADS" in os.environ
    return not chosen and processes.world() == 1 and (settings.cpu or not torch.accelerator.is_available())
