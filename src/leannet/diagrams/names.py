"""Short names of WHATs that stand side by side."""

from collections.abc import Sequence
from pathlib import Path


def labels(words: Sequence[str]) -> list[str]:
    """A short name of each: as many of the last parts of its path as tell it from the others."""
    parts = [Path(word).parts or (word,) for word in words]
    found = []
    for own in parts:
        # A file's name says little (model.onnx), so its folder comes along.
        fewest = 2 if Path(own[-1]).suffix in {".safetensors", ".onnx"} else 1
        for number in range(fewest, len(own) + 1):
            if sum(other[-number:] == own[-number:] for other in parts) == 1:
                break
        else:
            number = len(own)
        found.append("/".join(own[-number:]).replace("//", "/"))
    return found
