"""Latency that can be compared: of warm runs, in turns, the median of many."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

Name = TypeVar("Name")
WARM_SECONDS = 0.004  # threads that sleep need several runs to wake, and those of others spin on for a while


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
    rest: float = 0.0,
) -> dict[Name, Latency]:
    """The latency of each candidate, in turns, so that a machine that drifts does so for all of them.

    Every turn times each candidate once (`warm_ms`), in random order, so that none always follows the same one.
    seconds: for all of them together; at least `least_runs` turns are made. between: called after each candidate's
    turn, to show progress. rest: seconds to wait before each turn of a candidate, where another engine's threads may
    still spin.
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
            if rest:
                time.sleep(rest)
            times[names[index]].append(warm_ms(candidates[names[index]]))
            if between is not None:
                between()
    return {name: summarize(values) for name, values in times.items()}


def warm_ms(run: Callable[[], object]) -> float:
    """Milliseconds of a run that others of its kind precede, so that caches hold its weights and threads are awake."""
    began = time.perf_counter()
    while True:
        run()
        start = time.perf_counter()
        if start - began >= WARM_SECONDS:
            break
    run()
    return 1e3 * (time.perf_counter() - start)


def summarize(times_ms: list[float]) -> Latency:
    """The quartiles of measured milliseconds."""
    p25, median, p75, p90 = (float(value) for value in np.percentile(times_ms, (25, 50, 75, 90)))
    return Latency(median, p25, p75, p90, len(times_ms))
