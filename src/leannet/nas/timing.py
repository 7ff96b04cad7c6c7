"""`latency-table`: every distinct row of networks or of search spaces, timed on this machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from leannet.errors import LeannetError, as_items
from leannet.nas.space import Space
from leannet.nas.spaces import read_space
from leannet.nas.tables import LatencyTable, Work, measure_table
from leannet.rows import Architecture
from leannet.what import resolve

NETWORKS = 10  # of a space that are timed whole


def latency_table(
    what: Sequence[str | Architecture] = (),
    space: Sequence[str | Space] = (),
    engine: str = "onnxruntime",
    precision: str = "float32",
    threads: int = 1,
    batch: int = 1,
    width: float = 1.0,
    resolution: int | None = None,
    networks: int = NETWORKS,
    classes: int | None = None,
    seconds: float = 60,
    progress: Callable[[int], None] = lambda done: None,
) -> LatencyTable:
    """Milliseconds of every distinct row, with what they say of whole networks. Leave the machine alone meanwhile.

    what: zoo names, architecture files, runs, or architectures. space: search spaces to cover: files, networks whose
    rows suggest one, or spaces. networks: of each space that are timed whole, to fit the overhead and to check it.
    classes: of the networks of spaces; None: the base's own.
    seconds: to measure for; every network runs five times at least. progress: called with the number of networks that
    have been timed.
    Raises LeannetError for what means no network, an engine that is not installed, and a precision that it lacks.
    """
    work = work_of(what, space, width, resolution, networks, classes)
    return measure_table(work, engine, precision, threads, batch, seconds, progress)


def work_of(
    what: Sequence[str | Architecture],
    space: Sequence[str | Space],
    width: float = 1.0,
    resolution: int | None = None,
    networks: int = NETWORKS,
    classes: int | None = None,
) -> Work:
    """What is to be timed for them. Raises LeannetError for nothing at all, and what means no network."""
    wholes = [
        each if isinstance(each, Architecture) else resolve(each, 1.0 if Path(each).exists() else width, resolution)
        for each in as_items(what)
    ]
    covering: list[Architecture] = []
    for each in as_items(space):
        searched = read_space(each, width, resolution) if isinstance(each, str) else each
        searched = searched if classes is None else searched.with_classes(classes)
        draw = np.random.default_rng(0)
        covering += searched.covering()
        wholes += [searched.architecture(searched.random(draw)) for _ in range(networks)]
    if not wholes:
        raise LeannetError(
            "expected networks, or a --space, found none: name one, as leannet latency-table mobilenet_v2"
        )
    return Work.of(covering, wholes)
