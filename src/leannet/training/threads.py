"""The number of threads of a training step, chosen by timing.

The threads of a step meet after each layer. Where layers are small, or other processes crowd the cores, they wait for
each other longer than they compute, and one thread is faster. What is fastest changes with what else the machine does,
so it is measured again at the end of an epoch. Sums of several threads are added in another order than those of one,
so a training is the same to the last bit only with the same number: --threads sets it.
"""

import time
from statistics import median
from typing import Self

import torch

from leannet.console import Console
from leannet.rows import Architecture
from leannet.training.pace import Steps, thread_numbers
from leannet.training.settings import Settings

ROUNDS = 3  # steps of each number of threads, in turns
FEW_IMAGES = 8  # of a first step, which says how many take no longer than ...
LONG_STEP = 0.25  # ... so many seconds
CLEARLY = 1.1  # times as fast: what is nearer is no reason to change
PAUSE = 50  # times what choosing took, until it is chosen anew


class Threads:
    """Sets torch's number of threads until the end of a `with` block. number: the current one."""

    def __init__(self, architecture: Architecture, settings: Settings, console: Console, number: int | None = None):
        """number: that of a run that goes on; None: a new run."""
        self._architecture, self._settings, self._console = architecture, settings, console
        self._options = thread_numbers(settings)
        self._next = 0.0  # when it is chosen anew
        self._before = torch.get_num_threads()
        if settings.threads or number:
            torch.set_num_threads(settings.threads or number or 1)
        self.number = torch.get_num_threads()
        if self._options:  # a run may go on where there are other cores
            self._options = sorted({*self._options, self.number})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self._before)

    def choose(self) -> None:
        """Times a few steps with each number, and changes to one that is clearly faster."""
        began = time.perf_counter()
        if len(self._options) < 2 or began < self._next:
            return
        seconds = self._time()
        best = min(seconds, key=lambda number: seconds[number])
        gain = seconds[self.number] / seconds[best]
        if gain >= CLEARLY:
            words = f"{best} thread{'' if best == 1 else 's'}"
            self._console.say(f"  {words} from now on: {gain:.1f} times as fast as {self.number} at the moment")
            self.number = best
        torch.set_num_threads(self.number)
        self._next = time.perf_counter() + PAUSE * (time.perf_counter() - began)

    def _time(self) -> dict[int, float]:
        """Seconds of a step with each number of threads; of one with fewer images where a whole one takes long."""
        seconds: dict[int, list[float]] = {number: [] for number in reversed(self._options)}
        torch.set_num_threads(max(self._options))
        batch = self._settings.batch_size
        few = min(FEW_IMAGES, batch)
        of_few = Steps(self._architecture, self._settings, few)
        of_few.step()  # the first one takes longer
        images = round(few * LONG_STEP / of_few.step())
        steps = Steps(self._architecture, self._settings, None if images >= batch else max(images, 2))
        for _ in range(1 + ROUNDS):
            for number, times in seconds.items():
                torch.set_num_threads(number)
                times.append(steps.step())
        return {number: median(times[1:]) for number, times in seconds.items()}
