"""`quantize`: a run as 8-bit integers, evaluated on images before it is kept."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import numpy as np

from leannet import __version__
from leannet.artifact.artifact import Artifact
from leannet.artifact.c_array import write_c_array
from leannet.artifact.checking import write_checked
from leannet.artifact.exporting import check_branches, described_tflite, shipped_header
from leannet.artifact.folder_artifact import FolderArtifact
from leannet.artifact.golden import Golden, golden_pngs
from leannet.artifact.onnx_artifact import OnnxArtifact, with_doc_string
from leannet.artifact.readers import doc_string, wrong_in
from leannet.console import Console
from leannet.errors import LeannetError, command_line, nearest
from leannet.header import checkpoint_file, read_header
from leannet.quantization.alone import noise_of_each
from leannet.quantization.comparison import ClassComparison, Criterion, min_decibels
from leannet.quantization.evaluator import CALIBRATION_BATCH, Evaluator
from leannet.quantization.fewest import fewest
from leannet.quantization.quantized import LayerNoise, Quantized
from leannet.quantization.targets import EngineName as EngineName
from leannet.quantization.targets import check_before, target_of
from leannet.rows import Architecture
from leannet.rows.branches import shipped
from leannet.rows.detecting import learned_from
from leannet.rows.graph import Node
from leannet.runtime import Program, engine, machine, measure, numpy_weights
from leannet.runtime.branching import Branches
from leannet.runtime.folding import Weights
from leannet.runtime.integers import deciding
from leannet.runtime.lowering import lower
from leannet.runtime.precisions import fastest_float
from leannet.runtime.processor import weight_bits
from leannet.runtime.programs import quantized_program
from leannet.runtime.quantize_kernels import float_only
from leannet.sections import Input, Shipping, Step
from leannet.tasks import finds_boxes
from leannet.tasks.detection import BoxScores
from leannet.tasks.metrics import Scores

TOLERANCE = 0.05  # between processors, on which an engine may round in another way
CALIBRATION_IMAGES = 512
# Of the images that calibrate, those on which each layer is looked at alone: by their pixels, and no fewer or more than
# so many. More hardly change which layers are the worst.
SENSITIVITY_PIXELS, SENSITIVITY_IMAGES = 1 << 18, (8, 32)
MOST_FLOAT = 0.5  # of the layers; with more in float it is no quantized network any more
SECONDS = 3.0
NEARLY = 1e-3  # points or decibels that are missing at least where something else is not enough


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
    layers: bool = False,
    c_array: bool = False,
    branches: Branches | None = None,
) -> Quantized:
    """Writes a run or checkpoint as an artifact of 8-bit integers for an engine, where that costs no more than allowed.

    Ranges are measured on `calibration` training images, accuracy before and after on the validation split. Where the
    loss is more than `max_drop` points, or fewer than `min_agreement` (0 to 1) of the images keep their class, the
    layers that do most harm stay in float, as many as are needed, up to half. Where the images are too few to show a
    loss of `max_drop` points (quantization/comparison.py says how many it takes), the noise that the integers add to
    the outputs decides in its place, and the agreement, so that no layer stays in float because of luck.
    data: None: that of the run; other images: one half calibrates, the other evaluates. out: None: beside the
    checkpoint `model.int8.onnx`, or for litert, which is for phones, the folder `model_litert_int8`. keep_float: layers
    by path that stay in float in any case. finetune: epochs of quantization-aware training before (Jacob et al., arXiv
    1712.05877, section 3). input: as for `export`; for litert also int8: input and outputs are integers, as TensorFlow
    Lite Micro takes them, and memory counts more than time. c_array: for litert: a C header beside it, with the file
    as an array. branches: as for `export`. seconds: to time both for; 0: neither is timed. layers: whether the
    noise of each layer alone is measured also where all become integers, which takes longer than all else together.
    With a larger loss nothing is written and `path` is None.
    Raises LeannetError for unknown layers, data without images that evaluate, and a missing package.
    """
    console, file = Console(quiet), checkpoint_file(run)
    target = target_of(file, out, engine, input, c_array)
    header = read_header(file)
    left = shipped(header.architecture)
    check_before(file, left, engine, input, c_array, finetune)
    if branches:
        check_branches(left)
    if branches == "any" and engine != "onnxruntime":
        raise LeannetError(f"branches 'any': {engine} does not gather the images that run a block: expected 'one'")
    unknown = sorted(set(keep_float) - {node.path for node in left.layers})
    if unknown:
        paths = [node.path for node in left.layers]
        raise LeannetError(
            f"--keep-float {unknown[0]}: no layer has this path; nearest: {nearest(unknown[0], paths)}; all: "
            f"{command_line('count', run)}"
        )
    quantized = quantize_with(
        Evaluator(header, file, data, calibration, console), file, target, engine, max_drop, min_agreement,
        frozenset(keep_float), finetune, input, seconds, layers, console, branches,
    )  # fmt: skip
    if c_array and quantized.path is not None:
        write_c_array(quantized.path)
    return quantized


def quantize_with(
    evaluator: Evaluator,
    file: Path,
    target: Path,
    engine: EngineName,
    max_drop: float,
    min_agreement: float,
    keep_float: frozenset[str],
    finetune: int,
    input: Input,
    seconds: float,
    layers: bool,
    console: Console,
    branches: Branches | None = None,
) -> Quantized:
    """`quantize` with images that were read before. target: what is written."""
    quantizer = _Quantizer(file, evaluator, engine, finetune, keep_float, console, branches)
    candidates = len([layer for layer in quantizer.layers if layer.path not in keep_float])
    if layers:
        _ = quantizer.layer_noise  # now, so that its progress stands before the trials
    trials: dict[int, Quantized] = {}
    criterion: Criterion | None = None  # decided by the first trial

    def float_layers(number: int) -> frozenset[str]:
        noise = quantizer.layer_noise if number else []
        worst_first = sorted(noise, key=lambda layer: -layer.noise)
        return keep_float.union([one.path for one in worst_first if one.path not in keep_float][:number])

    def left_over(number: int) -> float:
        """By how much so many of the worst layers in float are more than enough, in decibels or in points."""
        nonlocal criterion
        trial = quantizer.evaluate(float_layers(number), max_drop, min_agreement)
        if criterion is None:
            criterion = trial.cost.criterion(max_drop)
            if criterion == "noise":
                console.say(trial.cost.note(max_drop))
        noise = tuple(quantizer.layer_noise) if number or layers else ()
        trial = trials[number] = replace(trial, layers=noise, decided_by=criterion)
        enough = trial.cost.is_enough(max_drop, min_agreement, criterion)
        console.say(f"  {len(trial.float_layers)} layers in float: {trial.line()}" + (", enough" if enough else ""))
        excess = max_drop - trial.cost.drop
        if criterion == "noise" and isinstance(trial.cost, ClassComparison):
            excess = trial.cost.decibels - min_decibels(max_drop)
        return max(excess, 0.0) if enough else min(excess, -NEARLY)

    def guess() -> int:
        """How many of the worst layers may have to stay, if the noise of all is the sum of that of each."""
        cost = trials[0].cost
        if criterion != "noise" or not isinstance(cost, ClassComparison):
            return 1
        noise = sorted((one.noise for one in quantizer.layer_noise if one.path not in keep_float), reverse=True)
        left = np.cumsum([0, *noise[::-1]])[::-1]  # where the first 0, 1, ... stay in float
        allowed = left[0] * 10 ** ((cost.decibels - min_decibels(max_drop)) / 10)
        return int((left > allowed).sum())

    number = fewest(left_over, min(candidates, int(MOST_FLOAT * len(quantizer.layers))), guess)
    last = max(trials) if number is None else number
    quantized = trials[last]
    if seconds:
        quantized = quantizer.time(quantized, float_layers(last), seconds)
    if number is None or not quantized.allowed:
        return quantized
    artifact = quantizer.artifact(float_layers(number), quantized, input)
    checks = write_checked(artifact, target, f"{file}: the integers do not answer here as they did when evaluated")
    return replace(quantized, path=target, checks=checks)


def _before_and_after(quantized: Quantized) -> dict[str, float]:
    """The scores for the header of what is shipped."""
    scores = dict(zip(("before", "after"), quantized.cost.scores, strict=True))
    if all(isinstance(each, Scores) for each in scores.values()):
        return {f"accuracy_{word}": each.accuracy for word, each in scores.items()}
    return {f"ap_{word}": each.precision.ap for word, each in scores.items() if isinstance(each, BoxScores)}


class _Quantizer:
    """A network, its calibration, and the images that evaluate what becomes of it."""

    def __init__(
        self,
        file: Path,
        evaluator: Evaluator,
        engine_name: EngineName,
        finetune_epochs: int,
        keep_float: frozenset[str],
        console: Console,
        branches: Branches | None,
    ):
        from leannet.checkpoint import load_shipped

        network, self.header = load_shipped(file)
        self.architecture: Architecture = self.header.architecture
        self.engine, self.console = engine_name, console
        self.evaluator, self.branches = evaluator, branches
        self.weights: Weights = numpy_weights(network.state_dict())
        self.bits = 8 if engine_name == "litert" else weight_bits()  # its products are added in 32 bits everywhere
        self.finetuned_epochs = finetune_epochs
        self.compute = fastest_float(engine_name)
        self.float_program = Program(self.architecture, self.weights, branches=branches)
        self.float_outputs = self.evaluator.outputs(self.float_program, engine_name, "evaluating the float network")
        self.learned_outputs = self.float_outputs
        calibration, self.ranges = self.evaluator.calibrated(self.architecture, self.weights)
        self.bias_corrections = calibration.bias_corrections(self.bits)
        if finetune_epochs:  # the network then learns what bias corrections are for
            from leannet.quantization.finetuning import finetune as finetune_network

            self.weights = finetune_network(
                network, self.header, self.ranges, self.bits, keep_float, self.evaluator, finetune_epochs, console
            )
            self.bias_corrections = {}
            learned = Program(self.architecture, self.weights)
            self.learned_outputs = self.evaluator.outputs(learned, engine_name, "evaluating what it learned")

    def program(
        self,
        float_layers: frozenset[str],
        input: Input = "float32",
        compute: str = "",
        architecture: Architecture | None = None,
    ) -> Program:
        """The quantized network, with some layers in float. input: as for `export`. compute: the type of what stays in
        float; empty: the fastest that the engine has here. architecture: of the network up to other outputs."""
        images = self.header.preprocessing if input in ("uint8", "uint8-sized") else None
        return quantized_program(
            architecture or self.architecture, self.weights, self.ranges, self.engine, float_layers, self.bits,
            self.bias_corrections, images, compute or self.compute, input == "uint8-sized", outside=input == "int8",
            branches=self.branches,
        )  # fmt: skip

    def size_bytes(self, program: Program) -> int:
        """Of the files that the engine reads."""
        return sum(map(len, program.form(engine(self.engine).form)))

    @cached_property
    def layers(self) -> list[Node]:
        """Those that become integers, or may stay in float."""
        operations = lower(self.architecture)
        floats = deciding(operations) | (float_only(operations) if self.engine == "litert" else frozenset[str]())
        chosen = {step.layer for step in operations if not step.copies} - floats
        return [node for node in self.architecture.layers if node.path in chosen]

    @cached_property
    def layer_noise(self) -> list[LayerNoise]:
        """The noise of each layer alone as integers, on a few of the images that calibrate; of a detector, that of the
        maps which it finds boxes in. Rounding makes it, so that of one engine serves the others."""
        least, most = SENSITIVITY_IMAGES
        pixels = self.header.preprocessing.height * self.header.preprocessing.width
        images = min(max(SENSITIVITY_PIXELS // pixels, least), most)
        batches = islice(self.evaluator.calibration_batches(), -(-images // CALIBRATION_BATCH))
        x = np.concatenate(list(batches))[:images]
        architecture = self.architecture
        if finds_boxes(architecture):
            architecture = learned_from(architecture)
        # By the weights after finetuning, not before.
        reference = engine(self.engine).prepare(Program(architecture, self.weights), machine().cores)(x)
        paths = {node.path for node in self.architecture.layers}
        known = {} if self.finetuned_epochs else self.evaluator.layer_noise.setdefault(self.bits, {})

        def alone(node: Node) -> Program:
            return self.program(frozenset(paths - {node.path}), compute="float32", architecture=architecture)

        new = [node for node in self.layers if node.path not in known]
        for layer in noise_of_each(new, alone, self.engine, x, reference, self.console):
            known[layer.path] = layer
        return [known[node.path] for node in self.layers]

    def evaluate(self, float_layers: frozenset[str], max_drop: float, min_agreement: float) -> Quantized:
        """The quantized network beside the float one."""
        program = self.program(float_layers)
        outputs = self.evaluator.outputs(program, self.engine, "evaluating the integers")
        return Quantized(
            cost=self.evaluator.compare(self.float_outputs, outputs, self.learned_outputs),
            path=None,
            engine=engine(self.engine).version(),
            machine=machine(),
            bits=self.bits,
            calibrated_on=self.evaluator.calibration_images,
            max_drop=max_drop,
            min_agreement=min_agreement,
            float_layers=tuple(p.path for p in self.architecture.layers if p.path in float_layers),
            layer_count=len(self.layers),
            layers=(),
            size_bytes_before=self.size_bytes(self.float_program),
            size_bytes_after=self.size_bytes(program),
            finetuned_epochs=self.finetuned_epochs,
        )

    def time(self, quantized: Quantized, float_layers: frozenset[str], seconds: float) -> Quantized:
        """The same with both networks' latencies: one image, one thread."""
        image = next(self.evaluator.evaluation_batches())[:1]
        programs = {"before": self.float_program, "after": self.program(float_layers)}
        runs = {name: partial(engine(self.engine).prepare(each, 1), image) for name, each in programs.items()}
        latencies = measure(runs, seconds)
        return replace(quantized, latency_before=latencies["before"], latency_after=latencies["after"])

    def artifact(self, float_layers: frozenset[str], quantized: Quantized, input: Input) -> Artifact:
        """What is shipped. The answers to its golden images are those of the integers."""
        program = self.program(float_layers, input)
        shipping = Shipping(
            precision="int8",
            compute=self.compute,
            input=input,
            tolerance=TOLERANCE if self.compute == "float32" else 2 * TOLERANCE,  # bfloat16 rounds as much again
            engines=(self.engine,),
            keep_float=quantized.float_layers,
            calibrated_on=quantized.calibrated_on,
            **_before_and_after(quantized),
            agreement=quantized.cost.agreement,
            evaluated_on=quantized.before.images,
            wrong_in=wrong_in(input, self.engine, self.architecture),
            weight_bits=None if self.engine == "litert" else self.bits,
            branches=self.branches,
        )
        header = shipped_header(self.header, shipping)
        step = Step(done="quantized", leannet=__version__, parameters={"finetuned_epochs": quantized.finetuned_epochs})
        provenance = header.provenance.model_copy(update={"history": (*header.provenance.history, step)})
        header = header.model_copy(update={"provenance": provenance})
        artifact: Artifact
        if self.engine == "litert":
            files = (described_tflite(program.form("tflite")[0], header),)
            artifact = FolderArtifact(header=header, golden=(), format=self.engine, files=files)
        else:
            graph = with_doc_string(program.onnx, doc_string(shipping))
            artifact = OnnxArtifact(header=header, golden=(), graph=graph)
        images = [Golden(png, np.empty(0, np.float32)) for png in golden_pngs()]
        outputs = artifact.outputs([each.image() for each in images], self.engine)
        if not np.isfinite(outputs).all():
            raise LeannetError(f"{self.engine}: the integers' answers for the golden images are not finite")
        golden = tuple(replace(each, outputs=line) for each, line in zip(images, outputs, strict=True))
        return replace(artifact, golden=golden)
