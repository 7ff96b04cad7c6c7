"""Measuring: in turns, the median, on a clock that the test holds."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, permutations

import pytest

from leannet.errors import LeannetError
from leannet.runtime import engine, machine, measure
from leannet.runtime.quiet import wait_until_quiet


class Clock:
    """Time that passes only when a candidate runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def takes(self, name: str, *seconds: float) -> Callable[[], None]:
        left = list(seconds)

        def run() -> None:
            self.order.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_the_first_run_that_is_warm_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leannet.runtime.latency.WARM_SECONDS", 0.004)
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    # Once before, then (cold, warm) a turn; of b one run is not enough to get warm.
    a, b = clock.takes("a", 9, 5, 0.010, 5, 0.020, 5, 0.060), clock.takes("b", 0.003)
    latencies = measure({"a": a, "b": b}, seconds=1e-9, least_runs=3)
    assert latencies["a"].median_ms == pytest.approx(20)
    assert latencies["a"].runs == 3
    assert latencies["b"].median_ms == pytest.approx(3)
    order = "".join(clock.order)
    assert order[:2] == "ab"
    assert all(order[start : start + 5] in {"aabbb", "bbbaa"} for start in range(2, len(order), 5))


def test_nobody_always_follows_the_same_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four candidates each comes behind each other one, and all about equally often in a place."""
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    measure({name: clock.takes(name, 0.010) for name in "abcd"}, seconds=0, least_runs=200)
    turns = [clock.order[start : start + 8 : 2] for start in range(4, len(clock.order), 8)]
    assert len(turns) == 200
    assert all(sorted(turn) == list("abcd") for turn in turns)
    assert {pair for turn in turns for pair in pairwise(turn)} == set(permutations("abcd", 2))
    assert all(20 < sum(turn[place] == name for turn in turns) < 90 for place in range(4) for name in "abcd")


def test_each_turn_begins_when_the_threads_of_the_one_before_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake engine whose thread computes on for a while after its run, as ONNX Runtime's pool does."""
    monkeypatch.setattr("leannet.runtime.latency.wait_until_quiet", lambda: wait_until_quiet(limit=60))
    computing: list[bool] = []
    with ThreadPoolExecutor(1) as pool:

        def spinning_engine() -> None:
            future = pool.submit(hashlib.pbkdf2_hmac, "sha256", b"", b"", 100_000)  # without the interpreter's lock
            while wait_until_quiet(limit=0) and not future.done():
                pass

        def other_engine() -> None:
            computing.append(not wait_until_quiet(limit=0))

        measure({"spins": spinning_engine, "other": other_engine}, seconds=0, least_runs=6)
    assert len(computing) > 6
    assert not any(computing[1:])  # the first call only loads what is needed, in no turn


def test_time_that_is_up_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    latencies = measure({"a": clock.takes("a", 0.25)}, seconds=10, least_runs=1)
    assert latencies["a"].runs == 21  # of half a second, the first that begins after ten seconds is not made


def test_an_unknown_engine_and_this_machine() -> None:
    with pytest.raises(LeannetError, match="nearest: onnxruntime"):
        engine("onnx")
    assert machine().cores >= 1
    assert machine().processor


def test_a_signal_is_survived_whatever_became_of_openvino_s_networks() -> None:
    """In a process of its own: two networks that end in the order in which they began, then a signal."""
    lines = (
        "import faulthandler, gc, os, signal",
        "faulthandler.enable()",
        "signal.signal(signal.SIGUSR1, lambda *_: print('handled'))",
        "from leannet.runtime import ENGINES, Program",
        "from leannet.zoo import architecture",
        "prepare = lambda: ENGINES['openvino'].prepare(Program(architecture('two_layer_debug')), 1)",
        "first, second = prepare(), prepare()",
        "del first; gc.collect()",
        "del second; gc.collect()",
        "kept = [bytearray(4096) for _ in range(10_000)]",
        "os.kill(os.getpid(), signal.SIGUSR1)",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
