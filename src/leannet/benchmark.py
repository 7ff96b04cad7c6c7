"""`bench`: how long networks take here, side by side: engines, precisions and threads in turns."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from leannet.artifact.opening import open_artifact
from leannet.cost import count
from leannet.errors import LeannetError
from leannet.header import is_artifact
from leannet.runtime import ENGINES, Latency, Machine, Program, engine, machine, measure, numpy_weights
from leannet.runtime.engines import is_installed
from leannet.runtime.matrix_rate import matrix_gflops
from leannet.runtime.memory import peak_memory
from leannet.runtime.precisions import NEEDED, program, runs_in
from leannet.what import resolve

Progress = Callable[[str], object]
REST = 0.02  # seconds: the threads of torch and ncnn spin some milliseconds on after a run
IMAGE = (256, 320)  # height and width of what an artifact that takes images is given


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

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Benchmark:
    """What was measured, and on what."""

    machine: Machine
    timed: tuple[Timed, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"machine": self.machine.to_dict(), "timed": [each.to_dict() for each in self.timed]}


@dataclass(frozen=True)
class _Candidate:
    what: str
    engine: str
    precision: str
    program: Program
    kind: str = "float32"  # of the input


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

    what: zoo names, architecture files, runs, checkpoints and artifacts, as they come. engines: None: all that are
    installed. precisions: float32, and int8 for time alone, with ranges that nothing was measured for; an artifact has
    its own precision and engines. seconds: for each number of threads.
    Raises LeannetError for what means no network, and an engine that is not there.
    """
    names = list(engines) if engines else [name for name in ENGINES if is_installed(name)]
    for name in names:
        engine(name)
    candidates = [each for word in what for each in _candidates(word, names, precisions, width, resolution)]
    if not candidates:
        needed = [f"; {each} needs {NEEDED[each]}" for each in precisions if each in NEEDED]
        raise LeannetError(
            f"nothing to time: {', '.join(what)} in {' or '.join(precisions)} cannot run in {', '.join(names)} here"
            + "".join(needed)
        )
    found: list[Timed] = []
    for number in threads:
        runs: dict[int, Callable[[], object]] = {}
        for index, each in enumerate(candidates):
            progress(f"loading {each.what} in {each.engine}")
            runs[index] = partial(engine(each.engine).prepare(each.program, number), _input(each, batch))
        progress(f"timing {len(runs)} in turns, {number} thread{'s' if number > 1 else ''}, {seconds:g} s")
        times = measure(runs, seconds, rest=REST if len({each.engine for each in candidates}) > 1 else 0.0)
        for index, each in enumerate(candidates):
            progress(f"memory of {each.what} in {each.engine}")
            bytes_ = peak_memory(each.program, each.engine, number, batch, each.kind) if memory else None
            found.append(_timed(each, number, batch, times[index], bytes_))
    return Benchmark(machine(), tuple(found))


def _candidates(
    word: str, engines: Sequence[str], precisions: Sequence[str], width: float, resolution: int | None
) -> list[_Candidate]:
    path = Path(word)
    if is_artifact(path):
        artifact = open_artifact(path)
        kind = artifact.input
        run_in = [name for name in engines if name in artifact.engines]
        return [_Candidate(word, name, artifact.precision, artifact.program, kind) for name in run_in]
    in_zoo = not path.exists()
    table = resolve(word, width if in_zoo else 1.0, resolution)
    weights = None
    if not in_zoo and path.suffix != ".json":
        from leannet.checkpoint import load

        weights = numpy_weights(load(path)[0].state_dict())
    made = []
    for precision in precisions:
        for name in engines:
            if runs_in(precision, name):
                made.append(_Candidate(word, name, precision, program(table, precision, name, weights)))
    return made


def _input(each: _Candidate, batch: int) -> Any:
    draw = np.random.default_rng(0)
    channels, height, width = each.program.architecture.input.shape
    if each.kind == "uint8-sized":
        return draw.integers(0, 256, (batch, height, width, channels), dtype=np.uint8)
    if each.kind == "uint8":
        return draw.integers(0, 256, (batch, *IMAGE, channels), dtype=np.uint8)
    return draw.normal(size=(batch, channels, height, width)).astype(np.float32)


def _timed(each: _Candidate, threads: int, batch: int, latency: Latency, memory: int | None) -> Timed:
    table = each.program.architecture
    cost = count(table)
    return Timed(
        what=each.what,
        name=table.name,
        engine=engine(each.engine).version(),
        precision=each.precision,
        threads=threads,
        batch=batch,
        input=tuple(table.input.shape),
        params=cost.params,
        macs=cost.macs,
        size_bytes=_file_bytes(each),
        peak_memory_bytes=memory,
        latency=latency,
        gflops=2 * cost.macs * batch / (latency.median_ms / 1e3) / 1e9,
        matrix_gflops=matrix_gflops(threads),
    )


def _file_bytes(each: _Candidate) -> int:
    """Of what the engine reads: torch its weights, the others a file or two."""
    form = ENGINES[each.engine].reads(each.program)
    if not form:
        return count(each.program.architecture).weight_bytes
    return sum(map(len, each.program.form(form)))
