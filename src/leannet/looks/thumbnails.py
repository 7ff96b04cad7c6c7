"""Thumbnails: images small enough to travel inside a page."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.data.images import to_image

SIDE = 56  # pixels of the longer side
TINY = 32  # pixels up to which an image is kept as it is, without loss


def thumbnail(pixels: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """(H, W, C) uint8 -> the same image with a longer side of at most so many pixels."""
    image = to_image(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    array = np.asarray(image)
    return array if array.ndim == 3 else array[:, :, None]


def data_uri(pixels: NDArray[np.uint8], lossless: bool | None = None) -> str:
    """The image as an address that holds it: PNG of a tiny one, else JPEG."""
    image, data = to_image(pixels), io.BytesIO()
    lossless = max(pixels.shape[:2]) <= TINY if lossless is None else lossless
    image.save(data, "PNG" if lossless else "JPEG", **({"optimize": True} if lossless else {"quality": 80}))
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


def sprite(images: Sequence[NDArray[np.uint8]]) -> tuple[str, int, tuple[int, int]]:
    """Equal images as one, row by row: its address, how many stand in a row, and the (width, height) of each."""
    height, width, channels = images[0].shape
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    whole = np.zeros((rows, height, columns, width, channels), np.uint8)
    for number, image in enumerate(images):
        whole[number // columns, :, number % columns] = image
    joined = whole.reshape(rows * height, columns * width, channels)
    return data_uri(joined, lossless=max(height, width) <= TINY), columns, (width, height)
