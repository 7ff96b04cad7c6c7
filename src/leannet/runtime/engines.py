"""Engines: what runs a network. Each takes a network and gives a function from arrays to arrays."""

import abc
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError, nearest
from leannet.rows import INPUT, Architecture
from leannet.runtime.folding import Array
from leannet.runtime.onnx_graph import numpy_weights, to_onnx

Floats = NDArray[np.float32]
Run = Callable[[Floats], list[Floats]]  # (N, C, H, W) -> the outputs, in order


class Program:
    """A network in evaluation, in the forms that engines read; each is made when it is first asked for.

    An ONNX file alone is a program too (`of_file`), for all engines but torch.
    """

    def __init__(self, architecture: Architecture, weights: dict[str, Array] | None = None):
        """weights: numpy arrays by name; None: fresh ones, where only time matters."""
        self.architecture = architecture
        self._weights = weights
        self._only_onnx = False

    @classmethod
    def of_file(cls, architecture: Architecture, onnx: bytes) -> "Program":
        """A program that is there as an ONNX file."""
        program = cls(architecture)
        program.__dict__["onnx"] = onnx  # in place of what the property would make
        program._only_onnx = True
        return program

    @cached_property
    def network(self) -> Any:
        """As a torch module. Raises LeannetError where there is an ONNX file only."""
        import torch

        from leannet.network import build

        if self._only_onnx:
            raise LeannetError("torch does not read ONNX files: name the run or the checkpoint that it was made of")
        network = build(self.architecture).eval()
        if self._weights is not None:
            network.load_state_dict({name: torch.from_numpy(np.asarray(v)) for name, v in self._weights.items()})
        return network

    @cached_property
    def onnx(self) -> bytes:
        """As an ONNX file."""
        weights = self._weights if self._weights is not None else numpy_weights(self.network.state_dict())
        return bytes(to_onnx(self.architecture, weights).SerializeToString())

    @cached_property
    def ncnn(self) -> tuple[str, bytes]:
        """As ncnn's two files. Raises LeannetError where there is an ONNX file only."""
        from leannet.runtime.ncnn_graph import to_ncnn

        return to_ncnn(self.architecture, self._known_weights("ncnn"))

    @cached_property
    def tflite(self) -> bytes:
        """As a LiteRT file. Raises LeannetError where there is an ONNX file only."""
        from leannet.runtime.tflite_graph import to_tflite

        return to_tflite(self.architecture, self._known_weights("litert"))

    def _known_weights(self, engine: str) -> dict[str, Array]:
        if self._only_onnx:
            raise LeannetError(f"{engine} does not read ONNX files: leannet export RUN --format {engine}")
        return self._weights if self._weights is not None else numpy_weights(self.network.state_dict())


class Engine(abc.ABC):
    """Runs programs with a number of threads."""

    name: ClassVar[str]
    reads_onnx: ClassVar[bool] = True

    @abc.abstractmethod
    def version(self) -> str:
        """The engine's name and version. Raises LeannetError where it is not installed."""

    @abc.abstractmethod
    def prepare(self, program: Program, threads: int) -> Run:
        """Loads a program and returns what runs it."""


class Torch(Engine):
    """torch, eager, channels last."""

    name = "torch"
    reads_onnx = False

    def version(self) -> str:
        import torch

        return f"torch {torch.__version__}"

    def prepare(self, program: Program, threads: int) -> Run:
        import torch

        network = program.network.to(memory_format=torch.channels_last)

        def run(x: Floats) -> list[Floats]:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            with torch.inference_mode():
                outputs = network(torch.from_numpy(x).contiguous(memory_format=torch.channels_last))
            return [value.numpy() for value in (outputs.values() if isinstance(outputs, dict) else [outputs])]

        return run


class OnnxRuntime(Engine):
    """ONNX Runtime on the CPU."""

    name = "onnxruntime"

    def version(self) -> str:
        return f"onnxruntime {package('onnxruntime').__version__}"

    def prepare(self, program: Program, threads: int) -> Run:
        runtime = package("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = runtime.InferenceSession(program.onnx, options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()

        def run(x: Floats) -> list[Floats]:
            return list(session.run(None, {given.name: x}))

        return run


class OpenVino(Engine):
    """OpenVINO on the CPU, in float32 where the file is."""

    name = "openvino"

    @cached_property
    def core(self) -> Any:
        """One for the whole process.

        Each takes the stack that signals are handled on, and gives back what was there before; of two that do not end
        in the order in which they began, the last one gives back memory that is gone.
        """
        return package("openvino").Core()

    def version(self) -> str:
        return f"openvino {package('openvino').__version__.split('-')[0]}"

    def prepare(self, program: Program, threads: int) -> Run:
        return self.load(program.onnx, threads)

    def load(self, model: bytes | Path, threads: int) -> Run:
        """What runs an ONNX file, or OpenVINO's own two by the name of the first."""
        core = self.core
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        read = core.read_model(model)
        requests: dict[tuple[int, ...] | None, Any] = {}

        def request(shape: tuple[int, ...]) -> Any:
            """For one picture a graph of its own: what is known beforehand need not be asked for in each run."""
            known = read.inputs[0].partial_shape
            key = shape if shape[0] == 1 and all(known[i].is_static for i in range(1, len(shape))) else None
            if key not in requests:
                graph = read if key is None else read.clone()
                if key is not None:
                    graph.reshape(list(key))
                requests[key] = core.compile_model(graph, "CPU", settings).create_infer_request()
            return requests[key]

        def run(x: Floats) -> list[Floats]:
            found = request(x.shape).infer([x], share_inputs=True)
            return [np.array(value) for value in found.values()]

        return run


class Ncnn(Engine):
    """ncnn on the CPU, in float32, one picture at a time."""

    name = "ncnn"
    reads_onnx = False

    def version(self) -> str:
        return f"ncnn {package('ncnn').__version__}"

    def prepare(self, program: Program, threads: int) -> Run:
        return self.load(*program.ncnn, program.architecture.output_names, threads)

    def load(self, param: str, weights: bytes, outputs: Sequence[str], threads: int) -> Run:
        """What runs ncnn's two files. outputs: the rows whose values are wanted."""
        ncnn = package("ncnn")
        network = ncnn.Net()
        options = network.opt
        options.num_threads, options.use_vulkan_compute = threads, False
        for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
            setattr(options, f"use_{kind}", False)
        with tempfile.TemporaryDirectory() as place:  # from memory it reads weights where they lie
            lines, data = Path(place) / "model.param", Path(place) / "model.bin"
            lines.write_text(param, encoding="utf-8")
            data.write_bytes(weights)
            if network.load_param(str(lines)) or network.load_model(str(data)):
                raise LeannetError("ncnn cannot read these files: they are damaged, or of another version")

        def run(x: Floats) -> list[Floats]:
            found: list[list[Floats]] = [[] for _ in outputs]
            for picture in x:
                extractor = network.create_extractor()
                extractor.set_light_mode(len(outputs) == 1)  # it frees what a second output would need
                given = ncnn.Mat(np.ascontiguousarray(picture)).clone()  # it works in place where it can
                extractor.input(INPUT, given)
                for values, name in zip(found, outputs, strict=True):
                    code, made = extractor.extract(f"{name}:0")
                    if code:
                        raise LeannetError(f"ncnn could not compute {name}, code {code}")
                    value = np.array(made)
                    values.append(value.reshape(-1) if value.size == value.shape[0] else value)
            return [np.stack(values) for values in found]

        return run


class LiteRt(Engine):
    """LiteRT, once TensorFlow Lite, on the CPU."""

    name = "litert"
    reads_onnx = False

    def version(self) -> str:
        return f"litert {package('ai_edge_litert').__version__}"

    def prepare(self, program: Program, threads: int) -> Run:
        return self.load(program.tflite, threads)

    def load(self, model: bytes, threads: int) -> Run:
        """What runs a .tflite file. Outputs that are pictures come as (N, C, H, W)."""
        package("ai_edge_litert")
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=model, num_threads=threads)
        given, outputs = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()
        shape: list[tuple[int, ...]] = [()]

        def run(x: Floats) -> list[Floats]:
            channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
            if shape[0] != channels_last.shape:
                shape[0] = channels_last.shape
                interpreter.resize_tensor_input(given, shape[0])
                interpreter.allocate_tensors()
            interpreter.set_tensor(given, channels_last)
            interpreter.invoke()
            found = [interpreter.get_tensor(each["index"]) for each in outputs]
            return [value.transpose(0, 3, 1, 2) if value.ndim == 4 else value for value in found]

        return run


ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Torch(), OnnxRuntime(), OpenVino(), Ncnn(), LiteRt())}


def engine(name: str) -> Engine:
    """The engine of that name. Raises LeannetError for an unknown one and for one that is not installed."""
    if name not in ENGINES:
        raise LeannetError(f"no engine is named '{name}'; nearest: {nearest(name, ENGINES)}")
    ENGINES[name].version()
    return ENGINES[name]


def package(name: str) -> Any:
    """An engine's package. Raises LeannetError where it is not installed."""
    import sys
    from importlib import import_module

    # ONNX Runtime keeps a device number and reports its uses unless it is told not to before it is loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # OpenVINO counts its uses over the network through this package, and does without where it cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None is the language's own word
    try:
        return import_module(name)
    except ImportError:
        raise LeannetError(f"this needs the package {name}: pip install 'leannet[deploy]'") from None
