"""From the bytes of a file to what the network takes, with the image's size looked at before it is decoded."""

import ctypes
import io
import sys

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from leannet.data.images import BrokenImage, prepare, read
from leannet.preprocessing import Preprocessing
from leannet.serving.limits import Refused

# Those of data/images.py. Pillow knows more, and one of them (EPS) runs another program and writes files.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
LARGE = 4_000_000  # pixels
_WORDS = "JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, AVIF or JPEG 2000"


def prepared(name: str, data: bytes, preprocessing: Preprocessing, pixels: int) -> NDArray[np.uint8]:
    """(H, W, C) uint8 of an image file, exactly as training and `predict` make it.

    Raises Refused for what is no image, a broken one, and one of more than `pixels`.
    """
    width, height = _size(name, data, pixels)
    if width * height > pixels:
        raise _too_large(name, f"{width:,} x {height:,}", pixels)
    try:
        return prepare(read(data), preprocessing)
    except BrokenImage as error:
        raise Refused(422, f"{name}: expected a whole image, found a broken one ({error}): send it again") from None
    finally:
        if width * height > LARGE:
            _give_back()


def _size(name: str, data: bytes, pixels: int) -> tuple[int, int]:
    Image.init()
    try:
        with Image.open(io.BytesIO(data), formats=[known for known in FORMATS if known in Image.OPEN]) as image:
            return image.size
    except UnidentifiedImageError:
        raise Refused(422, f"{name}: expected an image ({_WORDS}), found {_described(data)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name, "far more", pixels) from None
    except Exception as error:  # Pillow's readers raise whatever their format's parser raises
        raise Refused(422, f"{name}: expected a whole image, found a broken one ({error}): send it again") from None


def _give_back() -> None:
    """Freed memory to the system: glibc would keep the hundreds of megabytes of a large image for its thread."""
    if sys.platform.startswith("linux") and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def _too_large(name: str, found: str, pixels: int) -> Refused:
    return Refused(413, f"{name}: expected at most {pixels:,} pixels, found {found}: make it smaller before sending it")


def _described(data: bytes) -> str:
    if not data:
        return "an empty file"
    try:
        data[:4096].decode("ascii")
        return f"a text file of {len(data):,} bytes"
    except UnicodeDecodeError:
        return f"{len(data):,} bytes of something else"
