"""From image files to arrays: one documented way to RGB, and the cut and resize that a network asks for."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from leannet.preprocessing import Preprocessing

SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jfif",
        ".png",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".avif",
        ".jp2",
    )
)
HEIF_SUFFIXES = frozenset((".heic", ".heif", ".hif"))
HEIF_WAY_OUT = "to read HEIC: pip install 'leannet[heif]'"
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
TURNED = range(5, 9)  # values of EXIF's orientation under which width and height change places
GREY = (128, 128, 128)  # around a letterboxed image

Box = tuple[float, float, float, float]


@cache
def reads_heif() -> bool:
    """Whether HEIC can be read here, by leannet's extra `heif` or its larger sister; it then joins Pillow's readers."""
    for name in ("pi_heif", "pillow_heif"):
        if find_spec(name) is not None:
            import_module(name).register_heif_opener()
            return True
    return False


@cache
def image_suffixes() -> frozenset[str]:
    """The endings, in small letters, of files that can be read here."""
    return SUFFIXES | HEIF_SUFFIXES if reads_heif() else SUFFIXES


class BrokenImage(ValueError):
    """An image that cannot be read, and why."""


def read(source: Path | bytes, least: tuple[int, int] | None = None) -> Image.Image:
    """An image decoded, its first frame where there are several. Raises BrokenImage.

    least: the width and height that are needed; a JPEG may then be decoded at a half, a quarter or an eighth of its
    size, which is quicker. None: in full.
    """
    image = read_header(source)
    with _pillow_s_errors():
        if least is not None:
            image.draft(None, least)
        image.load()
        return image


def read_header(source: Path | bytes) -> Image.Image:
    """An image opened, its pixels not yet decoded. Raises BrokenImage."""
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise BrokenImage(error.strerror or str(error)) from None
    if _is_heif(data) and not reads_heif():
        raise BrokenImage(f"HEIC, whatever its name says; {HEIF_WAY_OUT}")
    with _pillow_s_errors(empty=not data):
        return Image.open(io.BytesIO(data))


@contextmanager
def _pillow_s_errors(empty: bool = False) -> Iterator[None]:
    """Raises BrokenImage for whatever Pillow raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a very large image is a warning to Pillow, a huge one an error
            yield
    except UnidentifiedImageError:
        raise BrokenImage("empty file" if empty else "not an image") from None
    except Exception as error:  # Pillow's decoders raise whatever their format's parser raises
        raise BrokenImage(str(error) or type(error).__name__) from None


def _is_heif(data: bytes) -> bool:
    """By the brand of its first box (ISO/IEC 23008-12, annex B.4); AVIF has others, which Pillow reads."""
    brands = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"} | ({b"mif1"} if b"avif" not in data[:64] else set())
    return data[4:8] == b"ftyp" and data[8:12] in brands


def to_color(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The image upright and in the network's colors. Raises BrokenImage.

    Orientation: as its EXIF tag says. Grey becomes three equal channels; palettes are looked up; transparency is laid
    over the background color; CMYK, YCbCr, Lab and HSV are converted by Pillow without a color profile; of grey of more
    than 8 bits `grey_range` becomes 0 to 255. Images of 32-bit floats have no agreed range and count as broken.
    """
    try:
        return _to_color(image, preprocessing)
    except BrokenImage:
        raise
    except Exception as error:  # as in `read`: a damaged tag or palette raises whatever its parser raises
        raise BrokenImage(f"{type(error).__name__}: {error}") from None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as `to_color` makes them, of an image that need not be decoded."""
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) in TURNED
    return (image.height, image.width) if turned else image.size


def _to_color(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    if preprocessing.exif_orientation and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)  # which would copy an image that is upright
    if image.mode == "F":
        raise BrokenImage("32-bit float pixels, which have no agreed range")
    if image.mode.startswith("I"):
        low, high = preprocessing.grey_range
        values = np.clip(_deep(image), low, high)
        image = Image.fromarray(((values - low) * 255 // (high - low)).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*preprocessing.background, 255)), image)
    if image.mode == "LAB":
        image = image.convert("RGB")  # Pillow knows no way from Lab to grey
    return image if image.mode == preprocessing.color else image.convert(preprocessing.color)


def _deep(image: Image.Image) -> NDArray[np.int64]:
    """Grey of more than 8 bits, in whatever integer Pillow holds it."""
    return np.asarray(image, dtype=np.int64)


def deep_levels(image: Image.Image) -> tuple[int, int] | None:
    """The least and the most of an image of more than 8 bits a pixel; None for others."""
    if not image.mode.startswith("I"):
        return None
    values = _deep(image)
    return int(values.min()), int(values.max())


def middle(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """The box (left, top, right, bottom) that `crop` keeps of an image of (width, height) pixels."""
    width, height = size
    side = min(width / preprocessing.width, height / preprocessing.height) * preprocessing.crop_ratio
    cut_width, cut_height = side * preprocessing.width, side * preprocessing.height
    left, top = (width - cut_width) / 2, (height - cut_height) / 2
    return left, top, left + cut_width, top + cut_height


def fit(image: Image.Image, preprocessing: Preprocessing, box: Box | None = None) -> Image.Image:
    """An image from `to_color`, cut and resized; `box` takes the place of the rule in training."""
    size = (preprocessing.width, preprocessing.height)
    filter_ = RESAMPLING[preprocessing.interpolation]
    if box is None and preprocessing.resize == "letterbox":
        return ImageOps.pad(image, size, method=filter_, color=GREY if preprocessing.color == "RGB" else GREY[0])
    if box is None and preprocessing.resize == "crop":
        box = middle(image.size, preprocessing)
    if box is not None:  # in floating point a box may reach an ulp beyond the image
        left, top, right, bottom = box
        box = max(left, 0.0), max(top, 0.0), min(right, float(image.width)), min(bottom, float(image.height))
    return image.resize(size, filter_, box=box)


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, C) uint8, also of a grey image."""
    array = np.asarray(image, dtype=np.uint8)
    return array if array.ndim == 3 else array[:, :, None]


def to_image(array: NDArray[np.uint8]) -> Image.Image:
    """The image of (H, W, C) uint8."""
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def prepare(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """(H, W, C) uint8 of an image as it was read: upright, in the network's colors, cut and resized."""
    return to_array(fit(to_color(image, preprocessing), preprocessing))
