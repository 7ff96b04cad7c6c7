"""From the bytes of an image file to the network's input. The size is checked before anything is decoded."""

import ctypes
import io
import sys

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from leannet.data.images import BrokenImage, prepare, read, upright_size
from leannet.preprocessing import Preprocessing
from leannet.serving.limits import Refused

# Those of data/images.py. Pillow knows more, but one of them (EPS) runs another program and writes files.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
LARGE = 4_000_000  # pixels
_FORMAT_NAMES = "JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, AVIF or JPEG 2000"


def prepare_file(
    name: str, data: bytes, preprocessing: Preprocessing, max_pixels: int
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """(H, W, C) uint8 of an image file, exactly as training and `predict` prepare it, and its width and height.

    Raises Refused for a file that is not an image, a broken image, and one of more than `max_pixels`.
    """
    width, height = _size(name, data, max_pixels)
    if width * height > max_pixels:
        raise _too_large(name, f"{width:,} x {height:,}", max_pixels)
    try:
        image = read(data)
        return prepare(image, preprocessing), upright_size(image)
    except BrokenImage as error:
        raise Refused(422, f"{name}: expected a whole image, found a broken one ({error}): send it again") from None
    finally:
        if width * height > LARGE:
            _return_memory()


def _size(name: str, data: bytes, max_pixels: int) -> tuple[int, int]:
    """Width and height from the file's header."""
    Image.init()
    try:
        with Image.open(io.BytesIO(data), formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            return image.size
    except UnidentifiedImageError:
        raise Refused(422, f"{name}: expected an image ({_FORMAT_NAMES}), found {_description(data)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name, "far more", max_pixels) from None
    except Exception as error:  # Pillow's readers raise whatever their format's parser raises
        raise Refused(422, f"{name}: expected a whole image, found a broken one ({error}): send it again") from None


def _return_memory() -> None:
    """Returns freed memory to the system, since glibc would keep hundreds of megabytes after a large image."""
    if sys.platform.startswith("linux") and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def _too_large(name: str, found: str, max_pixels: int) -> Refused:
    return Refused(
        413, f"{name}: expected at most {max_pixels:,} pixels, found {found}: make it smaller before sending it"
    )


def _description(data: bytes) -> str:
    if not data:
        return "an empty file"
    try:
        data[:4096].decode("ascii")
        return f"a text file of {len(data):,} bytes"
    except UnicodeDecodeError:
        return f"{len(data):,} bytes of something else"
