"""What a network says of pictures, whatever runs it. No torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.data.pictures import SUFFIXES, BrokenPicture, prepare, read
from leannet.errors import LeannetError
from leannet.header import Header


@dataclass(frozen=True)
class Prediction:
    """What the network says of one picture: classes and their probabilities, the likeliest first."""

    path: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        best = [{"class": c, "probability": p} for c, p in zip(self.classes, self.probabilities, strict=True)]
        return {"path": self.path, "prediction": self.classes[0], "probability": self.probabilities[0], "top": best}


def answers(
    images: Sequence[str | Path | Image.Image],
    header: Header,
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    top: int,
) -> tuple[list[Prediction], list[dict[str, str]]]:
    """The predictions in order, and the pictures that cannot be read with the reason.

    images: paths, folders of pictures, or PIL images. probabilities: of one prepared picture (H, W, C) uint8.
    Raises LeannetError for a path that does not exist and a folder without pictures.
    """
    predictions, broken = [], []
    for name, image in listed(images):
        try:
            opened = image if isinstance(image, Image.Image) else read(image)
            array = prepare(opened, header.preprocessing)
        except BrokenPicture as error:
            broken.append({"path": name, "problem": str(error)})
            continue
        predictions.append(best_of(name, probabilities(array), header, top))
    return predictions, broken


def best_of(name: str, probabilities: NDArray[np.float32], header: Header, top: int) -> Prediction:
    """The likeliest classes of one picture."""
    best = np.argsort(-probabilities, kind="stable")[:top]
    return Prediction(name, tuple(header.classes[i] for i in best), tuple(float(probabilities[i]) for i in best))


def listed(images: Sequence[str | Path | Image.Image]) -> list[tuple[str, Path | Image.Image]]:
    listed: list[tuple[str, Path | Image.Image]] = []
    for image in images:
        if isinstance(image, Image.Image):
            listed.append((f"image {len(listed)}", image))
            continue
        path = Path(image)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise LeannetError(f"{image}: expected pictures in this folder, found none")
            listed += [(str(p), p) for p in inside]
        elif path.exists():
            listed.append((str(image), path))
        else:
            raise LeannetError(f"{image}: no such picture")
    return listed
