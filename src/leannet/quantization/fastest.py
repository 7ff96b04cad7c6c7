"""`export --fastest`: engines and precisions measured on this machine, and the best that costs no more than allowed."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from leannet.artifact.artifact import Artifact
from leannet.artifact.checking import write_checked
from leannet.artifact.exporting import build_artifact, build_folder, conditioning
from leannet.artifact.folder_artifact import folder_path
from leannet.artifact.onnx_artifact import RUNNERS, artifact_path
from leannet.artifact.opening import open_artifact
from leannet.console import Console
from leannet.errors import LeannetError
from leannet.header import checkpoint_file, read_header
from leannet.quantization.comparison import Comparison, Criterion
from leannet.quantization.evaluator import Evaluator
from leannet.quantization.quantizing import CALIBRATION_IMAGES, EngineName, quantize_with
from leannet.runtime import ENGINES, Latency, Machine, engine, machine, measure
from leannet.runtime.engines import is_installed
from leannet.runtime.programs import INTEGER_ENGINES

DEVICE_ENGINES = (*RUNNERS, "litert", "ncnn")  # all but torch


@dataclass(frozen=True)
class Choice:
    """One way to run a network here. drop: points of accuracy lost; None: not evaluated, since nothing is rounded."""

    engine: str
    precision: str
    latency: Latency | None  # None: it costs too much, and was not timed
    drop: float | None
    drop_error: float | None
    agreement: float | None
    float_layers: int
    size_bytes: int
    decided_by: Criterion | None = None
    chosen: bool = False


@dataclass(frozen=True)
class Fastest:
    """What was chosen, and from what."""

    path: Path
    machine: Machine
    threads: int
    max_drop: float
    min_agreement: float
    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()  # what a person should know: images that are too few, rounding that is not faster

    @property
    def best(self) -> Choice:
        return next(choice for choice in self.choices if choice.chosen)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {"path": str(self.path)}


def export_fastest(
    run: str | Path,
    data: str | None = None,
    out: str | Path | None = None,
    max_drop: float = 0.5,
    min_agreement: float = 0.0,
    threads: int = 1,
    seconds: float = 10,
    finetune: int = 0,
    engines: Sequence[str] | None = None,
    quiet: bool = False,
) -> Fastest:
    """Writes the artifact that is fastest here, of all engines that are installed, in float32, bfloat16 and integers.

    What rounds takes part where it loses no more than `max_drop` points and keeps the class of `min_agreement` (0 to 1)
    of the images, evaluated as `quantize` does. bfloat16: in OpenVINO, on processors that have it. All are timed in
    turns, one image at a time. out: a name that ends in .onnx: of the engines that read ONNX; another name: the
    folder, where ncnn or LiteRT is fastest, and the name before .onnx where it is not; None: `model.onnx` or the folder
    `model_fastest` beside the checkpoint. engines: None: all that are here and can run the network. The artifact names
    its engine first, and carries the table that it was chosen from.
    Raises LeannetError as `export` and `quantize` do.
    """
    console, file = Console(quiet), checkpoint_file(run)
    names = _engines(engines, out)
    targets = {name: _target(file, out, name) for name in names}
    plain = build_artifact(file, "float32", "float32")
    if note := conditioning(plain.header):
        console.say(f"note: {note}")
    floats: list[tuple[Choice, Artifact | None]] = []
    rounded: list[tuple[Choice, Artifact | None]] = []
    notes: dict[str, None] = {}  # in order, each once

    @cache
    def evaluator() -> Evaluator:
        return Evaluator(read_header(file), file, data, CALIBRATION_IMAGES, console)

    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            trial = Path(folder) / (f"{name}.onnx" if name in RUNNERS else name)
            try:
                artifact = plain if name in RUNNERS else build_folder(file, name, plain)
                floats.append((Choice(name, "float32", None, None, None, None, 0, artifact.size_bytes), artifact))
                if name in RUNNERS and ENGINES[name].has_bfloat16:
                    console.say(f"bfloat16 for {name}")
                    half = build_artifact(file, "bfloat16", "float32")
                    cost = compare_floats(evaluator(), plain, half, name)
                    criterion = cost.criterion(max_drop)
                    if criterion == "noise":
                        notes[cost.note(max_drop)] = None
                    choice = _choice(name, "bfloat16", cost, criterion, half.size_bytes)
                    rounded.append((choice, half if cost.within(max_drop, min_agreement, criterion) else None))
                if name in INTEGER_ENGINES:
                    console.say(f"integers for {name}")
                    integers = quantize_with(
                        evaluator(), file, trial, cast(EngineName, name), max_drop, min_agreement, frozenset(),
                        finetune, "float32", 0, False, console,
                    )  # fmt: skip
                    notes |= dict.fromkeys(integers.notes)
                    number = len(integers.float_layers)
                    size = integers.size_bytes_after
                    choice = _choice(name, "int8", integers.cost, integers.decided_by, size, number)
                    rounded.append((choice, open_artifact(trial) if integers.path else None))
            except LeannetError as error:
                if engines is not None or name in RUNNERS:
                    raise
                console.say(f"{name} takes no part further: {error}")
    candidates = floats + rounded
    shape = plain.header.architecture.input.shape
    x = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    console.say(f"timing in turns, {seconds:g} s")
    runs = {
        index: partial(engine(choice.engine).prepare(artifact.program, threads), x)
        for index, (choice, artifact) in enumerate(candidates)
        if artifact is not None
    }
    latencies = measure(runs, seconds, threads=threads)
    best = min(latencies, key=lambda index: latencies[index].median_ms)
    choices = tuple(
        replace(choice, latency=latencies.get(index), chosen=index == best)
        for index, (choice, _) in enumerate(candidates)
    )
    if note := _not_faster(choices):
        notes[note] = None
    target = targets[choices[best].engine]
    table = Fastest(target, machine(), threads, max_drop, min_agreement, choices, tuple(notes))
    chosen = _with_table(candidates[best][1], table)
    write_checked(chosen, target, f"{file}: the fastest form does not answer here as torch does")
    return table


def _engines(names: Sequence[str] | None, out: str | Path | None) -> list[str]:
    """Those that take part. Raises LeannetError where there are none."""
    for name in names or ():
        engine(name)
    able = RUNNERS if out is not None and Path(out).suffix == ".onnx" else DEVICE_ENGINES
    here = [name for name in names or able if name in able and is_installed(name)]
    if not here:
        raise LeannetError(f"expected one of {', '.join(able)}, found {', '.join(names or ['none'])}: "
                           "pip install 'leannet[deploy,litert]'")  # fmt: skip
    return here


def compare_floats(evaluator: Evaluator, plain: Artifact, half: Artifact, engine_name: str) -> Comparison:
    """An artifact whose floats are rounded beside the same in float32, on the images that evaluate."""
    before, after = (
        evaluator.outputs(artifact.program, engine_name, f"evaluating {artifact.precision}")
        for artifact in (plain, half)
    )
    return evaluator.compare(before, after)


def _choice(
    engine_name: str, precision: str, cost: Comparison, criterion: Criterion, size_bytes: int, float_layers: int = 0
) -> Choice:
    return Choice(
        engine_name, precision, None, cost.drop, cost.drop_error, cost.agreement, float_layers, size_bytes, criterion
    )


def _not_faster(choices: Sequence[Choice]) -> str:
    """One line where float32 is kept though what rounds was timed; else empty."""
    timed = [choice for choice in choices if choice.latency is not None]
    best = next(choice for choice in timed if choice.chosen)
    if best.precision != "float32" or all(choice.precision == "float32" for choice in timed):
        return ""
    return (
        "integers and bfloat16 are not faster than float32 on this machine, so float32 is kept; where size counts "
        "more, leannet quantize RUN makes integers"
    )


def _with_table(artifact: Artifact | None, table: Fastest) -> Artifact:
    """The artifact whose header says what it was chosen from, with its engine first."""
    assert artifact is not None
    update: dict[str, Any] = {"chosen_from": {key: value for key, value in table.to_dict().items() if key != "path"}}
    if (first := table.best.engine) in RUNNERS:
        update["engines"] = (first, *(name for name in RUNNERS if name != first and name in artifact.engines))
    shipping = artifact.shipping.model_copy(update=update)
    return replace(artifact, header=artifact.header.model_copy(update={"shipping": shipping}))


def _target(file: Path, out: str | Path | None, engine_name: str) -> Path:
    """Where the best is written. Raises LeannetError where it cannot be."""
    if engine_name in RUNNERS:
        path = Path(out) if out is not None else None
        if path is not None and path.suffix != ".onnx":
            path = path.with_name(f"{path.name}.onnx")
        return artifact_path(path, file.with_suffix(".onnx"))
    return folder_path(out, file.with_name(f"{file.stem}_fastest"), replace=True)
