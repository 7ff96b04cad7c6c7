"""Golden images: images that leannet draws, with the network's outputs for them, by which a shipped file is checked.

They are never a user's, so that they may travel with the network and lie on a web page. Each has another size and
another kind of detail, so that a reader which resizes, crops, orders colors or rounds in another way than training did
gives another answer.
"""

import base64
import copy
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.errors import LeannetError
from leannet.tasks import Task

MARGIN = 1e-4  # of what a difference between float32 and float64 is taken of, where answers may change places
SIZES = ((320, 240), (201, 333), (97, 97), (64, 180))  # width, height


@dataclass(frozen=True)
class Golden:
    """An image as a PNG file, and the task's joined outputs for it: of a classifier (classes,), before softmax; of a
    detector (most, 6)."""

    png: bytes
    outputs: NDArray[np.float32]

    def image(self) -> Image.Image:
        """The image, decoded."""
        return Image.open(io.BytesIO(self.png))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"png": base64.b64encode(self.png).decode(), "outputs": self.outputs.tolist()}

    @classmethod
    def from_dict(cls, data: Any, where: object) -> "Golden":
        """From plain data. Raises LeannetError."""
        try:
            return cls(base64.b64decode(data["png"], validate=True), np.array(data["outputs"], np.float32))
        except (KeyError, TypeError, ValueError):
            raise LeannetError(f"{where}: its golden images cannot be read: the file is damaged") from None


def golden_pngs() -> list[bytes]:
    """The golden images as PNG files, always the same."""
    return [_png(pattern(width, height)) for pattern, (width, height) in zip(_PATTERNS, SIZES, strict=True)]


def record(network: Any, task: Task) -> tuple[tuple[Golden, ...], float]:
    """The golden images with a torch network's outputs in float64, and how far its float32 is from them.

    That gap is the task's largest difference, one image at a time and all at once, in both layouts of
    memory: float32 sums in another order in each, as every engine does.
    Raises LeannetError for outputs that are not finite.
    """
    import torch

    from leannet.data.images import prepare
    from leannet.data.loader import normalize

    pngs, preprocessing = golden_pngs(), task.preprocessing
    arrays = np.stack([prepare(Golden(png, np.empty(0, np.float32)).image(), preprocessing) for png in pngs])
    images = torch.from_numpy(arrays.transpose(0, 3, 1, 2).copy())
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in
                 (preprocessing.mean, preprocessing.std))  # fmt: skip
    with torch.inference_mode():
        doubled = copy.deepcopy(network).double()
        float64 = task.joined([doubled((images.double() * preprocessing.scale - mean) / std).numpy()])
        x = normalize(images, preprocessing)
        float32 = []
        for memory_format in (torch.contiguous_format, torch.channels_last):
            batch = x.contiguous(memory_format=memory_format)
            one_by_one = torch.cat([network(batch[i : i + 1]) for i in range(len(batch))])
            float32 += [task.joined([each.numpy()]) for each in (network(batch), one_by_one)]
    if not np.isfinite(float64).all() or not np.isfinite(float32).all():
        raise LeannetError(
            "its outputs for the golden images are not finite: the training diverged; nothing was written"
        )
    gap = max(task.difference(each, float64, MARGIN) for each in float32)
    return tuple(Golden(png, line.astype(np.float32)) for png, line in zip(pngs, float64, strict=True)), gap


def _png(array: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", optimize=True)
    return file.getvalue()


def _grid(width: int, height: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return across, down


def _quantized(*channels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Channels of 0..1, each (height, width), as an image (height, width, 3) of 0..255."""
    return np.clip(np.rint(255 * np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)


def _gradients(width: int, height: int) -> NDArray[np.uint8]:
    across, down = _grid(width, height)
    return _quantized(across, down, 1 - across)


def _rings(width: int, height: int) -> NDArray[np.uint8]:
    across, down = _grid(width, height)
    distance = np.hypot(across - 0.4, down - 0.6)
    return _quantized(*(0.5 + 0.5 * np.cos(distance**2 * turns) for turns in (150, 90, 60)))


def _squares(width: int, height: int) -> NDArray[np.uint8]:
    across, down = _grid(width, height)
    board = (np.floor(across * 12) + np.floor(down * 12)) % 2
    return _quantized(board, 0.2 + 0.6 * board, 1 - board)


def _stripes(width: int, height: int) -> NDArray[np.uint8]:
    across, down = _grid(width, height)
    lines = 0.5 + 0.5 * np.sin(40 * (across + 2 * down))
    return _quantized(lines * across, lines, lines * down)


_PATTERNS = (_gradients, _rings, _squares, _stripes)
