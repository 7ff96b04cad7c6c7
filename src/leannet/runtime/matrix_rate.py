"""The rate at which the machine multiplies matrices: what networks can reach at best."""

from functools import cache

import numpy as np

from leannet.runtime.formats.onnx_graph import onnx_package
from leannet.runtime.latency import measure
from leannet.runtime.onnx_versions import LEAST, lowest_ir
from leannet.runtime.packages import package

SIDE = 768
SECONDS = 1.0


@cache
def matrix_gflops(threads: int = 1) -> float:
    """GFLOP/s (2 for a multiply-add) of ONNX Runtime for 768 x 768 float32 matrices: the lower quartile of its times.

    Raises LeannetError where onnx or onnxruntime is missing.
    """
    onnx, runtime = onnx_package(), package("onnxruntime")
    generator = np.random.default_rng(0)
    weight, x = (generator.normal(size=(SIDE, SIDE)).astype(np.float32) for _ in range(2))
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", kind, [SIDE, SIDE])],
        [helper.make_tensor_value_info("y", kind, [SIDE, SIDE])],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    opsets = [helper.make_opsetid("", LEAST)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=lowest_ir(onnx, LEAST))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    times = measure({"product": lambda: session.run(None, {"x": x})}, SECONDS, threads=threads)
    return 2 * SIDE**3 / (times["product"].p25_ms / 1e3) / 1e9
