"""A LiteRT (TensorFlow Lite) file from plain data: tensors, operators and their options, put together with its schema.

The format is FlatBuffers: what is inside is written before what holds it (tensorflow/lite/schema/schema.fbs).
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

    steps, zeros: of whole numbers that stand for others, one for all, or one for each place along `axis`: then a whole
    number w is (w - zero) * step. kind: of what is computed; constants have that of their data.
    """

    name: str
    shape: tuple[int, ...]
    data: Array | None = None
    kind: str = "float32"
    steps: Array | None = None
    zeros: Array | None = None
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


def schema() -> Any:
    """The package `tflite`, of the extra `litert`. Raises LeannetError where it is not installed."""
    try:
        import tflite
    except ImportError:
        raise LeannetError("this needs the package tflite: pip install 'leannet[litert]'") from None
    return tflite


def packed(name: str, tensors: list[Tensor], operators: list[Operator], inputs: list[int], outputs: list[int]) -> bytes:
    """The file."""
    import flatbuffers

    tflite = schema()
    builder = flatbuffers.Builder(1 << 20)

    def numbers(values: Any) -> int:
        return int(builder.CreateNumpyVector(np.asarray(values, np.int32)))

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

    contents = [None, *(tensor.data for tensor in tensors)]  # the first buffer is empty, for what is computed
    buffers = []
    for data in contents:
        vector = None
        if data is not None:
            vector = builder.CreateNumpyVector(np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8))
        buffers.append(table("Buffer", **({} if vector is None else {"Data": vector})))
    kinds = list(dict.fromkeys((each.kind, each.version) for each in operators))
    codes = []
    for kind, version in kinds:
        number = getattr(tflite.BuiltinOperator, kind)
        fields = {"DeprecatedBuiltinCode": min(number, SMALL_OPCODES), "BuiltinCode": number, "Version": version}
        codes.append(table("OperatorCode", **fields))
    made_tensors = []
    for index, tensor in enumerate(tensors):
        label, shape = builder.CreateString(tensor.name), numbers(tensor.shape)
        kind = tensor.kind if tensor.data is None else tensor.data.dtype.name
        fields = {
            "Shape": shape,
            "Type": getattr(tflite.TensorType, kind.upper()),
            "Buffer": index + 1 if tensor.data is not None else 0,
            "Name": label,
        }
        if tensor.steps is not None and tensor.zeros is not None:
            steps = builder.CreateNumpyVector(np.asarray(tensor.steps, np.float32))
            zeros = builder.CreateNumpyVector(np.asarray(tensor.zeros, np.int64))
            words = {"Scale": steps, "ZeroPoint": zeros, "QuantizedDimension": tensor.axis}
            fields["Quantization"] = table("QuantizationParameters", **words)
        if tensor.data is None:
            fields["ShapeSignature"] = numbers((-1, *tensor.shape[1:]))
        made_tensors.append(table("Tensor", **fields))
    made_operators = []
    for each in operators:
        read, made = numbers(each.inputs), numbers(each.outputs)
        fields = {"OpcodeIndex": kinds.index((each.kind, each.version)), "Inputs": read, "Outputs": made}
        if each.options:
            words = {key: numbers(value) if isinstance(value, tuple) else value for key, value in each.fields.items()}
            fields["BuiltinOptions"] = table(each.options, **words)
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, each.options)
        made_operators.append(table("Operator", **fields))
    graph = table(
        "SubGraph", Tensors=offsets(made_tensors), Inputs=numbers(inputs), Outputs=numbers(outputs),
        Operators=offsets(made_operators), Name=builder.CreateString(name),
    )  # fmt: skip
    model = table(
        "Model", Version=SCHEMA_VERSION, OperatorCodes=offsets(codes), Subgraphs=offsets([graph]),
        Description=builder.CreateString("leannet"), Buffers=offsets(buffers),
    )  # fmt: skip
    builder.Finish(model, file_identifier=IDENTIFIER)
    return bytes(builder.Output())
