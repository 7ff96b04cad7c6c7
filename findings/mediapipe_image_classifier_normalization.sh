#!/bin/bash
# MediaPipe 1.2.3: a .tflite classifier of floats whose metadata say a mean and a standard deviation for each channel, as
# ImageNet's are; and the same with one pair for all channels.
# Expected: MediaPipe's metadata writer makes them, and its ImageClassifier subtracts and divides channel by channel, as
# the vectors of NormalizationOptions in its own metadata_schema.fbs say.
# Seen: the writer cannot be imported from the wheel (no module named mediapipe.tasks.cc), so the metadata are written
# here with the schema's generated code, which is in the wheel. Values that differ between channels are refused when the
# classifier is made (NotImplementedError: Per-channel image normalization is not available); one for all is taken.
# tflite-support 0.4.4 takes a value for each channel. What helps: train with one mean and deviation for all channels.
# Versions: mediapipe 1.2.3, tflite 2.18.0, flatbuffers 25.12.19, numpy 2.4.6.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check mediapipe==1.2.3 tflite==2.18.0 \
    flatbuffers==25.12.19 numpy==2.4.6
cat > "$place/classify.py" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import flatbuffers
import numpy as np
import tflite
from mediapipe.tasks.python import BaseOptions, vision
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

SIZE = 8


def metadata(mean, std):
    """By the schema's generated code: an image, normalized, and scores."""
    unit = schema.ProcessUnitT()
    unit.optionsType, unit.options = schema.ProcessUnitOptions.NormalizationOptions, schema.NormalizationOptionsT()
    unit.options.mean, unit.options.std = mean, std
    image, scores, graph, model = (schema.TensorMetadataT(), schema.TensorMetadataT(), schema.SubGraphMetadataT(),
                                   schema.ModelMetadataT())
    image.content = schema.ContentT()
    image.content.contentPropertiesType = schema.ContentProperties.ImageProperties
    image.content.contentProperties = schema.ImagePropertiesT()
    image.content.contentProperties.colorSpace = schema.ColorSpaceType.RGB
    image.name, image.processUnits = "image", [unit]
    scores.name, scores.content = "scores", schema.ContentT()
    scores.content.contentPropertiesType = schema.ContentProperties.FeatureProperties
    scores.content.contentProperties = schema.FeaturePropertiesT()
    graph.inputTensorMetadata, graph.outputTensorMetadata = [image], [scores]
    model.subgraphMetadata, model.minParserVersion = [graph], "1.0.0"
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"M001")
    return bytes(builder.Output())


def mean_of_each_channel(written: bytes) -> bytes:
    """A network of one operation, the mean of each channel as three scores; with metadata."""
    builder = flatbuffers.Builder(1024)

    def table(kind, **fields):
        getattr(tflite, f"{kind}Start")(builder)
        for key, value in fields.items():
            getattr(tflite, f"{kind}Add{key}")(builder, value)
        return getattr(tflite, f"{kind}End")(builder)

    def ints(*values):
        return builder.CreateNumpyVector(np.array(values, np.int32))

    def offsets(*values):
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependUOffsetTRelative(value)
        return builder.EndVector()

    def tensor(name, shape, kind, buffer):
        name, shape = builder.CreateString(name), ints(*shape)
        return table("Tensor", Shape=shape, Type=kind, Buffer=buffer, Name=name)

    axes = builder.CreateNumpyVector(np.frombuffer(np.array([1, 2], np.int32).tobytes(), np.uint8))
    data = builder.CreateNumpyVector(np.frombuffer(written, np.uint8))
    buffers = offsets(table("Buffer"), table("Buffer", Data=axes), table("Buffer", Data=data))
    entry = table("Metadata", Name=builder.CreateString("TFLITE_METADATA"), Buffer=2)
    code = table("OperatorCode", DeprecatedBuiltinCode=tflite.BuiltinOperator.MEAN,
                 BuiltinCode=tflite.BuiltinOperator.MEAN, Version=1)
    tensors = offsets(
        tensor("input", (1, SIZE, SIZE, 3), tflite.TensorType.FLOAT32, 0),
        tensor("axes", (2,), tflite.TensorType.INT32, 1),
        tensor("output", (1, 3), tflite.TensorType.FLOAT32, 0),
    )
    inputs, outputs, options = ints(0, 1), ints(2), table("ReducerOptions", KeepDims=False)
    operator = table("Operator", OpcodeIndex=0, Inputs=inputs, Outputs=outputs, BuiltinOptions=options,
                     BuiltinOptionsType=tflite.BuiltinOptions.ReducerOptions)
    operators, ends = offsets(operator), (ints(0), ints(2))
    graph = table("SubGraph", Tensors=tensors, Inputs=ends[0], Outputs=ends[1], Operators=operators)
    model = table("Model", Version=3, OperatorCodes=offsets(code), Subgraphs=offsets(graph), Buffers=buffers,
                  Metadata=offsets(entry))
    builder.Finish(model, file_identifier=b"TFL3")
    return bytes(builder.Output())


def classifier(mean, std):
    file = Path(sys.argv[1]) / "classifier.tflite"
    file.write_bytes(mean_of_each_channel(metadata(mean, std)))
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(file)))
    return vision.ImageClassifier.create_from_options(options)


print("mediapipe", version("mediapipe"))
try:
    from mediapipe.tasks.python.metadata.metadata_writers import image_classifier  # noqa: F401

    missing = ""
except ModuleNotFoundError as error:
    missing = str(error)
print("the metadata writer:", missing or "is there")
try:
    classifier([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]).close()
    refused = ""
except NotImplementedError as error:
    refused = str(error)
print("a mean and a deviation for each channel:", refused or "taken")
classifier([51.0] * 3, [102.0] * 3).close()
print("one for all channels: taken")
sys.exit(0 if missing and "Per-channel" in refused else 1)
PY
"$place/env/bin/python" "$place/classify.py" "$place" 2> "$place/log" || { cat "$place/log" >&2; exit 1; }
