"""`export --fastest`: engines and precisions measured on this machine, and the best that costs no more than allowed."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from leannet.artifact.base import Artifact
from leannet.artifact.exporting import build_artifact, build_folder, conditioning
from leannet.artifact.folder_artifact import folder_path
from leannet.artifact.onnx_artifact import RUNNERS, artifact_path
from leannet.artifact.opening import open_artifact
from leannet.artifact.replaying import write_checked
from leannet.benchmark import REST
from leannet.console import Console
from leannet.errors import LeannetError
from leannet.header import checkpoint_file, read_header
from leannet.quantization.comparing import Judging, Paired
from leannet.quantization.quantizing import EngineName, quantize
from leannet.runtime import ENGINES, Latency, Machine, engine, machine, measure
from leannet.runtime.engines import is_installed
from leannet.runtime.programs import WHOLE

DEPLOYED = (*RUNNERS, "litert", "ncnn")  # the engines of devices: all but torch


@dataclass(frozen=True)
class Choice:
    """One way to run a network here. drop: points of accuracy lost; None: not judged, since nothing is rounded."""

    engine: str
    precision: str
    latency: Latency | None  # None: it lost too much, and was not timed
    drop: float | None
    drop_error: float | None
    agreement: float | None
    float_layers: int
    size_bytes: int
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
    of the images, judged as `quantize` does. bfloat16: in OpenVINO, on processors that have it. All are timed in
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
    made: list[tuple[Choice, Artifact | None]] = []
    rounded: list[tuple[Choice, Artifact | None]] = []
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            trial = Path(place) / (f"{name}.onnx" if name in RUNNERS else name)
            words: dict[str, Any] = {"max_drop": max_drop, "min_agreement": min_agreement, "finetune": finetune}
            try:
                floats = plain if name in RUNNERS else build_folder(file, name, plain)
                made.append((Choice(name, "float32", None, None, None, None, 0, floats.size_bytes), floats))
                if name in RUNNERS and ENGINES[name].has_bfloat16:
                    console.say(f"bfloat16 for {name}")
                    half = build_artifact(file, "bfloat16", "float32")
                    cost = judged_floats(file, data, plain, half, name, console)
                    choice = _as_choice(name, "bfloat16", cost, half.size_bytes)
                    rounded.append((choice, half if cost.holds(max_drop, min_agreement) else None))
                if name in WHOLE:
                    console.say(f"integers for {name}")
                    found = quantize(file, data, trial, cast(EngineName, name), quiet=quiet, seconds=0, **words)
                    choice = _as_choice(name, "int8", found, found.size_bytes_after, len(found.kept_float))
                    rounded.append((choice, open_artifact(trial) if found.path else None))
            except LeannetError as error:
                if engines is not None or name in RUNNERS:
                    raise
                console.say(f"{name} takes no part further: {error}")
    made += rounded
    shape = plain.header.architecture.input.shape
    x = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    console.say(f"timing in turns, {seconds:g} s")
    runs = {
        index: partial(engine(choice.engine).prepare(artifact.program, threads), x)
        for index, (choice, artifact) in enumerate(made)
        if artifact is not None
    }
    times = measure(runs, seconds, rest=REST)
    best = min(times, key=lambda index: times[index].median_ms)
    choices = tuple(
        replace(choice, latency=times.get(index), chosen=index == best) for index, (choice, _) in enumerate(made)
    )
    kept = made[best][1]
    assert kept is not None
    target = targets[choices[best].engine]
    table = Fastest(target, machine(), threads, max_drop, min_agreement, choices)
    told = {key: value for key, value in table.to_dict().items() if key != "path"}
    update: dict[str, Any] = {"chosen_from": told}
    if (first := choices[best].engine) in RUNNERS:
        update["engines"] = (first, *(name for name in RUNNERS if name != first and name in kept.engines))
    shipping = kept.shipping.model_copy(update=update)
    kept = replace(kept, header=kept.header.model_copy(update={"shipping": shipping}))
    write_checked(kept, target, f"{file}: what was made does not hold here")
    return table


def _engines(wanted: Sequence[str] | None, out: str | Path | None) -> list[str]:
    """Those that take part. Raises LeannetError where there are none."""
    for name in wanted or ():
        engine(name)
    able = RUNNERS if out is not None and Path(out).suffix == ".onnx" else DEPLOYED
    names = [name for name in wanted or able if name in able and is_installed(name)]
    if not names:
        raise LeannetError(f"expected one of {', '.join(able)}, found {', '.join(wanted or ['none'])}: "
                           "pip install 'leannet[deploy,litert]'")  # fmt: skip
    return names


def judged_floats(file: Path, data: str | None, plain: Artifact, half: Artifact, name: str, console: Console) -> Paired:
    """An artifact whose floats are rounded beside the same in float32, on the images that judge."""
    images = Judging(read_header(file), file, data, 1, console)
    before, after = (images.outputs(each.program, name, f"judging {each.precision}") for each in (plain, half))
    return images.paired(before, after)


def _as_choice(name: str, precision: str, cost: Paired, size_bytes: int, float_layers: int = 0) -> Choice:
    return Choice(name, precision, None, cost.drop, cost.drop_error, cost.agreement, float_layers, size_bytes)


def _target(file: Path, out: str | Path | None, engine: str) -> Path:
    """Where the best is written. Raises LeannetError where it cannot be."""
    if engine in RUNNERS:
        named = Path(out) if out is not None else None
        if named is not None and named.suffix != ".onnx":
            named = named.with_name(f"{named.name}.onnx")
        return artifact_path(named, file.with_suffix(".onnx"))
    return folder_path(out, file.with_name(f"{file.stem}_fastest"), replace=True)
