"""Batches: pictures decoded, cut and resized by worker processes, as uint8; normalised where the network is.

Every random draw is made from (seed, epoch, picture), so a run is the same whatever the number of workers, and a
resumed run the same as one that was never stopped.
"""

import math
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from leannet.data.pictures import Box, BrokenPicture, fit, read, to_color
from leannet.data.sources import Pictures
from leannet.errors import LeannetError
from leannet.preprocessing import Preprocessing
from leannet.rows.fields import Flag, Frozen


class Augment(Frozen):
    """Random changes of training pictures. `crop` 0: none, the picture is prepared as for validation."""

    crop: float = Field(default=0.35, ge=0, le=1, description="least share of the area a random crop keeps; 0: no crop")
    stretch: float = Field(default=4 / 3, ge=1, description="most a random crop changes the proportions")
    flip: Flag = Field(default=True, description="mirror every second picture, left to right")


@dataclass(frozen=True)
class PictureSet(Dataset[tuple[Tensor, int, int]]):
    """Pictures ready for a network: index or (index, epoch) -> ((C, H, W) uint8, label, index)."""

    pictures: Pictures
    preprocessing: Preprocessing
    augment: Augment | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int, int]:
        index, epoch = key
        source = self.pictures.reader(index)
        try:
            image = Image.fromarray(source) if isinstance(source, np.ndarray) else read(source)
            image = to_color(image, self.preprocessing)  # upright before a crop is drawn
        except BrokenPicture as error:
            raise LeannetError(f"{self.pictures.names[index]}: could be read before, not any more: {error}") from None
        box, mirror = None, False
        if self.augment is not None:
            draw = np.random.default_rng((self.seed, epoch, index))
            box = random_box(image.size, self.preprocessing, self.augment, draw)
            mirror = self.augment.flip and draw.random() < 0.5
        array = fit(image, self.preprocessing, box)
        if mirror:
            array = array[:, ::-1]
        return torch.from_numpy(array.transpose(2, 0, 1).copy()), int(self.pictures.labels[index]), index


def random_box(
    size: tuple[int, int], preprocessing: Preprocessing, augment: Augment, draw: np.random.Generator
) -> Box | None:
    """A random crop of `augment.crop` to all of the area, in proportions near the network's (Szegedy et al. 2015).

    None where no crop is asked for: the picture is then cut as for validation.
    """
    if augment.crop == 0:
        return None
    width, height = size
    aspect = preprocessing.width / preprocessing.height
    for _ in range(10):
        area = width * height * draw.uniform(augment.crop, 1)
        proportions = aspect * math.exp(draw.uniform(-1, 1) * math.log(augment.stretch))
        box_width, box_height = math.sqrt(area * proportions), math.sqrt(area / proportions)
        if box_width <= width and box_height <= height:
            left, top = draw.uniform(0, width - box_width), draw.uniform(0, height - box_height)
            return left, top, left + box_width, top + box_height
    side = min(width / aspect, height)
    left, top = (width - side * aspect) / 2, (height - side) / 2
    return left, top, left + side * aspect, top + side


@dataclass(frozen=True)
class Batches(Sampler[list[tuple[int, int]]]):
    """The order of some epochs, one behind the other, in batches of (index, epoch).

    One sampler serves a whole run, so that workers start once and prepare the next epoch while this one is validated.
    In training a last batch of one picture is left out: it cannot be normalised by its batch.
    """

    indices: NDArray[np.int64]
    batch_size: int
    epochs: range = range(1)
    seed: int = 0
    training: bool = False  # whether to shuffle
    start: int = 0  # batches of the first epoch that are done already, when a run goes on in the middle of it
    rank: int = 0  # this process's share of each batch
    world: int = 1

    @property
    def an_epoch(self) -> int:
        """Batches in one epoch."""
        full, rest = divmod(len(self.indices), self.batch_size)
        return full + (rest > (1 if self.training and full else 0))

    def __len__(self) -> int:
        return max(0, len(self.epochs) * self.an_epoch - self.start)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch in self.epochs:
            order = self.indices
            if self.training:
                order = np.random.default_rng((self.seed, epoch)).permutation(order)
            for number in range(self.start if epoch == self.epochs[0] else 0, self.an_epoch):
                batch = order[number * self.batch_size : (number + 1) * self.batch_size]
                yield [(int(index), epoch) for index in batch[self.rank :: self.world]]


class Loader:
    """Batches of ((N, C, H, W) uint8, labels int64, indices int64), prepared by worker processes that survive epochs.

    Raises LeannetError where a picture cannot be read any more, or a worker has ended.
    """

    def __init__(self, dataset: PictureSet, batches: Batches, workers: int, pin: bool = False):
        self._batches: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            pin_memory=pin,
            persistent_workers=workers > 0,
            worker_init_fn=_ignore_interrupt,
        )

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        try:
            yield from self._batches
        except LeannetError as error:  # torch puts a worker's whole traceback into the message
            raise LeannetError(str(error).rsplit("LeannetError: ", 1)[-1]) from None
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise LeannetError(f"a process that prepares pictures has ended: {error}; what was saved stays") from None


def _ignore_interrupt(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal: the one that trains decides what becomes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def normalize(pictures: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(N, C, H, W) uint8 -> float32, scaled and normalised, in the same memory layout."""
    mean = torch.tensor(preprocessing.mean, device=pictures.device).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing.std, device=pictures.device).view(1, -1, 1, 1)
    return (pictures.float() * preprocessing.scale - mean) / std


def mean_and_std(
    dataset: PictureSet, indices: Sequence[int] | NDArray[np.int64], workers: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels of the pictures as prepared, scaled to 0..1."""
    batches = Batches(np.asarray(indices), batch_size=64)
    total = square = torch.zeros(dataset.preprocessing.channels, dtype=torch.float64)
    pixels = 0
    for pictures, _, _ in Loader(dataset, batches, workers):
        values = pictures.double() * dataset.preprocessing.scale
        total = total + values.sum(dim=(0, 2, 3))
        square = square + values.square().sum(dim=(0, 2, 3))
        pixels += values.numel() // values.shape[1]
    mean = total / pixels
    std = (square / pixels - mean.square()).clamp(min=1e-12).sqrt()
    return tuple(round(x, 6) for x in mean.tolist()), tuple(round(x, 6) for x in std.tolist())
