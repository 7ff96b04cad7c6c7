"""The metadata of a LiteRT (.tflite) file: what its input and output mean, and the class names, for other programs.

Android Studio, MediaPipe and tflite-support read them, by metadata_schema.fbs of tensorflow/tflite-support (file
identifier M001). They lie in a buffer of the model that is named `TFLITE_METADATA`; the class names are `labels.txt`, a
line each, in a ZIP archive behind the model, uncompressed, as these readers expect.

The network is left as it is: a FlatBuffers table may stand anywhere before what it refers to, so a new model table is
written before the old file, and refers to the operators, tensors and weights in it.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from leannet.errors import LeannetError
from leannet.runtime.tflite_file import IDENTIFIER, SCHEMA_VERSION, schema

NAME = "TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"
LABELS = "labels.txt"
PARSER_VERSION = "1.0.0"  # of the first parser that knows all fields that are written here
COLOR_SPACES = {"RGB": 1, "L": 2}  # ColorSpaceType
FEATURE_PROPERTIES, IMAGE_PROPERTIES, BOX_PROPERTIES = 1, 2, 3  # ContentProperties
BOUNDARIES, IN_PIXELS = 1, 1  # BoundingBoxType: left, top, right, bottom; CoordinateType
NORMALIZATION, THRESHOLDING = 1, 3  # ProcessUnitOptions
LOWEST = float(np.finfo(np.float32).min)
AXIS_LABELS, VALUE_LABELS = 2, 3  # AssociatedFileType: the outputs stand for classes, or their values do
ALIGNMENT = 16


Means = Literal["logits", "boxes", "scores", "classes"]


@dataclass(frozen=True)
class TfliteOutput:
    """What an output means, which is its name too."""

    means: Means
    description: str


@dataclass(frozen=True)
class TfliteMetadata:
    """What the metadata say of a network.

    mean, std: in units of pixels of 0..255: the input is (pixel - mean) / std, one a channel. color: RGB or L.
    """

    name: str
    description: str
    license: str
    classes: tuple[str, ...]
    color: str
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_description: str
    outputs: tuple[TfliteOutput, ...]


def with_metadata(file: bytes, metadata: TfliteMetadata) -> bytes:
    """A file of `tflite_file.pack` with metadata and class names.

    Raises LeannetError for a class name of several lines, which a file of a line a class cannot hold.
    """
    for name in metadata.classes:
        if "\n" in name or "\r" in name:
            raise LeannetError(f"class {name!r}: expected a name of one line, for {LABELS} in the .tflite; rename it")
    model = _with_buffer(file, _packed(metadata))
    archive = io.BytesIO()
    archive.write(model)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as labels:
        info = zipfile.ZipInfo(LABELS, (1980, 1, 1, 0, 0, 0))  # the format's first day, so that files are reproducible
        labels.writestr(info, "".join(f"{name}\n" for name in metadata.classes).encode())
    return archive.getvalue()


def _with_buffer(file: bytes, buffer: bytes) -> bytes:
    """A model whose table of buffers has one more, which holds the metadata."""
    import flatbuffers

    tflite = schema()
    old = tflite.Model.GetRootAs(file, 0)

    builder = flatbuffers.Builder(len(file) + len(buffer) + 1024)
    start = _vector(builder, file) - 4  # behind the vector's length; offsets count from the end of the new file

    def offset(position: int) -> int:
        """Where something of the old file is in the new one."""
        return start - position

    def vector(field: int) -> int:
        """Where a vector of the old model begins: at its length."""
        return offset(old._tab.Vector(old._tab.Offset(4 + 2 * field)) - 4)

    data = _vector(builder, buffer)
    tflite.BufferStart(builder)
    tflite.BufferAddData(builder, data)
    new_buffer = tflite.BufferEnd(builder)
    name, description = builder.CreateString(NAME), builder.CreateString(old.Description())
    tflite.MetadataStart(builder)
    tflite.MetadataAddName(builder, name)
    tflite.MetadataAddBuffer(builder, old.BuffersLength())
    entries = _offsets(builder, [tflite.MetadataEnd(builder)])
    old_buffers = [offset(old.Buffers(index)._tab.Pos) for index in range(old.BuffersLength())]
    buffers = _offsets(builder, [*old_buffers, new_buffer])
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, SCHEMA_VERSION)
    tflite.ModelAddOperatorCodes(builder, vector(1))
    tflite.ModelAddSubgraphs(builder, vector(2))
    tflite.ModelAddDescription(builder, description)
    tflite.ModelAddBuffers(builder, buffers)
    tflite.ModelAddMetadata(builder, entries)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _packed(metadata: TfliteMetadata) -> bytes:
    """The metadata as a FlatBuffer of their own; slots are the fields' numbers in the schema."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)

    def table(slots: int, **fields: Any) -> int:
        """fields: slot_N=offset of a child; byte_N, uint_N, float_N=number."""
        builder.StartObject(slots)
        for key, value in fields.items():
            kind, number = key.split("_")
            if kind == "slot":
                builder.PrependUOffsetTRelativeSlot(int(number), value, 0)
            elif kind == "byte":
                builder.PrependUint8Slot(int(number), value, 0)
            elif kind == "float":
                builder.PrependFloat32Slot(int(number), value, 0)
            else:
                builder.PrependUint32Slot(int(number), value, 0)
        return int(builder.EndObject())

    text = builder.CreateString

    def floats(values: Sequence[float]) -> int:
        return int(builder.CreateNumpyVector(np.asarray(values, np.float32)))

    normalization = table(2, slot_0=floats(metadata.mean), slot_1=floats(metadata.std))
    units = _offsets(builder, [table(2, byte_0=NORMALIZATION, slot_1=normalization)])
    size = table(2, uint_0=metadata.width, uint_1=metadata.height)
    image = table(2, byte_0=COLOR_SPACES[metadata.color], slot_1=size)
    # The values that a pixel may take: the range of each channel, of 0 and of 255.
    bounds = [(pixel - mean) / std for mean, std in zip(metadata.mean, metadata.std, strict=True) for pixel in (255, 0)]
    statistics = table(2, slot_0=floats(bounds[::2]), slot_1=floats(bounds[1::2]))
    content = table(3, byte_0=IMAGE_PROPERTIES, slot_1=image)
    image_input = table(
        7, slot_0=text("image"), slot_1=text(metadata.input_description), slot_3=content, slot_4=units,
        slot_5=statistics,
    )  # fmt: skip

    def described(output: TfliteOutput) -> int:
        words = {"slot_0": text(output.means), "slot_1": text(output.description)}
        if output.means == "boxes":
            sides = int(builder.CreateNumpyVector(np.arange(4, dtype=np.uint32)))
            box = table(3, slot_0=sides, byte_1=BOUNDARIES, byte_2=IN_PIXELS)
            return table(7, **words, slot_3=table(3, byte_0=BOX_PROPERTIES, slot_1=box))
        content = table(3, byte_0=FEATURE_PROPERTIES, slot_1=table(0))
        if output.means == "scores":
            return table(7, **words, slot_3=content)
        values = output.means == "classes"
        order = "by their numbers, from 0" if values else "in the order of the outputs"
        kind = VALUE_LABELS if values else AXIS_LABELS
        labels = table(5, slot_0=text(LABELS), slot_1=text(f"The classes, {order}."), byte_2=kind)
        files = _offsets(builder, [labels])
        if values:
            return table(7, **words, slot_3=content, slot_6=files)
        # Readers drop scores below 0 unless they are told another threshold; logits may be anything.
        threshold = table(1, float_0=LOWEST)
        units = _offsets(builder, [table(2, byte_0=THRESHOLDING, slot_1=threshold)])
        return table(7, **words, slot_3=content, slot_4=units, slot_6=files)

    inputs, outputs = _offsets(builder, [image_input]), _offsets(builder, [*map(described, metadata.outputs)])
    graphs = _offsets(builder, [table(9, slot_2=inputs, slot_3=outputs)])
    fields = {"slot_0": text(metadata.name), "slot_1": text(metadata.description), "slot_3": graphs}
    if metadata.license:
        fields["slot_5"] = text(metadata.license)
    builder.Finish(table(8, **fields, slot_7=text(PARSER_VERSION)), file_identifier=METADATA_IDENTIFIER)
    return bytes(builder.Output())


def _vector(builder: Any, data: bytes) -> int:
    """A vector of bytes that begins where FlatBuffers in it are aligned."""
    builder.StartVector(1, len(data), ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return int(builder.EndVector())


def _offsets(builder: Any, values: Sequence[int]) -> int:
    """A vector of tables."""
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependUOffsetTRelative(value)
    return int(builder.EndVector())
