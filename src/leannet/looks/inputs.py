"""The inputs of every look: a network and its header, and images as that network reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from leannet.checkpoint import load
from leannet.data.dataset import LeftOut
from leannet.data.images import BrokenImage, prepare, read
from leannet.data.loader import normalize
from leannet.errors import LeannetError
from leannet.evaluation.predicted import list_images
from leannet.header import Header
from leannet.network import Network
from leannet.preprocessing import GREY_MEAN, GREY_STD, Preprocessing

MOST = 12  # images that one look takes: more are not looked at, and their maps would fill the memory

Images = Sequence[str | Path | Image.Image]


@dataclass(frozen=True)
class PreparedImage:
    """An image as the network reads it: (H, W, C) uint8, cut and resized."""

    name: str
    image: NDArray[np.uint8]


def load_network(run: str | Path | Network) -> tuple[Network, Header]:
    """A network and its header. run: a run folder, a checkpoint, or a network.

    A network that was loaded carries its header; one without reads images as the zoo's do, and its classes have
    numbers. Raises LeannetError for what is no checkpoint, and for a network that reads neither one channel nor three.
    """
    if not isinstance(run, Network):
        return load(run)
    table, origin = run.architecture, run.origin
    size = table.input
    if origin is not None and origin.preprocessing.channels == size.channels:
        preprocessing = origin.preprocessing
    elif size.channels == 3:
        preprocessing = Preprocessing(height=size.height, width=size.width)
    elif size.channels == 1:
        preprocessing = Preprocessing(height=size.height, width=size.width, color="L", mean=GREY_MEAN, std=GREY_STD)
    else:
        raise LeannetError(f"{table.name}: expected a network of 1 or 3 input channels, found {size.channels}")
    if origin is not None and len(origin.classes) == table.classes:
        classes = origin.classes
    else:
        classes = tuple(f"class {number}" for number in range(table.classes))
    if origin is None:
        return run, Header(architecture=table, classes=classes, preprocessing=preprocessing)
    update = {"architecture": table, "classes": classes, "preprocessing": preprocessing}
    return run, origin.model_copy(update=update)


def prepare_images(images: Images, preprocessing: Preprocessing) -> list[PreparedImage]:
    """Images, folders of images and PIL images, as the network reads them.

    Raises LeannetError where there is none, where there are more than MOST, and where one cannot be read.
    """
    missed: list[LeftOut] = []
    named_images = list_images(images, missed)
    for left_out in missed:
        for name in left_out.names:
            raise LeannetError(f"{name}: cannot be read: {left_out.why}{left_out.way_out and f'; {left_out.way_out}'}")
    if not 0 < len(named_images) <= MOST:
        raise LeannetError(f"expected 1 to {MOST} images to look at, found {len(named_images)}: name fewer")
    prepared = []
    for name, image in named_images:
        try:
            array = prepare(image if isinstance(image, Image.Image) else read(image), preprocessing)
        except BrokenImage as error:
            raise LeannetError(f"{name}: cannot be read: {error}") from None
        prepared.append(PreparedImage(name, array))
    return prepared


def as_input(image: PreparedImage, preprocessing: Preprocessing) -> Tensor:
    """(1, C, H, W) float32, normalised."""
    return normalize(torch.from_numpy(image.image.transpose(2, 0, 1).copy())[None], preprocessing)


def first_output(outputs: Tensor | dict[str, Tensor]) -> Tensor:
    """The network's first output, of several."""
    return next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
