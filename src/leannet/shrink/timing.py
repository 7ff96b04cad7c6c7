"""Milliseconds of networks whose weights do not matter: in turns, in one engine."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.rows.branches import shipped
from leannet.runtime import ENGINES, engine, measure
from leannet.runtime.precisions import PRECISIONS, program

SECONDS = 2.0  # for each network


@contextmanager
def torch_threads_kept() -> Iterator[None]:
    """torch has as many threads afterwards as before, though its engine sets them: a training may follow."""
    torch = sys.modules.get("torch")
    number = torch.get_num_threads() if torch is not None else None
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(number)


@dataclass(frozen=True)
class Timing:
    """Where a network is timed."""

    engine: str = "onnxruntime"
    precision: str = "float32"
    threads: int = 1

    def check_names(self) -> None:
        """Raises LeannetError for an unknown engine or precision."""
        for flag, name, known in (
            ("--latency-engine", self.engine, ENGINES), ("--latency-precision", self.precision, PRECISIONS)
        ):  # fmt: skip
            if name not in known:
                raise LeannetError(f"{flag} {name}: expected one of {', '.join(known)}")

    def check(self) -> None:
        """Raises LeannetError for an engine that is not installed, or does not run the precision."""
        engine(self.engine)
        from leannet.zoo import architecture

        program(architecture("two_layer_debug"), self.precision, self.engine)

    def milliseconds(self, architectures: Sequence[Architecture]) -> list[float]:
        """The median of each, batch 1."""
        runs: dict[int, Callable[[], object]] = {}
        for number, architecture in enumerate(architectures):
            left = shipped(architecture)
            run = engine(self.engine).prepare(program(left, self.precision, self.engine), self.threads)
            image = np.random.default_rng(0).normal(size=(1, *left.input.shape)).astype(np.float32)
            runs[number] = partial(run, image)
        with torch_threads_kept():
            latencies = measure(runs, SECONDS * len(runs), threads=self.threads)
        return [latencies[number].median_ms for number in range(len(architectures))]

    def __str__(self) -> str:
        return f"{self.engine}, {self.precision}, {self.threads} thread{'s' if self.threads > 1 else ''}"
