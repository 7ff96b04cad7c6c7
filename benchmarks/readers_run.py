"""What one reader makes of files: run by readers.py in the reader's own environment, with numpy and the reader alone.

    python readers_run.py READER FILE GIVEN.npz MADE.npz [FILE GIVEN.npz MADE.npz ...]

GIVEN: `0`, `1`, ...: inputs as the file takes them, each a batch of one. MADE: `one`, the outputs one after the other;
`batch`, all at once, where all have one shape; and as text why there is none, `one_error` and `batch_error`. It is
there as soon as its file is done: where the reader ends the process, the first one that is missing tells the file.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = Any
Run = Callable[[Array], Array]
ARENA = 1 << 28  # bytes of tflite-micro


def onnxruntime(file: str) -> Run:
    import onnxruntime as runtime

    runtime.set_default_logger_severity(4)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]


def opencv(file: str) -> Run:
    import cv2

    def run(x: Array) -> Array:
        network = cv2.dnn.readNetFromONNX(file)  # anew, since it keeps the shapes of its first input
        network.setInput(x)
        return network.forward()

    return run


def openvino(file: str) -> Run:
    import openvino as reader

    core = reader.Core()
    compiled = core.compile_model(core.read_model(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: np.array(next(iter(compiled([x]).values())))


def tract(file: str) -> Run:
    import tract as reader

    def run(x: Array) -> Array:
        try:
            return reader.onnx().load(file).into_model().into_runnable().run([x])[0].to_numpy()
        except reader.TractError:  # of some networks it wants to know the whole shape of the input
            model = reader.onnx().load(file)
            kind = {"float32": "f32", "uint8": "u8"}[x.dtype.name]
            model.set_input_fact(0, ",".join([*map(str, x.shape), kind]))
            return model.into_model().into_runnable().run([x])[0].to_numpy()

    return run


def onnx2torch(file: str) -> Run:
    import torch

    # It imports torchvision, whose compiled part does not load beside a torch for CPUs alone; nothing here needs it.
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou) -> Tensor")
    import onnx2torch as reader

    network = reader.convert(file).eval()

    def run(x: Array) -> Array:
        with torch.inference_mode():
            return network(torch.from_numpy(x)).numpy()

    return run


def _lite(interpreter: Any) -> Run:
    input_index, output_index = (
        interpreter.get_input_details()[0]["index"],
        interpreter.get_output_details()[0]["index"],
    )

    def run(x: Array) -> Array:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        interpreter.resize_tensor_input(input_index, x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(input_index, x)
        interpreter.invoke()
        return interpreter.get_tensor(output_index)

    return run


def tflite_runtime(file: str) -> Run:
    from tflite_runtime.interpreter import Interpreter

    return _lite(Interpreter(file))


def litert(file: str) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    return _lite(Interpreter(file))


def tflite_micro(file: str) -> Run:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(file, arena_size=ARENA)

    def run(x: Array) -> Array:
        if len(x) > 1:
            raise ValueError("the batch is 1")
        interpreter.set_input(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), 0)
        interpreter.invoke()
        return np.array(interpreter.get_output(0))

    return run


def ncnn(file: str) -> Run:
    import ncnn as reader

    network = reader.Net()
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    if network.load_param(file) or network.load_model(str(Path(file).with_suffix(".bin"))):
        raise ValueError("cannot be loaded")
    last = next(line.split()[1] for line in reversed(Path(file).read_text().splitlines()))

    def run(x: Array) -> Array:
        if len(x) > 1:
            raise ValueError("the batch is 1")
        extractor = network.create_extractor()
        extractor.input("input", reader.Mat(np.ascontiguousarray(x[0])).clone())
        code, output = extractor.extract(last)
        if code:
            raise ValueError(f"code {code}")
        return np.array(output).reshape(1, -1)

    return run


READERS = {"onnxruntime": onnxruntime, "opencv": opencv, "openvino": openvino, "tract": tract, "onnx2torch": onnx2torch,
           "tflite-runtime": tflite_runtime, "ai-edge-litert": litert, "tflite-micro": tflite_micro,
           "ncnn": ncnn}  # fmt: skip


def one(reader: str, file: str, inputs_file: str, outputs_file: str) -> None:
    """What it makes of one file."""
    with np.load(inputs_file) as arrays:
        inputs = [arrays[str(number)] for number in range(len(arrays.files))]
    outputs: dict[str, Array] = {}
    try:
        run = READERS[reader](file)
        outputs["one"] = np.concatenate([np.array(run(x)).reshape(1, -1) for x in inputs])
    except BaseException as error:  # whatever a reader raises; one of them ends in a panic of its own kind
        outputs["one_error"] = np.array(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    else:
        try:
            if len({x.shape for x in inputs}) == 1:
                outputs["batch"] = np.array(run(np.concatenate(inputs))).reshape(len(inputs), -1)
        except BaseException as error:  # as above
            outputs["batch_error"] = np.array(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    np.savez(outputs_file, **outputs)


def main() -> None:
    reader, *words = sys.argv[1:]
    for start in range(0, len(words), 3):
        one(reader, *words[start : start + 3])


if __name__ == "__main__":
    main()
