"""Latency that can be compared: of warm runs, in turns, the median of many."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from leannet.runtime.quiet import wait_until_quiet

Name = TypeVar("Name")
WARM_SECONDS = 0.004  # of one thread, for its caches
WARM_SECONDS_OF_SEVERAL = 0.05  # threads that slept share a core at first, LiteRT's for up to 40 ms
TIMED_SHARE = 0.25  # of the time to get warm


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one run of something, over `runs` of them."""

    median_ms: float
    p25_ms: float
    p75_ms: float
    p90_ms: float
    runs: int

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def measure(
    candidates: Mapping[Name, Callable[[], object]],
    seconds: float,
    least_runs: int = 5,
    most_runs: int = 200,
    between: Callable[[], object] | None = None,
    threads: int = 1,
) -> dict[Name, Latency]:
    """The latency of each candidate, in turns, so that a machine that drifts does so for all of them.

    Every turn times each candidate (`warm_ms`), in random order, so that none always follows the same one, and each
    begins when the threads of the one before sleep. seconds: for all of them together; at least `least_runs` turns are
    made. between: called after each candidate's turn, to show progress. threads: that the candidates use.
    """
    names, generator = list(candidates), np.random.default_rng(0)
    times: dict[Name, list[float]] = {name: [] for name in names}
    for name in names:  # warm: allocations, lazy initialisation, caches
        candidates[name]()
    began = time.perf_counter()
    for turn in range(most_runs):
        if turn >= least_runs and time.perf_counter() - began > seconds:
            break
        for index in generator.permutation(len(names)).tolist():
            wait_until_quiet()
            times[names[index]] += warm_ms(candidates[names[index]], threads)
            if between is not None:
                between()
    return {name: summarize(values) for name, values in times.items()}


def warm_ms(run: Callable[[], object], threads: int = 1) -> list[float]:
    """Milliseconds of runs that others of their kind precede: caches hold the weights, threads are awake and apart.

    With one thread it is a run or two, with several some ten milliseconds of runs.
    """
    warm = WARM_SECONDS if threads == 1 else WARM_SECONDS_OF_SEVERAL
    began = time.perf_counter()
    while True:
        run()
        start = time.perf_counter()
        if start - began >= warm:
            break
    times: list[float] = []
    while sum(times) < 1e3 * TIMED_SHARE * warm:
        run()
        now = time.perf_counter()
        times.append(1e3 * (now - start))
        start = now
    return times


def differences(shares: Mapping[str, Mapping[str, float]], times_ms: Mapping[str, float]) -> dict[str, float]:
    """Milliseconds of what is never timed alone: by name so many times those of what is. Noise makes none negative."""
    return {name: max(sum(share * times_ms[timed] for timed, share in of.items()), 0.0) for name, of in shares.items()}


def summarize(times_ms: list[float]) -> Latency:
    """The quartiles of measured milliseconds."""
    p25, median, p75, p90 = (float(value) for value in np.percentile(times_ms, (25, 50, 75, 90)))
    return Latency(median, p25, p75, p90, len(times_ms))
