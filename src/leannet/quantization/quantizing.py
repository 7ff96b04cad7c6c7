"""`quantize`: a run as integers of 8 bits, judged on images before it is kept."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from leannet import __version__
from leannet.artifact.base import Artifact
from leannet.artifact.exporting import header_of
from leannet.artifact.folder_artifact import FolderArtifact, folder_path
from leannet.artifact.golden import Golden, drawn
from leannet.artifact.onnx_artifact import OnnxArtifact, artifact_path, described
from leannet.artifact.readers import NO_ANTIALIAS, in_words, wrong_in
from leannet.artifact.replaying import Checked, write_checked
from leannet.console import Console
from leannet.errors import LeannetError
from leannet.header import checkpoint_file, read_header
from leannet.quantization.calibration import Calibration
from leannet.quantization.comparing import Judging, Paired
from leannet.quantization.finetuning import finetuned
from leannet.rows import Architecture, Dropout
from leannet.runtime import Latency, Machine, Program, engine, machine, measure, numpy_weights
from leannet.runtime.engines import Floats
from leannet.runtime.folding import Weights
from leannet.runtime.int8_graph import moves
from leannet.runtime.precisions import fastest_float
from leannet.runtime.processor import weight_bits
from leannet.runtime.programs import integers
from leannet.runtime.tflite_int8 import float_only
from leannet.sections import Input, Shipping, Step

EngineName = Literal["onnxruntime", "openvino", "litert"]
TOLERANCE = 0.05  # between processors, on which an engine may round in another way
SENSITIVITY_BATCHES = 4  # of the images that calibrate
MOST_FLOAT = 0.5  # of the layers; with more in float it is no network of integers any more
SECONDS = 3.0


@dataclass(frozen=True)
class LayerNoise:
    """What one layer alone, made of integers, does to the outputs."""

    path: str
    kind: str
    noise: float  # mean square of the change of the outputs over their variance
    kept_float: bool = False

    @property
    def decibels(self) -> float:
        """The outputs over that noise."""
        return -10 * math.log10(max(self.noise, 1e-12))


@dataclass(frozen=True, kw_only=True)
class Quantized(Paired):
    """What integers cost and give. `path` None: the loss was too large, and nothing was written."""

    path: Path | None
    engine: str
    machine: Machine
    bits: int  # of the weights
    calibrated_on: int
    max_drop: float
    min_agreement: float
    layers: tuple[LayerNoise, ...]
    size_bytes_before: int
    size_bytes_after: int
    latency_before: Latency | None = None  # not measured
    latency_after: Latency | None = None
    checks: tuple[Checked, ...] = ()
    finetuned: int = 0  # epochs

    @property
    def allowed(self) -> bool:
        """Whether it costs no more than was allowed."""
        return self.holds(self.max_drop, self.min_agreement)

    @property
    def kept_float(self) -> list[str]:
        """The layers that stayed as they were."""
        return [layer.path for layer in self.layers if layer.kept_float]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "path": str(self.path) if self.path else None,
            "engine": self.engine,
            "machine": self.machine.to_dict(),
            "bits": self.bits,
            "calibrated_on": self.calibrated_on,
            "finetuned_epochs": self.finetuned,
            "images": self.before.images,
            "accuracy_before": self.before.accuracy,
            "accuracy_after": self.after.accuracy,
            "drop_points": self.drop,
            "drop_error_points": self.drop_error,
            "lost": self.lost,
            "gained": self.gained,
            "agreement": self.agreement,
            "max_drop_points": self.max_drop,
            "min_agreement": self.min_agreement,
            "size_bytes_before": self.size_bytes_before,
            "size_bytes_after": self.size_bytes_after,
            "latency_before": self.latency_before.to_dict() if self.latency_before else None,
            "latency_after": self.latency_after.to_dict() if self.latency_after else None,
            "layers": [asdict(layer) | {"decibels": layer.decibels} for layer in self.layers],
            "checks": [each.to_dict() for each in self.checks],
        }


def quantize(
    run: str | Path,
    data: str | None = None,
    out: str | Path | None = None,
    engine: EngineName = "onnxruntime",
    max_drop: float = 0.5,
    min_agreement: float = 0.0,
    calibration: int = 512,
    keep_float: Sequence[str] = (),
    finetune: int = 0,
    quiet: bool = False,
    input: Input = "float32",
    seconds: float = SECONDS,
) -> Quantized:
    """Writes a run or checkpoint as an artifact of 8-bit integers for an engine, where that costs no more than allowed.

    Ranges are measured on `calibration` training images, accuracy before and after on the validation part. Where the
    loss is more than `max_drop` points, or fewer than `min_agreement` (0 to 1) of the images keep their class, the
    layers that do most harm stay in float, as many as are needed, up to half.
    data: None: that of the run; other images: one half calibrates, the other judges. out: None: beside the checkpoint
    `model.int8.onnx`, or for litert, which is for phones, the folder `model_litert_int8`. keep_float: layers by path
    that stay in float in any case. finetune: epochs of training with rounding in place, before (quantisation-aware;
    Jacob et al., arXiv 1712.05877, section 3). input: as for `export`. seconds: to time both for; 0: neither is timed.
    With a larger loss nothing is written and `path` is None.
    Raises LeannetError for unknown layers, data without images that judge, and a missing package.
    """
    console = Console(quiet)
    file = checkpoint_file(run)
    if engine == "litert":
        target = folder_path(out, file.with_name(f"{file.stem}_litert_int8"))
        if input != "float32":
            raise LeannetError(f"--input {input}: LiteRT's integers take normalized images: leave it out")
    else:
        if input == "uint8" and engine in wrong_in(input):
            raise LeannetError(f"--input uint8: {engine} {NO_ANTIALIAS}: expected --input uint8-sized, whose images "
                               "are resized outside the graph")  # fmt: skip
        target = artifact_path(out, file.with_suffix(".int8.onnx"))
    table = read_header(file).architecture
    unknown = sorted(set(keep_float) - {placed.path for placed in table.layers})
    if unknown:
        raise LeannetError(f"--keep-float {unknown[0]}: no layer has this path; all: leannet count {run}")
    work = _Work(file, data, engine, calibration, finetune, frozenset(keep_float), console)
    noise = work.noise()
    order = [layer.path for layer in sorted(noise, key=lambda layer: -layer.noise) if layer.path not in keep_float]
    tried: dict[int, Quantized] = {}

    def floats(number: int) -> frozenset[str]:
        return frozenset([*keep_float, *order[:number]])

    def allowed(number: int) -> bool:
        """Whether it holds with so many of the worst layers in float."""
        kept = floats(number)
        layers = tuple(replace(layer, kept_float=layer.path in kept) for layer in noise)
        one = tried[number] = replace(work.judged(kept, max_drop, min_agreement), layers=layers)
        lost = f"{one.drop:+.2f} points lost, {100 * one.agreement:.2f} % agree"
        console.say(f"  {len(kept)} layers in float: {lost}" + (", enough" if one.allowed else ""))
        return one.allowed

    number = fewest(allowed, min(len(order), int(MOST_FLOAT * len(noise))))
    last = max(tried) if number is None else number
    found = work.timed(tried[last], floats(last), seconds) if seconds else tried[last]
    if number is None:
        return found
    made = work.artifact(floats(number), found, input)
    checks = write_checked(made, target, f"{file}: what was made does not hold here")
    return replace(found, path=target, checks=checks)


def fewest(allowed: Callable[[int], bool], most: int) -> int | None:
    """The least number that is allowed, where more is never worse: doubled until it is, then halved in between.

    None: not even `most` is.
    """
    least, number = -1, 0  # the largest that is known to be too few, and one to try
    while not allowed(number):
        if number >= most:
            return None
        least, number = number, min(2 * number or 1, most)
    while number - least > 1:
        middle = (least + number) // 2
        least, number = (least, middle) if allowed(middle) else (middle, number)
    return number


class _Work:
    """The network, its calibration and the images that judge."""

    def __init__(
        self,
        file: Path,
        data: str | None,
        engine_: EngineName,
        calibration: int,
        finetune: int,
        floats: frozenset[str],
        console: Console,
    ):
        from leannet.checkpoint import load

        self.network, self.header = load(file)
        self.table: Architecture = self.header.architecture
        if len(self.table.output_names) != 1:
            raise LeannetError(f"{file}: expected a classifier of one output, found {self.table.output_names}")
        self.engine, self.console = engine_, console
        engine(engine_)
        self.images = Judging(self.header, file, data, calibration, console)
        self.weights: Weights = numpy_weights(self.network.state_dict())
        self.bits = 8 if engine_ == "litert" else weight_bits()  # its products are added in 32 bits everywhere
        self.finetuned = finetune
        self.compute = fastest_float(engine_)
        self.float_program = Program(self.table, self.weights)
        self.before = self.images.outputs(self.float_program, engine_, "judging the float network")
        batches = console.track(self.images.calibrating(), self.images.calibrating_batches, "measuring ranges")
        self.measured = Calibration(self.table, self.weights, batches)
        self.ranges, self.corrections = self.measured.ranges(), self.measured.corrections(self.bits)
        if finetune:  # the network then learns what corrections were for
            self.weights = finetuned(
                self.network, self.header, self.ranges, self.bits, floats, self.images, finetune, console
            )
            self.corrections = {}

    def program(self, floats: frozenset[str], input: Input = "float32", exact: bool = False) -> Program:
        """The network of integers, with some layers in float. input: as for `export`. exact: floats are float32, though
        another type may be faster."""
        images = self.header.preprocessing if input != "float32" else None
        return integers(
            self.table, self.weights, self.ranges, self.engine, floats, self.bits, self.corrections, images,
            "float32" if exact else self.compute, input == "uint8-sized",
        )  # fmt: skip

    def run(self, program: Program) -> Callable[[Floats], list[Floats]]:
        return engine(self.engine).prepare(program, threads=machine().cores)

    def size(self, program: Program) -> int:
        """Bytes of the files that the engine reads."""
        return sum(map(len, program.form(engine(self.engine).form)))

    def noise(self) -> list[LayerNoise]:
        """Each layer alone, on a few of the images that calibrate."""
        batches = self.images.calibrating()
        x = np.concatenate([batch for batch, _ in zip(batches, range(SENSITIVITY_BATCHES), strict=False)])
        wanted = self.run(Program(self.table, self.weights))(x)[0]  # as it is now
        variance = float(wanted.var())
        layers = [p for p in self.table.layers if not moves(p.layer) and not isinstance(p.layer, Dropout)]
        if self.engine == "litert":
            layers = [placed for placed in layers if not float_only(placed)]
        paths = {placed.path for placed in self.table.layers}
        found = []
        for placed in self.console.track(iter(layers), len(layers), "each layer alone"):
            made = self.run(self.program(frozenset(paths - {placed.path}), exact=True))(x)[0]
            change = float(np.square(made - wanted).mean())
            found.append(LayerNoise(placed.path, str(getattr(placed.layer, "kind", "")), change / max(variance, 1e-12)))
        return found

    def judged(self, floats: frozenset[str], max_drop: float, min_agreement: float) -> Quantized:
        """The network of integers beside the float one."""
        made = self.program(floats)
        cost = self.images.paired(self.before, self.images.outputs(made, self.engine, "judging the integers"))
        return Quantized(
            **vars(cost),
            path=None,
            engine=engine(self.engine).version(),
            machine=machine(),
            bits=self.bits,
            calibrated_on=self.images.calibrating_number,
            max_drop=max_drop,
            min_agreement=min_agreement,
            layers=(),
            size_bytes_before=self.size(self.float_program),
            size_bytes_after=self.size(made),
            finetuned=self.finetuned,
        )

    def timed(self, found: Quantized, floats: frozenset[str], seconds: float) -> Quantized:
        """The same with both networks' latencies: one image, one thread."""
        one = next(self.images.judging())[:1]
        both = {"before": self.float_program, "after": self.program(floats)}
        ways = {name: engine(self.engine).prepare(made, 1) for name, made in both.items()}
        times = measure({name: partial(run, one) for name, run in ways.items()}, seconds)
        return replace(found, latency_before=times["before"], latency_after=times["after"])

    def artifact(self, floats: frozenset[str], found: Quantized, input: Input) -> Artifact:
        """What is shipped; its golden images have the answers of the integers."""
        program = self.program(floats, input)
        shipping = Shipping(
            precision="int8",
            compute=self.compute,
            input=input,
            tolerance=TOLERANCE if self.compute == "float32" else 2 * TOLERANCE,  # bfloat16 rounds as much again
            engines=(self.engine,),
            keep_float=tuple(found.kept_float),
            calibrated_on=found.calibrated_on,
            accuracy_before=found.before.accuracy,
            accuracy_after=found.after.accuracy,
            agreement=found.agreement,
            evaluated_on=found.before.images,
            wrong_in=wrong_in(input, self.engine, self.table),
            weight_bits=None if self.engine == "litert" else self.bits,
        )
        header = header_of(self.header, shipping)
        step = Step(done="quantized", leannet=__version__, parameters={"finetuned_epochs": found.finetuned})
        provenance = header.provenance.model_copy(update={"history": (*header.provenance.history, step)})
        header = header.model_copy(update={"provenance": provenance})
        made: Artifact
        if self.engine == "litert":
            made = FolderArtifact(header=header, golden=(), format=self.engine, files=program.form("tflite"))
        else:
            made = OnnxArtifact(header=header, golden=(), graph=described(program.onnx, in_words(shipping)))
        images = [Golden(png, np.empty(0, np.float32)) for png in drawn()]
        outputs = made.outputs([each.image() for each in images], self.engine)
        golden = tuple(replace(each, outputs=line) for each, line in zip(images, outputs, strict=True))
        return replace(made, golden=golden)
