"""Short names of WHATs that stand side by side."""

from collections.abc import Sequence
from pathlib import Path


def labels(words: Sequence[str]) -> list[str]:
    """A short name of each: the last pieces of its path, as many as tell it from the others."""
    paths = [Path(word).parts or (word,) for word in words]
    names = []
    for own in paths:
        # A file's name says little (model.onnx), so its folder comes along.
        fewest = 2 if Path(own[-1]).suffix in {".safetensors", ".onnx"} else 1
        for number in range(fewest, len(own) + 1):
            if sum(other[-number:] == own[-number:] for other in paths) == 1:
                break
        else:
            number = len(own)
        names.append("/".join(own[-number:]).replace("//", "/"))
    return names
