"""`bench`: how long networks take here, side by side: engines, precisions and threads in turns."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from leannet.artifact.opening import open_artifact
from leannet.cost import count
from leannet.errors import LeannetError, as_items
from leannet.header import is_artifact
from leannet.rows.branches import shipped
from leannet.rows.sides import gates
from leannet.runtime import ENGINES, Latency, Machine, Program, engine, machine, measure, numpy_weights
from leannet.runtime.branching import Branches
from leannet.runtime.engines import is_installed
from leannet.runtime.matrix_rate import matrix_gflops
from leannet.runtime.memory import peak_memory
from leannet.runtime.precisions import REQUIREMENTS, program, runs_in
from leannet.sections import Input
from leannet.what import resolve

Progress = Callable[[str], object]
MOST_AT_ONCE = 4  # processes that measure memory
IMAGE_SIZE = (256, 320)  # height and width of what a graph that resizes is timed with


@dataclass(frozen=True)
class Timed:
    """One network in one engine, precision and number of threads."""

    what: str
    name: str
    engine: str  # with its version
    precision: str
    threads: int
    batch: int
    input: tuple[int, ...]  # (C, H, W)
    params: int
    macs: int
    size_bytes: int
    peak_memory_bytes: int | None
    latency: Latency
    gflops: float  # achieved; 2 for a multiply-add
    matrix_gflops: float  # what the machine reaches at float32 matrices with as many threads
    skips: str | None = None  # of a network with gates, how what an image skips does not run; empty: all rows run

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Benchmark:
    """What was timed, and on which machine."""

    machine: Machine
    timed: tuple[Timed, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"machine": self.machine.to_dict(), "timed": [timed.to_dict() for timed in self.timed]}


@dataclass(frozen=True)
class _Candidate:
    what: str
    engine: str
    precision: str
    program: Program
    input: Input = "float32"


def bench(
    what: Sequence[str],
    engines: Sequence[str] | None = None,
    precisions: Sequence[str] = ("float32",),
    threads: Sequence[int] = (1,),
    batch: int = 1,
    width: float = 1.0,
    resolution: int | None = None,
    seconds: float = 10,
    memory: bool = True,
    progress: Progress = lambda label: None,
) -> Benchmark:
    """Times networks in turns, so that a machine that drifts does so for all of them.

    what: zoo names, architecture files, runs, checkpoints and artifacts. engines: None: all that are installed.
    precisions: float32, bfloat16, and int8 for its time alone, with ranges that nothing was measured for; an artifact
    has its own precision and engines. seconds: for each number of threads. memory: whether peak memory is measured.
    Raises LeannetError for what means no network, and an engine that is not installed.
    """
    what = as_items(what)
    names = as_items(engines) if engines else [name for name in ENGINES if is_installed(name)]
    for name in names:
        engine(name)
    candidates = [one for word in what for one in _candidates(word, names, precisions, width, resolution, batch)]
    if not candidates:
        requirements = [f"; {name} needs {REQUIREMENTS[name]}" for name in precisions if name in REQUIREMENTS]
        raise LeannetError(
            f"nothing to time: {', '.join(what)} in {' or '.join(precisions)} cannot run in {', '.join(names)} here"
            + "".join(requirements)
        )
    results: list[Timed] = []
    for number in threads:
        runs: dict[int, Callable[[], object]] = {}
        for index, candidate in enumerate(candidates):
            progress(f"loading {candidate.what} in {candidate.engine}")
            run = engine(candidate.engine).prepare(candidate.program, number)
            runs[index] = partial(run, _random_input(candidate, batch))
        progress(f"timing {len(runs)} in turns, {number} thread{'s' if number > 1 else ''}, {seconds:g} s")
        latencies = measure(runs, seconds, threads=number)
        peaks: list[int | None] = [None] * len(candidates)
        if memory:
            progress(f"memory of {len(candidates)}, in a process each")
            peaks = _peaks(candidates, number, batch)
        results += [
            _timed(candidate, number, batch, latencies[index], peaks[index])
            for index, candidate in enumerate(candidates)
        ]
    return Benchmark(machine(), tuple(results))


def _peaks(candidates: Sequence[_Candidate], threads: int, batch: int) -> list[int | None]:
    """The peak memory of each, some at once: to load an engine keeps one core busy."""

    def peak(each: _Candidate) -> int | None:
        return peak_memory(each.program, each.engine, threads, batch, each.input)

    with ThreadPoolExecutor(min(machine().cores, MOST_AT_ONCE)) as pool:
        return list(pool.map(peak, candidates))


def _candidates(
    word: str, engines: Sequence[str], precisions: Sequence[str], width: float, resolution: int | None, batch: int
) -> list[_Candidate]:
    path = Path(word)
    if is_artifact(path):
        artifact = open_artifact(path)
        return [
            _Candidate(word, name, artifact.precision, artifact.program, artifact.input)
            for name in engines if name in artifact.engines
        ]  # fmt: skip
    in_zoo = not path.exists()
    architecture = shipped(resolve(word, width if in_zoo else 1.0, resolution))
    has_gates = bool(gates(architecture))

    def branches_in(name: str) -> Branches | None:
        """The choices that suit an engine for so many images."""
        if not has_gates:
            return None
        return "any" if batch > 1 and "any" in ENGINES[name].ways else "one"

    weights = None
    if not in_zoo and path.suffix != ".json":
        from leannet.checkpoint import load_shipped

        weights = numpy_weights(load_shipped(path)[0].state_dict())
    return [
        _Candidate(word, name, precision, program(architecture, precision, name, weights, branches_in(name)))
        for precision in precisions for name in engines if runs_in(precision, name)
    ]  # fmt: skip


def _random_input(candidate: _Candidate, batch: int) -> Any:
    generator = np.random.default_rng(0)
    channels, height, width = candidate.program.architecture.input.shape
    if candidate.input == "uint8-sized":
        return generator.integers(0, 256, (batch, height, width, channels), dtype=np.uint8)
    if candidate.input == "uint8":
        return generator.integers(0, 256, (batch, *IMAGE_SIZE, channels), dtype=np.uint8)
    return generator.normal(size=(batch, channels, height, width)).astype(np.float32)


def _timed(candidate: _Candidate, threads: int, batch: int, latency: Latency, peak_bytes: int | None) -> Timed:
    architecture = candidate.program.architecture
    cost = count(architecture)
    return Timed(
        what=candidate.what,
        name=architecture.name,
        engine=engine(candidate.engine).version(),
        precision=candidate.precision,
        threads=threads,
        batch=batch,
        input=tuple(architecture.input.shape),
        params=cost.params,
        macs=cost.macs,
        size_bytes=_file_bytes(candidate),
        peak_memory_bytes=peak_bytes,
        latency=latency,
        gflops=2 * cost.macs * batch / (latency.median_ms / 1e3) / 1e9,
        matrix_gflops=matrix_gflops(threads),
        skips=engine(candidate.engine).skips(candidate.program) if gates(architecture) else None,
    )


def _file_bytes(candidate: _Candidate) -> int:
    """Of what the engine reads: torch weights, the others a file or two."""
    form = ENGINES[candidate.engine].reads(candidate.program)
    if not form:
        return count(candidate.program.architecture).weight_bytes
    return sum(map(len, candidate.program.form(form)))
