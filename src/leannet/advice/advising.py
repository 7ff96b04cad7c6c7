"""`advise`: which networks of the zoo keep to a budget on this machine, and which of them is likely the most exact."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from leannet.cost import count
from leannet.cost.published import BY_SOURCE
from leannet.data.sources.listing import ReadingOptions
from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.run_files import MODEL
from leannet.runtime import Latency, Machine, engine, machine, measure
from leannet.runtime.precisions import program
from leannet.zoo import architecture

SMALL_IMAGES = 48  # pixels of the shorter side up to which the 32-pixel forms are advised
SMALL_FORMS = ("cifar_mobilenet_v2", "cifar_mobilenet_v3_small", "cifar_shufflenet_v2", "cifar_resnet20")
SMALL_WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)
WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}
COARSE_RUNS, SLACK = 3, 1.3  # a first look; what is further above the budget is not timed again
LOOKS = 50  # images, to see how large they are
Progress = Callable[[str], object]


@dataclass(frozen=True)
class Advised:
    """One network of the zoo. latency: on this machine; None where the budget ruled it out before."""

    name: str
    width: float
    resolution: int
    params: int
    macs: int
    size_bytes: int
    top1: float | None  # published, percent of ImageNet's validation images
    source: str
    latency: Latency | None = None
    fits: bool = False
    best_for_its_time: bool = False  # none that is as quick is more exact

    def command(self, data: str) -> str:
        """What trains it."""
        words = ["leannet", "train", data, "--model", self.name]
        words += ["--width", f"{self.width:g}"] if self.width != 1 else []
        return shlex.join([*words, "--resolution", str(self.resolution)])


@dataclass(frozen=True)
class Advice:
    """What was asked, of which machine, and what there is; those that fit come first, the best of them first."""

    about: str
    data: str
    classes: int
    engine: str
    precision: str
    threads: int
    machine: Machine
    latency_ms: float | None
    size_mb: float | None
    macs_m: float | None
    networks: tuple[Advised, ...]

    @property
    def fitting(self) -> list[Advised]:
        """Those within the budget."""
        return [each for each in self.networks if each.fits]

    @property
    def command(self) -> str | None:
        """What trains the first of them."""
        return self.fitting[0].command(self.data) if self.fitting else None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {"command": self.command}


def advise(
    about: str | Path,
    latency_ms: float | None = None,
    size_mb: float | None = None,
    macs_m: float | None = None,
    engine_name: str = "onnxruntime",
    precision: str = "float32",
    threads: int = 1,
    seconds: float = 20,
    progress: Progress = lambda label: None,
    options: ReadingOptions | None = None,
) -> Advice:
    """Networks of the zoo with published accuracy, timed here with the classes of this data or run.

    latency_ms: the most that one image may take, in the median. size_mb: of the file, in millions of bytes. macs_m:
    millions of mult-adds. options: how the data is to be read where it does not say itself. Small images get the
    32-pixel forms, of which no accuracy is published: the largest that fits comes first.
    Raises LeannetError for data that cannot be read, and a budget that is not above 0.
    """
    for flag, value in (("latency", latency_ms), ("size", size_mb), ("macs", macs_m)):
        if value is not None and value <= 0:
            raise LeannetError(f"--{flag} {value:g}: expected more than 0")
    chosen = engine(engine_name)
    data, classes, side = _looked_at(str(about), options)
    known = [
        (each, table)
        for each, table in _candidates(classes, small=side <= SMALL_IMAGES, precision=precision)
        if (size_mb is None or each.size_bytes <= 1e6 * size_mb) and (macs_m is None or each.macs <= 1e6 * macs_m)
    ]
    runs: dict[int, Callable[[], object]] = {}
    for index, (each, table) in enumerate(known):
        progress(f"{index + 1} of {len(known)}: {each.name} {each.width:g} at {each.resolution} px")
        x = np.random.default_rng(0).normal(size=(1, *table.input.shape)).astype(np.float32)
        run = partial(chosen.prepare(program(table, precision, engine_name), threads), x)
        rough = measure({index: run}, 0, least_runs=COARSE_RUNS, most_runs=COARSE_RUNS)[index]
        if latency_ms is None or rough.median_ms <= SLACK * latency_ms:
            runs[index] = run
    progress(f"timing {len(runs)} in turns, {seconds:g} s")
    times = measure(runs, seconds) if runs else {}
    timed = [
        replace(
            each,
            latency=times.get(index),
            fits=index in times and (latency_ms is None or times[index].median_ms <= latency_ms),
        )
        for index, (each, _) in enumerate(known)
    ]
    ranked = tuple(sorted(_front(timed), key=_rank))
    return Advice(
        str(about), data, classes, chosen.version(), precision, threads, machine(), latency_ms, size_mb, macs_m, ranked
    )


def _looked_at(about: str, options: ReadingOptions | None) -> tuple[str, int, int]:
    """The data to train on, its number of classes, and the shorter side of most of its images."""
    path = Path(about)
    from leannet.header import is_artifact, read_header

    if path.suffix == ".safetensors" or is_artifact(path) or (path / MODEL).exists():
        header = read_header(path)
        data = header.provenance.data or "DATA"
        return data, len(header.classes), min(header.preprocessing.height, header.preprocessing.width)
    from leannet.data.images import BrokenImage, read
    from leannet.data.sources import open_dataset

    dataset = open_dataset(about, options or ReadingOptions())
    sides = []
    for index in np.random.default_rng(0).permutation(len(dataset))[:LOOKS].tolist():
        source = dataset.reader(index)
        try:
            sides.append(min(source.shape[:2]) if isinstance(source, np.ndarray) else min(read(source).size))
        except BrokenImage:  # training tells of it
            continue
    if not sides:
        raise LeannetError(f"{about}: no image of {LOOKS} could be read")
    return about, len(dataset.classes), int(np.median(sides))


def _candidates(classes: int, small: bool, precision: str) -> list[tuple[Advised, Architecture]]:
    """Each network once, with the first accuracy published of it."""
    wanted: dict[tuple[str, float, int], tuple[float | None, str]] = {}
    if small:
        wanted = {(name, width, 32): (None, "") for name in SMALL_FORMS for width in SMALL_WIDTHS}
        wanted = {key: value for key, value in wanted.items() if key[0] != "cifar_resnet20" or key[1] == 1}
    else:
        for source, rows in BY_SOURCE:
            for row in rows:
                wanted.setdefault((row.name, row.width, row.resolution), (row.top1, source))
    found = []
    for (name, width, resolution), (top1, source) in wanted.items():
        try:
            table = architecture(name, width, resolution, classes)
        except LeannetError:  # a width that the family does not have
            continue
        cost = count(table)
        size = cost.params * WEIGHT_BYTES.get(precision, 4)
        found.append((Advised(name, width, resolution, cost.params, cost.macs, size, top1, source), table))
    return found


def _front(timed: Sequence[Advised]) -> list[Advised]:
    """Marks the networks that no other beats in both time and published accuracy."""

    def beaten(one: Advised) -> bool:
        return any(
            other.latency is not None and one.latency is not None and other is not one
            and other.latency.median_ms <= one.latency.median_ms and (other.top1 or 0) > (one.top1 or 0)
            for other in timed
        )  # fmt: skip

    return [replace(one, best_for_its_time=one.latency is not None and not beaten(one)) for one in timed]


def _rank(each: Advised) -> tuple[Any, ...]:
    ms = each.latency.median_ms if each.latency else float("inf")
    return not each.fits, -(each.top1 or 0), -each.macs if each.top1 is None else 0, ms
