"""Preprocessing: everything between an image file and what the network reads, as data that travels with the weights.

data/images.py carries it out. No torch here.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from leannet.rows.fields import Flag, Frozen, Size

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Resize = Literal["crop", "center-crop", "squash", "letterbox"]
CROPS = ("crop", "center-crop")
GREY_MEAN, GREY_STD = (0.449,), (0.226,)  # the means of the three


class Preprocessing(Frozen):
    """How an image becomes the network's input.

    The image is oriented by its EXIF tag, made RGB (or grey, for one channel), cut, resized, divided by 255, and
    normalised: (x - mean) / std for each channel.
    """

    height: Size
    width: Size
    color: Literal["RGB", "L"] = "RGB"
    # crop: the middle, in the network's proportions, `crop_ratio` of the largest that fits. center-crop: the same as
    # torchvision and timm do it, up to half a pixel elsewhere: resized until it covers the size over `crop_ratio`, then
    # cut in whole pixels. squash: all of it, whatever its proportions. letterbox: all, in its proportions, on grey.
    resize: Resize = "crop"
    crop_ratio: Annotated[float, Field(gt=0, le=1)] = 0.875
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    antialias: Literal[True] = True  # always, as Pillow does: the support of the filter grows with the reduction
    exif_orientation: Flag = True
    # Of grey with more than 8 bits a pixel: what becomes black and what white; values beyond are cut off.
    grey_range: tuple[int, int] = (0, 65535)
    background: tuple[int, int, int] = (255, 255, 255)  # under transparent pixels
    scale: float = 1 / 255
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.grey_range[0] >= self.grey_range[1]:
            raise ValueError(f"grey_range: expected black below white, found {self.grey_range}")
        return self

    @property
    def channels(self) -> int:
        return len(self.color)  # "RGB" or "L"
