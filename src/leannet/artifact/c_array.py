"""A LiteRT file as a C header, for programs without a file system: the bytes, and what a sketch needs to feed them."""

from pathlib import Path

from leannet.artifact.artifact import Artifact
from leannet.artifact.opening import open_artifact
from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.runtime.tflite_file import schema

HEADER = "model.h"
A_LINE = 12  # bytes of the file on a line
ALIGNMENT = 16  # bytes, which TensorFlow Lite Micro expects of a model


def write_c_array(folder: Path) -> Path:
    """Writes `model.h` into the folder of a LiteRT artifact, and returns its path.

    It has the file as `model_data`, the scales and zero points of input and output, mean and standard deviation of each
    channel, a function that makes the input's integer of a pixel, and the class names.
    Raises LeannetError for an artifact of another format.
    """
    artifact = open_artifact(folder)
    if artifact.engines != ("litert",):
        raise LeannetError(f"{folder}: expected a folder of a LiteRT file, found {' and '.join(artifact.engines)}")
    path = folder / HEADER
    write_whole(path, c_array(artifact).encode())
    return path


def c_array(artifact: Artifact) -> str:
    """The header's text."""
    (data,) = artifact.program.form("tflite")
    model = schema().Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    header, preprocessing = artifact.header, artifact.header.preprocessing
    lines = [f"  {', '.join(f'0x{byte:02x}' for byte in data[start : start + A_LINE])},"
             for start in range(0, len(data), A_LINE)]  # fmt: skip
    height, width, channels = preprocessing.height, preprocessing.width, preprocessing.channels
    text = [
        f"// {header.architecture.name}: {len(header.classes)} classes, images of {width} x {height} px, "
        f"{channels} channel{'s' if channels > 1 else ''}.",
        "#pragma once", "#include <stddef.h>", "#include <stdint.h>", "",
        f"enum {{ kModelHeight = {height}, kModelWidth = {width} }};",
        f"enum {{ kModelChannels = {channels}, kModelClasses = {len(header.classes)} }};",
        f"static const char *const kModelClassNames[kModelClasses] = {{{', '.join(map(quoted, header.classes))}}};", "",
    ]  # fmt: skip
    for word, tensor in (("Input", graph.Tensors(graph.Inputs(0))), ("Output", graph.Tensors(graph.Outputs(0)))):
        quantization = tensor.Quantization()
        if quantization is not None and quantization.ScaleLength() == 1:
            text += [
                f"static const float kModel{word}Scale = {float(quantization.Scale(0)):.9g}f;",
                f"static const int kModel{word}ZeroPoint = {quantization.ZeroPoint(0)};",
            ]
    if artifact.input == "int8":
        means, stds = (
            ", ".join(f"{value:.9g}f" for value in values) for values in (preprocessing.mean, preprocessing.std)
        )
        text += [
            "", f"static const float kModelMean[kModelChannels] = {{{means}}};",
            f"static const float kModelStd[kModelChannels] = {{{stds}}};",
            "", "// The input's integer of a pixel (0 to 255) of a channel.",
            "static inline int8_t model_input(uint8_t pixel, int channel) {",
            f"  float value = (pixel * {preprocessing.scale:.9g}f - kModelMean[channel]) / kModelStd[channel];",
            "  value /= kModelInputScale;",
            "  int number = (int)(value < 0 ? value - 0.5f : value + 0.5f) + kModelInputZeroPoint;",
            "  return (int8_t)(number < -128 ? -128 : number > 127 ? 127 : number);",
            "}",
        ]  # fmt: skip
    text += [
        "", f"static const size_t model_size = {len(data)};",
        f"__attribute__((aligned({ALIGNMENT}))) static const uint8_t model_data[] = {{", *lines, "};", "",
    ]  # fmt: skip
    return "\n".join(text)


def quoted(name: str) -> str:
    """A C string of a class name, in ASCII; other characters as their UTF-8 bytes."""
    plain = {ord('"'): '\\"', ord("\\"): "\\\\"}
    letters = [plain.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in name.encode("utf-8")]
    return f'"{"".join(letters)}"'
