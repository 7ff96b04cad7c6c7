"""Engines: what runs a network. Each turns a program into a function from arrays to arrays."""

import abc
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError, nearest
from leannet.rows import INPUT, TopBoxes
from leannet.runtime.branching import Branches
from leannet.runtime.finding import found_parts
from leannet.runtime.host_steps import HostChoice, host_choices
from leannet.runtime.lowering import lower
from leannet.runtime.openvino_form import openvino_core
from leannet.runtime.packages import package
from leannet.runtime.programs import FORMS, Program
from leannet.runtime.sessions import litert_interpreter, ncnn_net, onnxruntime_session, openvino_settings
from leannet.runtime.tails import computed_tail, without_tail

Floats = NDArray[np.float32]
Run = Callable[[Floats], list[Floats]]  # (N, C, H, W) -> the outputs, in order


class Engine(abc.ABC):
    """Runs programs."""

    name: ClassVar[str]
    form: ClassVar[str] = "onnx"  # of programs, in FORMS; torch reads none
    # How it leaves out what an image skips, by what a program's choices are; where nothing is said, all rows run.
    ways: ClassVar[Mapping[Branches | None, str]] = {"one": "branches"}

    def reads(self, program: Program) -> str:
        """The form that it reads a program in, in FORMS; empty for torch."""
        return self.form

    def skips(self, program: Program) -> str:
        """How it leaves out what an image skips, in a word or two; empty: it runs all rows, and masks."""
        return self.ways.get(program.branches, "")

    @property
    def has_bfloat16(self) -> bool:
        """Whether it computes in bfloat16 here, where a program says so."""
        return False

    @abc.abstractmethod
    def version(self) -> str:
        """The engine's name and version. Raises LeannetError where it is not installed."""

    @abc.abstractmethod
    def prepare(self, program: Program, threads: int, alone: bool = True) -> Run:
        """Loads a program and returns the function that runs it.

        alone: nothing else computes meanwhile, so that threads may spin between runs instead of sleeping.
        """


class Torch(Engine):
    """torch, eager, channels last."""

    name = "torch"
    form = ""
    ways: ClassVar[Mapping[Branches | None, str]] = dict.fromkeys((None, "one", "any"), "gathers")

    def version(self) -> str:
        import torch

        return f"torch {torch.__version__}"

    def prepare(self, program: Program, threads: int, alone: bool = True) -> Run:
        import torch

        network = program.network.to(memory_format=torch.channels_last)
        finds_boxes = isinstance(program.architecture.row(program.architecture.output_names[0]), TopBoxes)

        def run(x: Floats) -> list[Floats]:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            with torch.inference_mode():
                outputs = network(torch.from_numpy(x).contiguous(memory_format=torch.channels_last))
            values = [value.numpy() for value in (outputs.values() if isinstance(outputs, dict) else [outputs])]
            return found_parts(values[0]) if finds_boxes else values

        return run


class OnnxRuntime(Engine):
    """ONNX Runtime on the CPU."""

    name = "onnxruntime"
    ways: ClassVar[Mapping[Branches | None, str]] = {"one": "branches", "any": "gathers"}

    def version(self) -> str:
        return f"onnxruntime {package('onnxruntime').__version__}"

    def prepare(self, program: Program, threads: int, alone: bool = True) -> Run:
        package("onnxruntime")
        session = onnxruntime_session(program.onnx, threads, spins=alone)
        (graph_input,) = session.get_inputs()

        def run(x: Floats) -> list[Floats]:
            return list(session.run(None, {graph_input.name: x}))

        return one_by_one(run) if graph_input.shape[0] == 1 else run


class OpenVino(Engine):
    """OpenVINO on the CPU, in the type that the program says, where the processor has it.

    Branches that gather are not for it: 2026.4 overwrites, for several images, values that are still to be read.
    """

    name = "openvino"

    def reads(self, program: Program) -> str:
        return "ir" if program.has("ir") else self.form

    @cached_property
    def has_bfloat16(self) -> bool:
        return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")

    def version(self) -> str:
        return f"openvino {package('openvino').__version__.split('-')[0]}"

    def prepare(self, program: Program, threads: int, alone: bool = True) -> Run:
        if program.branches == "any":
            raise LeannetError("OpenVINO: branches that gather give wrong answers for several images: expected an "
                               "export with --branches, or without")  # fmt: skip
        core = openvino_core()
        settings = openvino_settings(threads, program.compute == "bfloat16" and self.has_bfloat16)
        model = core.read_model(*program.form(self.reads(program)))
        requests: dict[tuple[int, ...] | None, Any] = {}

        def request(shape: tuple[int, ...]) -> Any:
            """The request for a shape: one image has a graph of its own, whose shapes are known before each run."""
            shape_in_file = model.inputs[0].partial_shape
            fixed = all(shape_in_file[i].is_static for i in range(1, len(shape)))
            key = shape if shape[0] == 1 and fixed else None
            if key not in requests:
                graph = model if key is None else model.clone()
                if key is not None:
                    graph.reshape(list(key))
                requests[key] = core.compile_model(graph, "CPU", settings).create_infer_request()
            return requests[key]

        def run(x: Floats) -> list[Floats]:
            outputs = request(x.shape).infer([x], share_inputs=True)
            return [np.array(value) for value in outputs.values()]

        number = model.inputs[0].partial_shape[0]
        return one_by_one(run) if number.is_static and number.get_length() == 1 else run


class Ncnn(Engine):
    """ncnn on the CPU, in float32, one image at a time. Choices are the host's (`host_steps`)."""

    name = "ncnn"
    form = "ncnn"
    ways: ClassVar[Mapping[Branches | None, str]] = {"one": "the host chooses"}

    def version(self) -> str:
        return f"ncnn {package('ncnn').__version__}"

    def prepare(self, program: Program, threads: int, alone: bool = True) -> Run:
        ncnn = package("ncnn")
        with tempfile.TemporaryDirectory() as folder:  # from memory it would use the weights in place
            program.write(self.form, Path(folder))
            param, data = (str(Path(folder) / name) for name in FORMS[self.form])
            network = ncnn_net(param, data, threads)
            if network is None:
                raise LeannetError("ncnn cannot read these files: they are damaged, or of another version")
        operations = lower(program.architecture)
        given_names = tuple(without_tail(operations).outputs)
        choices = host_choices(program.architecture, program.form(self.form)[0].decode()) if program.branches else ()

        def extracted(extractor: Any, name: str, packed: bool = False) -> Any:
            code, mat = extractor.extract(name, int(packed))
            if code:
                raise LeannetError(f"ncnn could not compute {name}, code {code}")
            return mat

        def choose(extractor: Any, choices: Sequence[HostChoice]) -> None:
            for choice in choices:
                side = 0 if np.array(extracted(extractor, choice.decision)).item() == 1 else 1
                choose(extractor, choice.inside[side])
                extractor.input(choice.gives, extracted(extractor, choice.sides[side], packed=True))

        def run(x: Floats) -> list[Floats]:
            outputs: list[list[Floats]] = [[] for _ in given_names]
            for image in x:
                extractor = network.create_extractor()
                extractor.set_light_mode(len(given_names) == 1)  # it frees what a second output would need
                contiguous = np.ascontiguousarray(image)  # named, since a Mat does not keep the array that it reads
                copied = ncnn.Mat(contiguous).clone()  # it works in place where it can
                extractor.input(INPUT, copied)
                choose(extractor, choices)
                for values, name in zip(outputs, given_names, strict=True):
                    value = np.array(extracted(extractor, f"{name}:0"))
                    values.append(value.reshape(-1) if value.size == value.shape[0] else value)
            stacked = {name: np.stack(values) for name, values in zip(given_names, outputs, strict=True)}
            made = computed_tail(operations, stacked)
            return [made[name] for name in operations.outputs]

        return run


class LiteRt(Engine):
    """LiteRT, once TensorFlow Lite, on the CPU. Outputs that are maps come as (N, C, H, W).

    Where a file takes and gives 8-bit integers, floats become integers here, and integers floats. Images of bytes,
    (N, H, W, C), are taken as they are.
    """

    name = "litert"
    form = "tflite"

    def version(self) -> str:
        return f"litert {package('ai_edge_litert').__version__}"

    def prepare(self, program: Program, threads: int, alone: bool = True) -> Run:
        package("ai_edge_litert")
        with _without_stderr():
            try:
                interpreter = litert_interpreter(program.form(self.form)[0], threads)
            except RuntimeError as error:  # of integers whose scales are so far apart that none of its kernels fit
                raise LeannetError(f"LiteRT cannot run this network: {str(error).splitlines()[0]}") from None
        (graph_input,), outputs = interpreter.get_input_details(), interpreter.get_output_details()
        input_index, shape = graph_input["index"], tuple[int, ...]()

        def run(x: Floats) -> list[Floats]:
            nonlocal shape
            channels_last: NDArray[Any] = np.ascontiguousarray(
                x if graph_input["dtype"] == np.uint8 else x.transpose(0, 2, 3, 1)
            )
            if graph_input["dtype"] == np.int8:
                channels_last = _as_integers(channels_last, *graph_input["quantization"])
            if shape != channels_last.shape:
                shape = channels_last.shape
                interpreter.resize_tensor_input(input_index, shape)
                interpreter.allocate_tensors()
            interpreter.set_tensor(input_index, channels_last)
            interpreter.invoke()
            values = [
                _as_floats(interpreter.get_tensor(output["index"]), *output["quantization"]) for output in outputs
            ]
            return [value.transpose(0, 3, 1, 2) if value.ndim == 4 else value for value in values]

        signature = graph_input["shape_signature"]
        return one_by_one(run) if len(signature) and signature[0] == 1 else run


def one_by_one(run: Run) -> Run:
    """Several images through a file that takes one, whose branches decide for it alone."""

    def run_all(x: Floats) -> list[Floats]:
        made = [run(x[number : number + 1]) for number in range(len(x))]
        return [np.concatenate(values) for values in zip(*made, strict=True)]

    return run_all


def _as_integers(x: Floats, scale: float, zero_point: int) -> NDArray[np.int8]:
    return np.clip(np.rint(x / np.float32(scale)) + zero_point, -128, 127).astype(np.int8)


def _as_floats(x: NDArray[Any], scale: float, zero_point: int) -> Floats:
    return x if x.dtype == np.float32 else (x.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


_STDERR_LOCK = threading.Lock()


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Nothing is written to standard error meanwhile: LiteRT would note there for every network what it runs on."""
    with _STDERR_LOCK:
        try:
            stderr = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        devnull = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(devnull, 2)
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            os.close(devnull)


ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Torch(), OnnxRuntime(), OpenVino(), Ncnn(), LiteRt())}


def engine(name: str) -> Engine:
    """The engine of that name. Raises LeannetError for an unknown one and for one that is not installed."""
    if name not in ENGINES:
        raise LeannetError(f"no engine is named '{name}'; nearest: {nearest(name, ENGINES)}")
    ENGINES[name].version()
    return ENGINES[name]


def is_installed(name: str) -> bool:
    """Whether an engine is installed."""
    try:
        ENGINES[name].version()
    except (LeannetError, ImportError):
        return False
    return True
