"""`advise`: which networks of the zoo meet limits on this machine, and which of them is likely the most accurate."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from leannet.cost import count, graph
from leannet.cost.counting import BYTES
from leannet.cost.published_timm import most_accurate
from leannet.data.sources.listing import ReadingOptions
from leannet.errors import LeannetError
from leannet.microcontrollers import Target, fit
from leannet.rows import Architecture
from leannet.rows.branches import shipped
from leannet.run_files import MODEL
from leannet.runtime import Latency, Machine, engine, machine, measure
from leannet.runtime.precisions import program
from leannet.tasks import finds_boxes
from leannet.zoo import architecture

SMALL_IMAGES = 48  # pixels of the shorter side up to which the 32-pixel forms are advised
SMALL_FORMS = ("cifar_mobilenet_v2", "cifar_mobilenet_v3_small", "cifar_shufflenet_v2", "cifar_resnet20")
SMALL_WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)
WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}
FIRST_RUNS, SLACK = 3, 1.3  # runs of a first timing; what exceeds the limit by more is not timed again
MOST_FASTER = 4  # times as many mult-adds a millisecond as any smaller network: dense convolutions compute faster
SIZED_IMAGES = 50  # images read to find their usual size
Progress = Callable[[str], object]


@dataclass(frozen=True)
class Advised:
    """One network of the zoo. latency: on this machine; None where a first timing ruled it out."""

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
    best_for_its_time: bool = False  # none that is as fast has a higher published accuracy
    sram_bytes: int | None = None  # as integers in TensorFlow Lite Micro; None: not asked for
    flash_bytes: int | None = None

    def is_larger_form_of(self, other: "Advised") -> bool:
        """Whether it is the same network, no narrower and for images no smaller, which takes no less time."""
        return self.name == other.name and self.width >= other.width and self.resolution >= other.resolution

    def command(self, data: str) -> str:
        """The command that trains it."""
        words = ["leannet", "train", data, "--model", self.name]
        words += ["--width", f"{self.width:g}"] if self.width != 1 else []
        return shlex.join([*words, "--resolution", str(self.resolution)])


@dataclass(frozen=True)
class Advice:
    """The limits, the machine, and the networks: those that fit come first, the most accurate of them first."""

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
    sram_bytes: int | None = None
    flash_bytes: int | None = None

    @property
    def is_for_microcontrollers(self) -> bool:
        """Whether a limit is a microcontroller's memory."""
        return self.sram_bytes is not None or self.flash_bytes is not None

    @property
    def fitting(self) -> list[Advised]:
        """Those within the limits."""
        return [network for network in self.networks if network.fits]

    @property
    def command(self) -> str | None:
        """The command that trains the first of them; None where none fits."""
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
    sram: int | None = None,
    flash: int | None = None,
) -> Advice:
    """Networks of the zoo with a published accuracy, timed here with the classes of this data or run.

    latency_ms: the most that one image may take, as the median. size_mb: of the file, in millions of bytes. macs_m:
    millions of mult-adds. sram, flash: bytes of a microcontroller's memories, for networks of 8-bit integers in
    TensorFlow Lite Micro (`fit`); with them and without latency_ms nothing is timed. options: how the data is to be
    read where it does not say so itself. Small images get the 32-pixel forms, which have no published accuracy: the
    largest that fits comes first.
    Raises LeannetError for data that cannot be read, and a limit that is not above 0.
    """
    for flag, value in (("latency", latency_ms), ("size", size_mb), ("macs", macs_m)):
        if value is not None and value <= 0:
            raise LeannetError(f"--{flag} {value:g}: expected more than 0")
    runner = engine(engine_name)
    data, classes, side = _data_of(str(about), options)
    candidates = [
        (network, rows)
        for network, rows in _candidates(classes, small=side <= SMALL_IMAGES, precision=precision)
        if (size_mb is None or network.size_bytes <= 1e6 * size_mb) and (macs_m is None or network.macs <= 1e6 * macs_m)
    ]
    if sram is not None or flash is not None:
        candidates = list(_fitting(candidates, sram, flash, progress))
    candidates.sort(key=lambda candidate: candidate[0].macs)
    is_timed = latency_ms is not None or (sram is None and flash is None)
    runs: dict[int, Callable[[], object]] = {}
    pace = 0.0  # mult-adds a millisecond of the network that computes most
    too_slow: list[Advised] = []
    for index, (network, rows) in enumerate(candidates if is_timed else ()):
        if latency_ms is not None and pace and network.macs > MOST_FASTER * pace * SLACK * latency_ms:
            break  # and so are all larger ones
        if any(network.is_larger_form_of(other) for other in too_slow):
            continue
        progress(f"{index + 1} of {len(candidates)}: {network.name} {network.width:g} at {network.resolution} px")
        x = np.random.default_rng(0).normal(size=(1, *rows.input.shape)).astype(np.float32)
        run = partial(runner.prepare(program(rows, precision, engine_name), threads), x)
        first = measure({index: run}, 0, least_runs=FIRST_RUNS, most_runs=FIRST_RUNS, threads=threads)[index]
        pace = max(pace, network.macs / first.median_ms)
        if latency_ms is None or first.median_ms <= SLACK * latency_ms:
            runs[index] = run
        else:
            too_slow.append(network)
    progress(f"timing {len(runs)} in turns, {seconds:g} s")
    latencies = measure(runs, seconds, threads=threads) if runs else {}
    timed = [
        replace(
            network,
            latency=latencies.get(index),
            fits=not is_timed
            or (index in latencies and (latency_ms is None or latencies[index].median_ms <= latency_ms)),
        )
        for index, (network, _) in enumerate(candidates)
    ]
    ranked = tuple(sorted(_mark_front(timed), key=_rank))
    return Advice(
        str(about), data, classes, runner.version(), precision, threads, machine(), latency_ms, size_mb, macs_m, ranked,
        sram, flash,
    )  # fmt: skip


def _data_of(about: str, options: ReadingOptions | None) -> tuple[str, int, int]:
    """The data to train on, its number of classes, and the median of the shorter sides of its images."""
    path = Path(about)
    from leannet.header import is_artifact, read_header

    if path.suffix == ".safetensors" or is_artifact(path) or (path / MODEL).exists():
        header = read_header(path)
        if finds_boxes(header.architecture):
            raise LeannetError(f"{about}: expected a classifier, for which networks are ranked, found a detector")
        data = header.provenance.data or "DATA"
        return data, len(header.classes), min(header.preprocessing.height, header.preprocessing.width)
    from leannet.data.images import BrokenImage, read
    from leannet.data.sources import open_dataset

    dataset = open_dataset(about, options or ReadingOptions())
    if dataset.truths is not None:
        raise LeannetError(f"{about}: expected images with a class each, for which networks are ranked, found a "
                           "detection set")  # fmt: skip
    sides = []
    for index in np.random.default_rng(0).permutation(len(dataset))[:SIZED_IMAGES].tolist():
        source = dataset.reader(index)
        try:
            sides.append(min(source.shape[:2]) if isinstance(source, np.ndarray) else min(read(source).size))
        except BrokenImage:  # training names it
            continue
    if not sides:
        raise LeannetError(f"{about}: none of {min(len(dataset), SIZED_IMAGES)} images could be read")
    return about, len(dataset.classes), int(np.median(sides))


def _candidates(classes: int, small: bool, precision: str) -> list[tuple[Advised, Architecture]]:
    """Each network once, as it is shipped, with the best accuracy published of it."""
    published: dict[tuple[str, float, int], tuple[float | None, str]] = {}
    if small:
        published = {(name, width, 32): (None, "") for name in SMALL_FORMS for width in SMALL_WIDTHS}
        published = {key: value for key, value in published.items() if key[0] != "cifar_resnet20" or key[1] == 1}
    else:
        published = {
            key: (row.top1, f"{row.weights}: {source}" if row.weights else source)
            for key, (row, source) in most_accurate().items()
        }
    candidates = []
    for (name, width, resolution), (top1, source) in published.items():
        try:
            network = shipped(architecture(name, width, resolution, classes))
        except LeannetError:  # a width that the family does not have
            continue
        cost = count(network)
        size = cost.params * WEIGHT_BYTES.get(precision, 4)
        candidates.append((Advised(name, width, resolution, cost.params, cost.macs, size, top1, source), network))
    return candidates


def _fitting(
    candidates: Sequence[tuple[Advised, Architecture]], sram: int | None, flash: int | None, progress: Progress
) -> Iterator[tuple[Advised, Architecture]]:
    """Those that fit a microcontroller as 8-bit integers."""
    target = Target("", "", sram, flash)
    for number, (network, rows) in enumerate(candidates, start=1):
        live = graph(rows).peak_activation_bytes // BYTES  # no plan is smaller, and this is quicker
        if (flash is not None and network.params > flash) or (sram is not None and live > sram):
            continue
        progress(f"{number} of {len(candidates)}: {network.name} {network.width:g} at {network.resolution} px")
        found = fit(rows)
        if found.fits(target):
            yield replace(network, sram_bytes=found.sram, flash_bytes=found.flash), rows


def _mark_front(timed: Sequence[Advised]) -> list[Advised]:
    """Marks the networks that no other beats in both time and published accuracy."""

    def is_beaten(network: Advised) -> bool:
        return any(
            other.latency is not None and network.latency is not None and other is not network
            and other.latency.median_ms <= network.latency.median_ms and (other.top1 or 0) > (network.top1 or 0)
            for other in timed
        )  # fmt: skip

    return [
        replace(
            network,
            best_for_its_time=network.latency is not None and network.top1 is not None and not is_beaten(network),
        )
        for network in timed
    ]


def _rank(network: Advised) -> tuple[Any, ...]:
    ms = network.latency.median_ms if network.latency else float("inf")
    return not network.fits, -(network.top1 or 0), -network.macs if network.top1 is None else 0, ms
