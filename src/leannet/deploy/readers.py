"""Which programs read a shipped file right, as far as it is known: what docs/readers.md shows, said in the file too.

A file says it in its header, under `wrong_in` (engine or program -> why), and in words: an ONNX file in its doc string.
"""

from collections.abc import Mapping
from typing import Any, Literal

Input = Literal["float32", "uint8", "uint8-sized"]
INPUTS: tuple[Input, ...] = ("float32", "uint8", "uint8-sized")
NO_ANTIALIAS = "resizes without antialiasing"
# Programs that run the graph's Resize without a word about its `antialias`, which they do not have.
WITHOUT_ANTIALIAS = ("openvino", "opencv", "tract")
INPUT_WORDS = {
    "float32": "normalized float32 images (N, C, height, width)",
    "uint8": "uint8 images (N, height, width, C) of any size, which it resizes and normalizes",
    "uint8-sized": "uint8 images (N, height, width, C) of the network's size, which it normalizes",
}


def wrong_in(input: Input) -> dict[str, str]:
    """Programs that give other answers for such a file without an error, and why."""
    return dict.fromkeys(WITHOUT_ANTIALIAS, NO_ANTIALIAS) if input == "uint8" else {}


def in_words(about: Mapping[str, Any]) -> str:
    """What a file takes and which programs read it wrong: for its doc string. about: of its header."""
    words = f"Takes {INPUT_WORDS[about.get('input', 'float32')]}."
    if about.get("precision") == "int8":
        words += f" Its 8-bit integers are made for {' and '.join(about['engines'])}."
    wrong = about.get("wrong_in", {})
    for why in dict.fromkeys(wrong.values()):
        names = [name for name, reason in wrong.items() if reason == why]
        words += f" Wrong, without an error, in {', '.join(names)}: {why}."
    if about.get("input") == "uint8":
        words += " Right in onnxruntime. For the others resize first, or export with --input uint8-sized."
    return words
