"""A LiteRT (TensorFlow Lite) file from plain data: tensors, operators and their options, by its schema.

The format is FlatBuffers: children are written before the tables that hold them (tensorflow/lite/schema/schema.fbs).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from leannet.errors import LeannetError
from leannet.runtime.folding import Array

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
SMALL_OPCODES = 127  # above, the field that older readers know holds this number


@dataclass
class Tensor:
    """A value or a constant. shape: a value's batch is 1 here, and -1 in the file's signature.

    scales, zero_points: of integers, one for the whole tensor, or one for each place along `axis`: an integer q stands
    for (q - zero_point) * scale. dtype: of a value; constants have that of their data.
    """

    name: str
    shape: tuple[int, ...]
    data: Array | None = None
    dtype: str = "float32"
    scales: Array | None = None
    zero_points: Array | None = None
    axis: int = 0


@dataclass
class Operator:
    """One operation: its name in the schema, tensors by index, and its options, a table there with its fields."""

    kind: str
    inputs: list[int]
    outputs: list[int]
    options: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    version: int = 1


@dataclass
class Subgraph:
    """Tensors and operators, by index, and which of the tensors it reads and gives."""

    name: str
    tensors: list[Tensor]
    operators: list[Operator]
    inputs: list[int]
    outputs: list[int]


def schema() -> Any:
    """The package `tflite`, of the extra `litert`. Raises LeannetError where it is not installed."""
    try:
        import tflite
    except ImportError:
        raise LeannetError("this needs the package tflite: pip install 'leannet[litert]'") from None
    return tflite


def pack(graph: Subgraph, *bodies: Subgraph) -> bytes:
    """The file of a network. bodies: of its branches, which its operators know by their number, from 1."""
    import flatbuffers

    tflite = schema()
    builder = flatbuffers.Builder(1 << 20)
    written: dict[tuple[str, bytes], int] = {}

    def shared(values: Any, dtype: str) -> int:
        """A vector that is written once. Of shapes, and of the zero points that every channel has (8 bytes of 0): how
        much there is of them is known before a network has been calibrated, so that its size is."""
        vector = np.asarray(values, dtype)
        key = dtype, vector.tobytes()
        if key not in written:
            written[key] = int(builder.CreateNumpyVector(vector))
        return written[key]

    def numbers(values: Any) -> int:
        return shared(values, "int32")

    def offsets(values: list[int]) -> int:
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependUOffsetTRelative(value)
        return int(builder.EndVector())

    def table(kind: str, **fields: Any) -> int:
        getattr(tflite, f"{kind}Start")(builder)
        for key, value in fields.items():
            getattr(tflite, f"{kind}Add{key}")(builder, value)
        return int(getattr(tflite, f"{kind}End")(builder))

    graphs = (graph, *bodies)
    tensors = [tensor for each in graphs for tensor in each.tensors]
    contents = [None, *(tensor.data for tensor in tensors)]  # the first buffer is empty, for what is computed
    buffers = []
    for data in contents:
        vector = None
        if data is not None:
            vector = builder.CreateNumpyVector(np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8))
        buffers.append(table("Buffer", **({} if vector is None else {"Data": vector})))
    kinds = list(dict.fromkeys((operator.kind, operator.version) for each in graphs for operator in each.operators))
    codes = []
    for kind, version in kinds:
        number = getattr(tflite.BuiltinOperator, kind)
        fields = {"DeprecatedBuiltinCode": min(number, SMALL_OPCODES), "BuiltinCode": number, "Version": version}
        codes.append(table("OperatorCode", **fields))
    tensor_tables = []
    for index, tensor in enumerate(tensors):
        label, shape = builder.CreateString(tensor.name), numbers(tensor.shape)
        dtype = tensor.dtype if tensor.data is None else tensor.data.dtype.name
        fields = {
            "Shape": shape,
            "Type": getattr(tflite.TensorType, dtype.upper()),
            "Buffer": index + 1 if tensor.data is not None else 0,
            "Name": label,
        }
        if tensor.scales is not None and tensor.zero_points is not None:
            scales = builder.CreateNumpyVector(np.asarray(tensor.scales, np.float32))
            of_channels = len(tensor.zero_points) > 1 and not np.any(tensor.zero_points)
            zero_points = (shared(tensor.zero_points, "int64") if of_channels
                           else builder.CreateNumpyVector(np.asarray(tensor.zero_points, np.int64)))  # fmt: skip
            quantization = {"Scale": scales, "ZeroPoint": zero_points, "QuantizedDimension": tensor.axis}
            fields["Quantization"] = table("QuantizationParameters", **quantization)
        if tensor.data is None and not bodies:  # a branch decides for one image
            fields["ShapeSignature"] = numbers((-1, *tensor.shape[1:]))
        tensor_tables.append(table("Tensor", **fields))
    graph_tables = []
    for each in graphs:
        operator_tables = []
        for operator in each.operators:
            reads, writes = numbers(operator.inputs), numbers(operator.outputs)
            fields = {"OpcodeIndex": kinds.index((operator.kind, operator.version)), "Inputs": reads, "Outputs": writes}
            if operator.options:
                options = {key: numbers(value) if isinstance(value, tuple) else value
                           for key, value in operator.fields.items()}  # fmt: skip
                fields["BuiltinOptions"] = table(operator.options, **options)
                fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, operator.options)
            operator_tables.append(table("Operator", **fields))
        own, tensor_tables = tensor_tables[: len(each.tensors)], tensor_tables[len(each.tensors) :]
        graph_tables.append(
            table(
                "SubGraph", Tensors=offsets(own), Inputs=numbers(each.inputs), Outputs=numbers(each.outputs),
                Operators=offsets(operator_tables), Name=builder.CreateString(each.name),
            )
        )  # fmt: skip
    model = table(
        "Model", Version=SCHEMA_VERSION, OperatorCodes=offsets(codes), Subgraphs=offsets(graph_tables),
        Description=builder.CreateString("leannet"), Buffers=offsets(buffers),
    )  # fmt: skip
    builder.Finish(model, file_identifier=IDENTIFIER)
    return bytes(builder.Output())
