"""From image files to arrays: one documented conversion to RGB, and the crop and resize that a network needs."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from leannet.preprocessing import CROPS, Preprocessing

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
ULPS = 1e-6  # so that 224 / (224 / 232), which is less than 232 in floating point, is not 231

Box = tuple[float, float, float, float]
Pixels = tuple[int, int, int, int]


@cache
def reads_heif() -> bool:
    """Whether HEIC can be read: by pi-heif (leannet's extra `heif`) or pillow-heif, which this registers in Pillow."""
    for name in ("pi_heif", "pillow_heif"):
        if find_spec(name) is not None:
            import_module(name).register_heif_opener()
            return True
    return False


@cache
def image_suffixes() -> frozenset[str]:
    """The extensions, in lower case, of files that can be read here."""
    return SUFFIXES | HEIF_SUFFIXES if reads_heif() else SUFFIXES


class BrokenImage(ValueError):
    """An image that cannot be read. The message says why."""


def read(source: Path | bytes, least: tuple[int, int] | None = None) -> Image.Image:
    """The decoded image, its first frame if there are several. Raises BrokenImage.

    least: the width and height needed; a JPEG may then be decoded at a half, a quarter or an eighth of its size, which
    is faster. None: full size.
    """
    image = read_header(source)
    with _pillow_s_errors():
        if least is not None:
            image.draft(None, least)
        image.load()
        return image


def read_header(source: Path | bytes) -> Image.Image:
    """The opened image, its pixels not yet decoded. Raises BrokenImage."""
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise BrokenImage(error.strerror or str(error)) from None
    if _is_heif(data) and not reads_heif():
        raise BrokenImage(f"HEIC, despite its extension; {HEIF_WAY_OUT}")
    with _pillow_s_errors(empty=not data):
        return Image.open(io.BytesIO(data))


@contextmanager
def _pillow_s_errors(empty: bool = False) -> Iterator[None]:
    """Raises BrokenImage for whatever Pillow raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of a very large image, and raises for a huge one
            yield
    except UnidentifiedImageError:
        raise BrokenImage("empty file" if empty else "not an image") from None
    except Exception as error:  # Pillow's decoders let any error of their parsers through
        raise BrokenImage(str(error) or type(error).__name__) from None


def _is_heif(data: bytes) -> bool:
    """Tells HEIF by the brand of its first box (ISO/IEC 23008-12, annex B.4); AVIF, which Pillow reads, has others."""
    brands = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"} | ({b"mif1"} if b"avif" not in data[:64] else set())
    return data[4:8] == b"ftyp" and data[8:12] in brands


def to_color(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The image upright and in the network's color mode. Raises BrokenImage.

    Orientation follows the EXIF tag. Grey becomes three equal channels; palettes are looked up; transparent images are
    composited over the background color; CMYK, YCbCr, Lab and HSV are converted by Pillow without a color profile; of
    grey of more than 8 bits, `grey_range` becomes 0 to 255. 32-bit float images have no agreed range: BrokenImage.
    """
    try:
        return _to_color(image, preprocessing)
    except BrokenImage:
        raise
    except Exception as error:  # as in `read`: a damaged tag or palette may raise any error
        raise BrokenImage(f"{type(error).__name__}: {error}") from None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as `to_color` makes them, of an image that need not be decoded."""
    turned = orientation_of(image) in TURNED and image.format != "TIFF"  # which Pillow turns itself, size and pixels
    return (image.height, image.width) if turned else image.size


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation, from 1, upright, to 8; 1 where it says none that can be read."""
    with suppress(Exception):  # metadata of many kinds may be damaged
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _to_color(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    if preprocessing.exif_orientation and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)  # not called for upright images, which it would copy
    if image.mode == "F":
        raise BrokenImage("32-bit float pixels, which have no agreed range")
    if image.mode.startswith("I"):
        low, high = preprocessing.grey_range
        values = np.clip(_high_bit_depth(image), low, high)
        image = Image.fromarray(((values - low) * 255 // (high - low)).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*preprocessing.background, 255)), image)
    if image.mode == "LAB":
        image = image.convert("RGB")  # Pillow cannot convert Lab to grey
    return image if image.mode == preprocessing.color else image.convert(preprocessing.color)


def _high_bit_depth(image: Image.Image) -> NDArray[np.int64]:
    """The values of grey of more than 8 bits, from any of Pillow's integer modes."""
    return np.asarray(image, dtype=np.int64)


def deep_levels(image: Image.Image) -> tuple[int, int] | None:
    """The lowest and highest value of an image of more than 8 bits per pixel; None for others."""
    if not image.mode.startswith("I"):
        return None
    values = _high_bit_depth(image)
    return int(values.min()), int(values.max())


def center_crop(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """The box (left, top, right, bottom) that `crop` or `center-crop` keeps of an image of (width, height) pixels."""
    width, height = size
    if preprocessing.resize == "center-crop":
        return _in_whole_pixels(width, height, preprocessing)
    side = min(width / preprocessing.width, height / preprocessing.height) * preprocessing.crop_ratio
    cut_width, cut_height = side * preprocessing.width, side * preprocessing.height
    left, top = (width - cut_width) / 2, (height - cut_height) / 2
    return left, top, left + cut_width, top + cut_height


def _in_whole_pixels(width: int, height: int, preprocessing: Preprocessing) -> Box:
    """The box that becomes what `Resize` and `CenterCrop` of torchvision and timm leave.

    They resize the image until it just covers `covered_size`, the other side rounded down, and cut its middle out of
    that in whole pixels, halves rounded to the even one. Resizing this box does both in one step.
    """
    wide, high = covered_size(preprocessing)
    if wide * height >= high * width:
        high = int(wide * height / width)
    else:
        wide = int(high * width / height)
    left, top = round((wide - preprocessing.width) / 2), round((high - preprocessing.height) / 2)
    across, down = width / wide, height / high  # pixels of the image over one of the resized
    return left * across, top * down, (left + preprocessing.width) * across, (top + preprocessing.height) * down


def covered_size(preprocessing: Preprocessing) -> tuple[int, int]:
    """Width and height that a resized image just covers before `center-crop` cuts: 256 for 224 px and 0.875."""
    width, height = (
        int(side / preprocessing.crop_ratio + ULPS) for side in (preprocessing.width, preprocessing.height)
    )
    return width, height


def fit(image: Image.Image, preprocessing: Preprocessing, box: Box | None = None) -> Image.Image:
    """An image from `to_color`, cropped and resized.

    box: in training, the crop instead of the preprocessing's own; what of it is beyond the image becomes grey.
    """
    size = (preprocessing.width, preprocessing.height)
    kept, (left, top, right, bottom) = laid(image.size, preprocessing, box)
    resized = image.resize((right - left, bottom - top), RESAMPLING[preprocessing.interpolation], box=kept)
    if resized.size == size:
        return resized
    whole = Image.new(image.mode, size, GREY if preprocessing.color == "RGB" else GREY[0])
    whole.paste(resized, (left, top))
    return whole


def laid(size: tuple[int, int], preprocessing: Preprocessing, box: Box | None = None) -> tuple[Box, Pixels]:
    """What an input shows of an image of (width, height) pixels, and the whole pixels there that it fills.

    box: as for `fit`. Each is left, top, right and bottom.
    """
    width, height = size
    if box is None and preprocessing.resize == "letterbox":
        (wide, high), (at_left, at_top) = fitted_size(size, preprocessing)
        return (0.0, 0.0, float(width), float(height)), (at_left, at_top, at_left + wide, at_top + high)
    if box is None and preprocessing.resize in CROPS:
        box = center_crop(size, preprocessing)
    left, top, right, bottom = box or (0.0, 0.0, float(width), float(height))
    kept = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    first, last = _filled(left, right, kept[0], kept[2], preprocessing.width)
    highest, lowest = _filled(top, bottom, kept[1], kept[3], preprocessing.height)
    return kept, (first, highest, last, lowest)


def _filled(start: float, end: float, first: float, last: float, pixels: int) -> tuple[int, int]:
    """Of an input's side, which shows an image from start to end, the pixels that its part from first to last fills: at
    least one."""
    scale = pixels / (end - start)
    begin = min(round((first - start) * scale), pixels - 1)
    return begin, max(begin + 1, round((last - start) * scale))


def fitted_size(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[tuple[int, int], tuple[int, int]]:
    """Of a letterboxed image of (width, height) pixels the width and height in the input, and its left top corner.

    In whole pixels, as Pillow's `ImageOps.pad` rounds them, and at least one: that refuses very long images.
    """
    (width, height), wide, high = size, preprocessing.width, preprocessing.height
    if width / height > wide / high:
        resized = wide, max(1, round(height / width * wide))
    elif width / height < wide / high:
        resized = max(1, round(width / height * high)), high
    else:
        resized = wide, high
    return resized, (round((wide - resized[0]) / 2), round((high - resized[1]) / 2))


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, C) uint8; a grey image has C = 1."""
    array = np.asarray(image, dtype=np.uint8)
    return array if array.ndim == 3 else array[:, :, None]


def to_image(array: NDArray[np.uint8]) -> Image.Image:
    """The image of an (H, W, C) uint8 array."""
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def prepare(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """(H, W, C) uint8 of a decoded image: upright, in the network's color mode, cropped and resized."""
    return to_array(fit(to_color(image, preprocessing), preprocessing))
