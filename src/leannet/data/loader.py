"""Batches: images decoded, cut and resized by worker processes, as uint8; normalised where the network is.

Every random draw is made from (seed, epoch, image), so a run is the same whatever the number of workers, and a
resumed run the same as one that was never stopped.
"""

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, get_worker_info
from torch.utils.data import Dataset as TorchDataset

from leannet.data.augment import Augment, change, random_box
from leannet.data.cache import ImageCache, Room, fits
from leannet.data.dataset import Dataset
from leannet.data.images import BrokenImage, fit, read, to_array, to_color, to_image
from leannet.errors import LeannetError
from leannet.preprocessing import Preprocessing

WORKER_NICENESS = 15  # of 19
REPEAT_STEP = 1_000_000  # more than there are epochs
MIN_PIXELS_FOR_THREADS = 96 * 96  # of a prepared image, for threads to be worth it
Batch = tuple[Tensor, Tensor, Tensor]  # (N, C, H, W) uint8 channels last, labels, indices


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "images")


@dataclass(frozen=True)
class PreparedDataset(TorchDataset[tuple[Tensor, int, int]]):
    """Images ready for a network: a batch of (index, epoch) -> `Batch`.

    cache: holds what comes before the random part: decoded images in training, prepared ones without augmentation.
    """

    dataset: Dataset
    preprocessing: Preprocessing
    augment: Augment | None = None
    seed: int = 0
    cache: ImageCache | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int, int]:
        images, labels, indices = self.__getitems__([key])
        return images[0], int(labels[0]), int(indices[0])

    def __getitems__(self, keys: list[tuple[int, int]]) -> Batch:
        """A whole batch at once, which torch's loader asks for where there is such a method."""
        p = self.preprocessing
        array = np.empty((len(keys), p.height, p.width, p.channels), np.uint8)

        def fill(places: range) -> None:
            for place in places:
                array[place] = self._prepared(*keys[place])

        threads = self._threads()
        if threads > 1:  # Pillow decodes and resizes without holding Python's lock
            list(_pool(threads).map(fill, [range(first, len(keys), threads) for first in range(threads)]))
        else:
            fill(range(len(keys)))
        indices = [index for index, _ in keys]
        # Rows of pixels as they lie in images are the channels-last layout already.
        images = torch.from_numpy(array).permute(0, 3, 1, 2)
        return images, torch.from_numpy(self.dataset.labels[indices]), torch.tensor(indices)

    def _threads(self) -> int:
        """Worker processes have a core each; tiny images are all Python, which one thread at a time runs."""
        tiny = self.preprocessing.height * self.preprocessing.width < MIN_PIXELS_FOR_THREADS
        return 1 if tiny or get_worker_info() is not None else torch.get_num_threads()

    def _prepared(self, index: int, epoch: int) -> NDArray[np.uint8]:
        if self.augment is None:
            return self._cached(index, lambda: to_array(fit(self._read(index), self.preprocessing)))
        image = to_image(self._cached(index, lambda: to_array(self._read(index))))
        draw = np.random.default_rng((self.seed, epoch, index))
        box = random_box(image.size, self.preprocessing, self.augment, draw)
        return change(fit(image, self.preprocessing, box), self.augment, draw)

    def _cached(self, index: int, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        if self.cache is None:
            return make()
        array = self.cache.get(index)
        if array is None:
            array = make()
            self.cache.put(index, array)
        return array

    def _read(self, index: int) -> Image.Image:
        """An image upright and in the network's colors."""
        try:
            source = self.dataset.reader(index)
            image = Image.fromarray(source) if isinstance(source, np.ndarray) else read(source, self.least_size)
            return to_color(image, self.preprocessing)  # upright before a crop is drawn
        except (BrokenImage, OSError) as error:
            raise LeannetError(f"{self.dataset.names[index]}: could be read before, not any more: {error}") from None

    @property
    def least_size(self) -> tuple[int, int] | None:
        """What training needs of an image, so that no crop but the smallest is enlarged; None: all of it."""
        if self.augment is None:
            return None
        share = self.preprocessing.crop_ratio if self.preprocessing.resize == "crop" else 1.0
        if self.augment.crop:
            share = math.sqrt(self.augment.crop / self.augment.stretch)  # the shorter side of the smallest crop
        side = math.ceil(max(self.preprocessing.height, self.preprocessing.width) / share)
        return side, side

    def room(self, sizes: Sequence[tuple[int, int]], formats: Sequence[str]) -> list[Room]:
        """The most that each image, of (width, height) pixels and a file format, takes in a cache: (H, W, C)."""
        p = self.preprocessing
        if self.augment is None:
            return [(p.height, p.width, p.channels)] * len(sizes)
        read = (
            drafted(size, self.least_size) if kind in {"JPEG", "MPO"} else size
            for size, kind in zip(sizes, formats, strict=True)
        )
        return [(height, width, p.channels) for width, height in read]


def cached(
    training: PreparedDataset, plain: PreparedDataset, sizes: Sequence[tuple[int, int]], formats: Sequence[str]
) -> tuple[PreparedDataset, PreparedDataset]:
    """The same two sets, each with a cache, where both fit into memory and processes can share it."""
    rooms = [images.room(sizes, formats) for images in (training, plain)]
    if not _can_fork() or not fits(rooms[0] + rooms[1]):
        return training, plain
    try:
        caches = [ImageCache(room) for room in rooms]
    except OSError:  # others have filled the disk since
        return training, plain
    return replace(training, cache=caches[0]), replace(plain, cache=caches[1])


def drafted(size: tuple[int, int], least: tuple[int, int] | None) -> tuple[int, int]:
    """The most that is left of (width, height) pixels when they are read with `least`."""
    if least is None:
        return size
    share = min(size[0] // least[0], size[1] // least[1])
    scale = next((s for s in (8, 4, 2) if share >= s), 1)
    return -(-size[0] // scale), -(-size[1] // scale)


@dataclass(frozen=True)
class Batches(Sampler[list[tuple[int, int]]]):
    """The order of some epochs, one behind the other, in batches of (index, epoch).

    One sampler serves a whole run, so that workers start once and prepare the next epoch while this one is validated.
    In training a last batch of less than two images for each process is left out: one cannot be normalised.
    """

    indices: NDArray[np.int64]
    batch_size: int
    epochs: range = range(1)
    seed: int = 0
    training: bool = False  # whether to shuffle
    start: int = 0  # batches of the first epoch that are done already, when a run goes on in the middle of it
    rank: int = 0  # this process's share of each batch
    world: int = 1
    chances: NDArray[np.float64] | None = None  # of each index to be drawn, again and again; None: each comes once

    @property
    def an_epoch(self) -> int:
        """Batches in one epoch."""
        full, rest = divmod(len(self.indices), self.batch_size)
        if not self.training:
            return full + (rest > 0)
        least = 2 * self.world if self.world > 1 or full else 1
        return full + (rest >= least)

    def parts(self, step: int, most: int) -> int:
        """Shares of two images or more that a training batch can have, `most` at most; the same in all processes."""
        size = min(self.batch_size, len(self.indices) - step * self.batch_size)
        return max(1, min(most, size // self.world // 2))

    def __len__(self) -> int:
        return max(0, len(self.epochs) * self.an_epoch - self.start)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch in self.epochs:
            order = self.indices
            if self.training:
                draw = np.random.default_rng((self.seed, epoch))
                if self.chances is None:
                    order = draw.permutation(order)
                else:
                    order = draw.choice(order, len(order), p=self.chances)
            keys = _keys(order, epoch, again=self.chances is not None)
            for number in range(self.start if epoch == self.epochs[0] else 0, self.an_epoch):
                batch = keys[number * self.batch_size : (number + 1) * self.batch_size][self.rank :: self.world]
                if batch:  # the last one of a validation may have fewer images than there are processes
                    yield batch


def _keys(order: NDArray[np.int64], epoch: int, again: bool) -> list[tuple[int, int]]:
    """(index, epoch) of each image; where one comes again in an epoch, another number, so that it is changed anew."""
    if not again:
        return [(int(index), epoch) for index in order]
    seen: dict[int, int] = {}
    keys = []
    for index in order.tolist():
        seen[index] = seen.get(index, -1) + 1
        keys.append((index, epoch + seen[index] * REPEAT_STEP))
    return keys


class Loader:
    """Batches of ((N, C, H, W) uint8, labels int64, indices int64), prepared by worker processes that survive epochs.

    Raises LeannetError where an image cannot be read any more, or a worker has ended.
    """

    def __init__(self, dataset: PreparedDataset, batches: Batches, workers: int, pin: bool = False):
        self.indices = batches.indices
        self._batches: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            pin_memory=pin,
            persistent_workers=workers > 0,
            worker_init_fn=_begin_worker,
            collate_fn=_unchanged,
            multiprocessing_context="fork" if workers and _can_fork() else None,  # so that a cache is shared
        )

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        try:
            with worker_failures():
                yield from self._batches
        except LeannetError as error:  # torch puts a worker's whole traceback into the message
            raise LeannetError(str(error).rsplit("LeannetError: ", 1)[-1]) from None


@contextmanager
def worker_failures() -> Iterator[None]:
    """Raises LeannetError where a worker process ends: torch raises that wherever this process then is."""
    try:
        try:
            yield
        except ENDED as error:
            if not _is_of_worker(error):
                raise
            raise _worker_failure(error) from None
    except RuntimeError as error:  # another worker ended meanwhile
        if not _is_of_worker(error):
            raise
        raise _worker_failure(error) from None


# By the signal of its end, or by what was being read from it then.
ENDED = (RuntimeError, ConnectionError, EOFError)


def _is_of_worker(error: Exception) -> bool:
    return not isinstance(error, RuntimeError) or "DataLoader worker" in str(error)


def _worker_failure(error: Exception) -> LeannetError:
    """The end of a worker as one line, once."""
    with suppress(ValueError):  # only the main thread may, and only there it is set
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else torch raises again for every other worker that ends
    words = str(error) or type(error).__name__
    return LeannetError(f"a process that prepares images has ended: {words}; what was saved stays")


def _unchanged(batch: Any) -> Any:
    return batch


def _can_fork() -> bool:
    return sys.platform.startswith("linux")


def _begin_worker(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal: the one that trains decides what becomes of it.

    Workers make way for it: a thread of a step that has to wait for a core holds up all the others.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(WORKER_NICENESS)


def normalize(images: Tensor, preprocessing: Preprocessing, dtype: torch.dtype = torch.float32) -> Tensor:
    """(N, C, H, W) uint8 -> floats, scaled and normalised, in the same memory layout."""
    mean = torch.tensor(preprocessing.mean, device=images.device, dtype=dtype).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing.std, device=images.device, dtype=dtype).view(1, -1, 1, 1)
    return (images.to(dtype) * preprocessing.scale - mean) / std


def mean_and_std(
    dataset: PreparedDataset, indices: Sequence[int] | NDArray[np.int64], workers: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels of the images as prepared, scaled to 0..1."""
    batches = Batches(np.asarray(indices), batch_size=64)
    total = square = torch.zeros(dataset.preprocessing.channels, dtype=torch.float64)
    pixels = 0
    for images, _, _ in Loader(dataset, batches, workers):
        values = images.double() * dataset.preprocessing.scale
        total = total + values.sum(dim=(0, 2, 3))
        square = square + values.square().sum(dim=(0, 2, 3))
        pixels += values.numel() // values.shape[1]
    mean = total / pixels
    std = (square / pixels - mean.square()).clamp(min=1e-12).sqrt()
    return tuple(round(x, 6) for x in mean.tolist()), tuple(round(x, 6) for x in std.tolist())
