"""Random changes of training images, drawn from a generator that the caller seeds by image and epoch.

A crop is drawn before an image is resized, so that cropping and resizing are one call; everything else is applied to
the resized image.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from pydantic import Field

from leannet.data.images import GREY, Box, fit, to_array
from leannet.data.placing import Placement, place
from leannet.preprocessing import Preprocessing
from leannet.rows.fields import Documented, Flag

QUARTERS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
Share = Annotated[float, Field(ge=0, le=1)]


class Augment(Documented):
    """Random changes of training images. crop 0: the image is prepared as for validation."""

    crop: Share = 0.35
    """Smallest share of the area that a random crop keeps. 0: no crop."""
    zoom_out: Annotated[float, Field(ge=1)] = 1.0
    """Largest area of a random crop, over the least that holds the whole image; what is beyond the image is grey."""
    stretch: Annotated[float, Field(ge=1)] = 4 / 3
    """Largest change of a crop's aspect ratio."""
    pad: Annotated[int, Field(ge=0)] = 0
    """Pixels of black around the image, of which a random window is kept."""
    flip: Flag = True
    """Mirror every second image, left to right."""
    flip_vertical: Flag = False
    """Turn every second image upside down too, where there is no up: cells, aerial views."""
    rotate90: Flag = False
    """Turn images by quarters of a circle at random, where there is no up."""
    policy: Literal["none", "trivial", "rand", "color"] = "none"
    """TrivialAugment or RandAugment; color: of the first the changes of light and color alone, which move nothing."""
    policy_changes: Annotated[int, Field(ge=1)] = 2
    """Of RandAugment: changes an image."""
    policy_strength: Share = 0.3
    """Of RandAugment: magnitude, 0 to 1."""
    erase: Share = 0.0
    """Probability that a rectangle is filled with noise (random erasing)."""
    mosaic: Share = 0.0
    """Of a detection set: probability that an image is made of four."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Alpha of mixup."""
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """Alpha of CutMix."""


class Moved(NamedTuple):
    """Where a change has put the pixels of an image: mirrored, upside down, then so many to the right and down."""

    is_mirrored: bool
    is_upside_down: bool
    right: int
    down: int


def augmented(
    image: Image.Image, preprocessing: Preprocessing, augment: Augment, draw: np.random.Generator
) -> tuple[NDArray[np.uint8], Placement]:
    """(H, W, C) uint8 of an upright image in the network's colors, turned, cropped, resized and changed at random, and
    where the image is in it."""
    size, quarters = image.size, int(draw.integers(4)) if augment.rotate90 else 0
    if quarters:
        image = image.transpose(QUARTERS[quarters - 1])
    box = random_box(image.size, preprocessing, augment, draw)
    array, moved = change(fit(image, preprocessing, box), augment, draw)
    turned = moved.is_mirrored, moved.is_upside_down
    where = place(image.size, preprocessing, box, *turned, (moved.right, moved.down))
    return array, replace(where, size=size, quarters=quarters)


def random_box(
    size: tuple[int, int], preprocessing: Preprocessing, augment: Augment, draw: np.random.Generator
) -> Box | None:
    """A random crop of `augment.crop` to all of the area, its aspect ratio near the network's (Szegedy et al. 2015).

    With `augment.zoom_out` it may be larger than the image. None: no random crop; the image is then cropped as for
    validation.
    """
    width, height = size
    aspect = preprocessing.width / preprocessing.height
    if augment.zoom_out > 1:
        return _zoomed_box(width, height, aspect, augment, draw)
    if augment.crop == 0:
        return None
    for _ in range(10):
        area = width * height * draw.uniform(augment.crop, 1)
        aspect_ratio = aspect * math.exp(draw.uniform(-1, 1) * math.log(augment.stretch))
        box_width, box_height = math.sqrt(area * aspect_ratio), math.sqrt(area / aspect_ratio)
        if box_width <= width and box_height <= height:
            left, top = draw.uniform(0, width - box_width), draw.uniform(0, height - box_height)
            return left, top, left + box_width, top + box_height
    side = min(width / aspect, height)
    left, top = (width - side * aspect) / 2, (height - side) / 2
    return left, top, left + side * aspect, top + side


def _zoomed_box(width: int, height: int, aspect: float, augment: Augment, draw: np.random.Generator) -> Box:
    """Of `augment.crop` (0: 1) to `augment.zoom_out` times the area of the least box of that aspect ratio around the
    image. Each way it lies within the image, or the image within it (Liu et al., arXiv 1512.02325, section 3.6)."""
    least = max(width, height * aspect) * max(width / aspect, height)
    area = least * draw.uniform(augment.crop or 1.0, augment.zoom_out)
    aspect *= math.exp(draw.uniform(-1, 1) * math.log(augment.stretch))
    box_width, box_height = math.sqrt(area * aspect), math.sqrt(area / aspect)
    left, top = draw.uniform(0, 1) * (width - box_width), draw.uniform(0, 1) * (height - box_height)
    return left, top, left + box_width, top + box_height


def change(image: Image.Image, augment: Augment, draw: np.random.Generator) -> tuple[NDArray[np.uint8], Moved]:
    """(H, W, C) uint8 of a cropped and resized image, after policy, mirroring, padding and erasing; what moved it."""
    left = top = augment.pad
    mirror = augment.flip and draw.random() < 0.5
    upside_down = augment.flip_vertical and draw.random() < 0.5
    if augment.policy in ("trivial", "color"):
        image = trivial(image, draw, TRIVIAL if augment.policy == "trivial" else COLOR)
    elif augment.policy == "rand":
        for _ in range(augment.policy_changes):
            image = _apply(RAND[draw.integers(len(RAND))], image, augment.policy_strength, draw)
    array = to_array(image)
    if mirror:
        array = array[:, ::-1]
    if upside_down:
        array = array[::-1]
    if augment.pad:
        array, left, top = _window(array, augment.pad, draw)
    if augment.erase and draw.random() < augment.erase:
        array = _erased(array, draw)
    return array, Moved(mirror, upside_down, augment.pad - left, augment.pad - top)


def _window(array: NDArray[np.uint8], pad: int, draw: np.random.Generator) -> tuple[NDArray[np.uint8], int, int]:
    """The usual augmentation of CIFAR: zero padding and a random window of the old size (He et al. 2016, 4.2).

    Returns the window, its left and its top.
    """
    height, width = array.shape[:2]
    wide = np.pad(array, ((pad, pad), (pad, pad), (0, 0)))
    top, left = draw.integers(0, 2 * pad + 1, 2).tolist()
    return wide[top : top + height, left : left + width], left, top


def _erased(array: NDArray[np.uint8], draw: np.random.Generator) -> NDArray[np.uint8]:
    """A rectangle of 2 to 33 % of the area becomes noise (Zhong et al., arXiv 1708.04896, section 3.2)."""
    height, width, channels = array.shape
    area = height * width * draw.uniform(0.02, 1 / 3)
    aspect = math.exp(draw.uniform(-1, 1) * math.log(1 / 0.3))
    tall, wide = min(height, round(math.sqrt(area * aspect))), min(width, round(math.sqrt(area / aspect)))
    top, left = draw.integers(0, height - tall + 1), draw.integers(0, width - wide + 1)
    array = array.copy()
    array[top : top + tall, left : left + wide] = draw.integers(0, 256, (tall, wide, channels), dtype=np.uint8)
    return array


# Policies: one change of an image, of a strength from 0 to 1.


@dataclass(frozen=True)
class Change:
    """A change, and its parameter at strength 0 (none) and 1 (most). signed: its sign is random."""

    name: str
    apply: Callable[[Image.Image, float], Image.Image]
    none: float = 0.0
    most: float = 0.0
    signed: bool = False


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    fill = GREY if image.mode == "RGB" else GREY[0]
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill)


def _rotated(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=GREY if image.mode == "RGB" else GREY[0])


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Callable[[Image.Image, float], Image.Image]:
    return lambda image, amount: kind(image).enhance(1 + amount)


def _changes(shear: float, shift: float, turn: float, bits: int, tone: float) -> tuple[Change, ...]:
    """The fourteen changes that TrivialAugment and RandAugment share. Shifts are a share of the side."""
    return (
        Change("identity", lambda image, _: image),
        Change("shear_x", lambda image, v: _affine(image, (1, v, 0, 0, 1, 0)), most=shear, signed=True),
        Change("shear_y", lambda image, v: _affine(image, (1, 0, 0, v, 1, 0)), most=shear, signed=True),
        Change(
            "translate_x", lambda image, v: _affine(image, (1, 0, v * image.width, 0, 1, 0)), most=shift, signed=True
        ),
        Change(
            "translate_y", lambda image, v: _affine(image, (1, 0, 0, 0, 1, v * image.height)), most=shift, signed=True
        ),
        Change("rotate", _rotated, most=turn, signed=True),
        Change("brightness", _enhanced(ImageEnhance.Brightness), most=tone, signed=True),
        Change("color", _enhanced(ImageEnhance.Color), most=tone, signed=True),
        Change("contrast", _enhanced(ImageEnhance.Contrast), most=tone, signed=True),
        Change("sharpness", _enhanced(ImageEnhance.Sharpness), most=tone, signed=True),
        Change("posterize", lambda image, v: ImageOps.posterize(image, round(v)), none=8, most=bits),
        Change("solarize", lambda image, v: ImageOps.solarize(image, round(v)), none=256, most=0),
        Change("autocontrast", lambda image, _: ImageOps.autocontrast(image)),
        Change("equalize", lambda image, _: ImageOps.equalize(image)),
    )


# Mueller and Hutter, arXiv 2103.10158, table 1, "wide"; a shift of 32 pixels there is 0.3 of the side here, since an
# image of 32 pixels would vanish. Cubuk et al., arXiv 1909.13719, section 3, for RandAugment.
TRIVIAL = _changes(shear=0.99, shift=0.3, turn=135, bits=2, tone=0.99)
RAND = _changes(shear=0.3, shift=0.3, turn=30, bits=4, tone=0.9)
MOVING = {"shear_x", "shear_y", "translate_x", "translate_y", "rotate"}
COLOR = tuple(each for each in TRIVIAL if each.name not in MOVING)
STRENGTHS = 31


def trivial(image: Image.Image, draw: np.random.Generator, changes: tuple[Change, ...] = TRIVIAL) -> Image.Image:
    """TrivialAugment: one change, of any strength (Mueller and Hutter, arXiv 2103.10158)."""
    return _apply(changes[draw.integers(len(changes))], image, draw.integers(STRENGTHS) / (STRENGTHS - 1), draw)


def _apply(change: Change, image: Image.Image, strength: float, draw: np.random.Generator) -> Image.Image:
    amount = change.none + strength * (change.most - change.none)
    if change.signed and draw.random() < 0.5:
        amount = -amount
    return change.apply(image, amount)
