"""What a graph computes, whatever its values are called: a digest of each output's expression.

An expression is an operation, its fields, and the expressions of what it reads; of a constant, what it holds.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any


def digest(*parts: object) -> str:
    """Of anything that JSON or str spells."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def onnx_form(file: bytes) -> list[Any]:
    """The outputs' expressions, how many different ones there are, and the versions."""
    import onnx

    model = onnx.load_from_string(file)
    known = {each.name: str(each.type) for each in model.graph.input}
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        known[tensor.name] = digest(array.dtype, array.shape, _of_bytes(array.tobytes()))
    made = set()
    for node in model.graph.node:
        fields = sorted((each.name, str(onnx.helper.get_attribute_value(each))) for each in node.attribute)
        expression = digest(node.domain, node.op_type, fields, [known.get(name) for name in node.input])
        made.add(expression)
        known.update({name: digest(number, expression) for number, name in enumerate(node.output)})
    versions = sorted(str(opset) for opset in model.opset_import)
    return [[known[each.name] for each in model.graph.output], len(made), versions, model.ir_version]


def tflite_form(file: bytes) -> list[Any]:
    """The outputs' expressions, and how many operators there are."""
    import tflite

    model = tflite.Model.GetRootAs(file, 0)
    graph = model.Subgraphs(0)
    kinds = {number: name for name, number in vars(tflite.BuiltinOptions).items() if isinstance(number, int)}

    def tensor(index: int) -> str:
        each = graph.Tensors(index)
        steps, buffer = each.Quantization(), model.Buffers(each.Buffer())
        range_ = None
        if steps is not None and steps.ScaleLength():
            range_ = [steps.ScaleAsNumpy().tolist(), steps.ZeroPointAsNumpy().tolist(), steps.QuantizedDimension()]
        data = _of_bytes(buffer.DataAsNumpy().tobytes()) if buffer.DataLength() else None
        return digest(each.Type(), each.ShapeAsNumpy().tolist(), range_, data)

    known = {graph.Inputs(number): tensor(graph.Inputs(number)) for number in range(graph.InputsLength())}
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code, table = model.OperatorCodes(operator.OpcodeIndex()), operator.BuiltinOptions()
        fields: list[Any] = []
        if table is not None:
            options = getattr(tflite, kinds[operator.BuiltinOptionsType()])()
            options.Init(table.Bytes, table.Pos)
            names = [name for name in dir(options) if name[0].isupper() and not name.startswith(("Init", "Get"))]
            plain = [name for name in names if not name.endswith(("AsNumpy", "Length", "IsNone", "NewShape"))]
            fields = [(name, str(getattr(options, name)())) for name in plain]
        read = [known.get(index) or tensor(index) for index in map(int, operator.InputsAsNumpy())]
        for index in map(int, operator.OutputsAsNumpy()):
            known[index] = digest(code.BuiltinCode(), code.Version(), fields, read, tensor(index))
    return [[known[graph.Outputs(number)] for number in range(graph.OutputsLength())], graph.OperatorsLength()]


def ncnn_form(files: Sequence[bytes]) -> list[Any]:
    """The outputs' expressions, the digest of the weights, and how many layers there are."""
    param, weights = files
    lines = [line.split() for line in param.decode().splitlines()[2:]]
    known: dict[str, str] = {}
    outputs = []
    for kind, _, reads, makes, *words in lines:
        names, made, fields = words[: int(reads)], words[int(reads) :][: int(makes)], words[int(reads) + int(makes) :]
        expression = digest(kind, [known[name] for name in names], fields)
        known.update({name: digest(number, expression) for number, name in enumerate(made)})
        if kind == "Noop":
            outputs.append(expression)
    return [outputs, _of_bytes(weights), len(lines)]
