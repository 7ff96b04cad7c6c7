"""Which programs are known to read a shipped file wrong: what docs/readers.md shows, said in the file too.

A file says it in its header, under `wrong_in` (engine or program -> why), and an ONNX file in its doc string as well.
"""

from leannet.rows import Architecture, LocalResponse
from leannet.sections import Input, Shipping

NO_ANTIALIAS = "resizes without antialiasing"
# Programs that run the graph's Resize without a word about its `antialias`, which they do not have.
WITHOUT_ANTIALIAS = ("openvino", "opencv")
OPENCV_INTEGERS = (
    "4.x computes the first of several images alone, and ShuffleNetV2 wrong; 5.0 computes depthwise convolutions wrong "
    "at the end of small maps"
)
# Of files of integers, by the engine that they are made for.
INTEGERS: dict[str, dict[str, str]] = {
    "onnxruntime": {"opencv": OPENCV_INTEGERS, "openvino": "2026 lets the gate of h-swish wrap where it has to end"},
    "openvino": {"opencv": OPENCV_INTEGERS},
}
LOCAL_RESPONSE = "1.17 and 1.18 compute local response normalization between integers wrong"
GATHERED = "2026.4 overwrites, for several images, values of branches that are still to be read"
INPUT_WORDS = {
    "float32": "normalized float32 images (N, C, height, width)",
    "int8": "normalized images (N, height, width, C) as 8-bit integers of the range that the file says",
    "uint8": "uint8 images (N, height, width, C) of any size, which it resizes and normalizes",
    "uint8-sized": "uint8 images (N, height, width, C) of the network's size, which it normalizes",
}


def wrong_in(input: Input, integers_for: str = "", architecture: Architecture | None = None) -> dict[str, str]:
    """Programs that give other answers for such a file without an error, and why.

    integers_for: the engine that its integers are made for; empty for a file of floats. architecture: of the network.
    """
    reasons = dict.fromkeys(WITHOUT_ANTIALIAS, NO_ANTIALIAS) if input == "uint8" else {}
    for name, reason in INTEGERS.get(integers_for, {}).items():
        reasons[name] = f"{reasons[name]}; {reason}" if name in reasons else reason
    layers = architecture.layers if architecture is not None and integers_for in INTEGERS else ()
    if any(isinstance(node.row, LocalResponse) for node in layers):
        reasons["onnxruntime"] = LOCAL_RESPONSE
    return reasons


def doc_string(shipping: Shipping) -> str:
    """What a file takes and which programs read it wrong, for people."""
    text = f"Takes {INPUT_WORDS[shipping.input]}."
    if shipping.branches == "one":
        text += " One image at a time (N is 1)."
    if shipping.precision == "int8":
        text += f" Its 8-bit integers are made for {' and '.join(shipping.engines)}."
    if shipping.input == "uint8":
        text += " onnxruntime resizes as training did. For others resize first, or export with --input uint8-sized."
    for name, reason in shipping.wrong_in.items():
        text += f" Wrong without an error in {name}: {reason}."
    return text
