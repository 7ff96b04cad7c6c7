"""How far other resizes are from Pillow's, in levels of 256, on photographs.

python docs/deploying/measure_resizes.py FOLDER [SIZE]     # JPEG files in the folder and below; SIZE: 64 pixels

Prints the mean absolute difference of the network's input for each way, and how much the photographs are reduced.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.data.images import center_crop
from leannet.preprocessing import Preprocessing

Pixels = NDArray[np.uint8]
CROP_RATIO = 0.875
BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC


def exact_box(image: Image.Image, size: int) -> tuple[float, float, float, float]:
    """The middle that `crop` keeps: left, top, right, bottom."""
    return center_crop(image.size, Preprocessing(height=size, width=size, crop_ratio=CROP_RATIO))


def whole_box(image: Image.Image, size: int) -> tuple[int, int, int, int]:
    """The same in whole pixels of the image."""
    left, top, right, bottom = (round(side) for side in exact_box(image, size))
    return left, top, right, bottom


def by_opencv(flag: int) -> Callable[[Image.Image, int], Pixels]:
    """The whole box by cv2.resize."""
    return lambda image, size: cv2.resize(
        np.asarray(image.crop(whole_box(image, size))), (size, size), interpolation=flag
    )


def leannets(image: Image.Image, size: int) -> Pixels:
    """As leannet prepares it."""
    return np.asarray(image.resize((size, size), BILINEAR, exact_box(image, size)))


WAYS: dict[str, Callable[[Image.Image, int], Pixels]] = {
    "box in whole pixels": lambda image, size: np.asarray(image.resize((size, size), BILINEAR, whole_box(image, size))),
    "bicubic": lambda image, size: np.asarray(image.resize((size, size), BICUBIC, exact_box(image, size))),
    "cv2.resize, INTER_AREA": by_opencv(cv2.INTER_AREA),
    "no antialiasing": lambda image, size: np.asarray(
        image.transform((size, size), Image.Transform.EXTENT, exact_box(image, size), BILINEAR)
    ),
    "cv2.resize, INTER_LINEAR": by_opencv(cv2.INTER_LINEAR),
    "BGR": lambda image, size: leannets(image, size)[..., ::-1],
    "no crop": lambda image, size: np.asarray(image.resize((size, size), BILINEAR)),
}


def main() -> None:
    """Prints a line a way."""
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    images = [Image.open(file).convert("RGB") for file in sorted(Path(sys.argv[1]).rglob("*.jpg"))]
    reduction = np.median([min(image.size) * CROP_RATIO / size for image in images])
    print(f"{len(images)} photographs, reduced {reduction:.1f} times to {size} pixels")
    for name, way in WAYS.items():
        differences = [np.abs(way(image, size).astype(int) - leannets(image, size)).mean() for image in images]
        print(f"{name:36} {np.mean(differences):5.1f}")


if __name__ == "__main__":
    main()
