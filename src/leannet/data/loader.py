"""Batches: worker processes decode, crop and resize images to uint8; they are normalized on the network's device.

Every random draw is seeded by (seed, epoch, image), so a run is the same with any number of workers, and a resumed run
the same as one that was never stopped.
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
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data import Dataset as TorchDataset

from leannet.data.augment import Augment, augmented
from leannet.data.batches import Batches as Batches
from leannet.data.cache import ImageCache, Shape, fits
from leannet.data.dataset import Dataset
from leannet.data.images import BrokenImage, fit, read, to_array, to_color, to_image
from leannet.data.placing import Placement, place
from leannet.data.targets import placed_objects, stacked
from leannet.errors import LeannetError
from leannet.preprocessing import CROPS, Preprocessing

WORKER_NICENESS = 15  # of 19
MEASURED = 8192  # images whose mean and deviation stand for those of all
MIN_PIXELS_FOR_THREADS = 96 * 96  # of a prepared image; below that, threads do not pay
# (N, C, H, W) uint8 channels last; labels (N,), or of a detection set objects (N, M, 6), see `targets`; indices.
Batch = tuple[Tensor, Tensor, Tensor]
# Of an input the images in it: each with its index, where it lies, and the right and bottom of what it fills.
Parts = tuple[tuple[int, Placement, tuple[int, int]], ...]
MIDDLE = (0.35, 0.65)  # of an input's side, between which the parts of a mosaic meet


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "images")


@dataclass(frozen=True)
class PreparedDataset(TorchDataset[tuple[Tensor, Tensor, int]]):
    """Images prepared for a network: a list of (index, epoch) -> `Batch`.

    cache: of what precedes the random part: decoded images in training, prepared images without augmentation. partners:
    the images that a mosaic may be made of.
    """

    dataset: Dataset
    preprocessing: Preprocessing
    augment: Augment | None = None
    seed: int = 0
    cache: ImageCache | None = None
    partners: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, int]:
        images, targets, indices = self.__getitems__([key])
        return images[0], targets[0], int(indices[0])

    def __getitems__(self, keys: list[tuple[int, int]]) -> Batch:
        """A whole batch at once: torch's loader calls this method if it exists."""
        p = self.preprocessing
        array = np.empty((len(keys), p.height, p.width, p.channels), np.uint8)
        parts: list[Parts] = [()] * len(keys)

        def fill(positions: range) -> None:
            for position in positions:
                array[position], parts[position] = self._prepared(*keys[position])

        threads = self._threads()
        if threads > 1:  # Pillow releases the GIL while it decodes and resizes
            list(_pool(threads).map(fill, [range(first, len(keys), threads) for first in range(threads)]))
        else:
            fill(range(len(keys)))
        indices = [index for index, _ in keys]
        # The layout of image arrays is channels last already.
        images = torch.from_numpy(array).permute(0, 3, 1, 2)
        return images, self._targets(indices, parts), torch.tensor(indices)

    def _targets(self, indices: list[int], parts: Sequence[Parts]) -> Tensor:
        """Labels; of a detection set objects, where they are in the prepared images."""
        truths = self.dataset.truths
        if truths is None:
            return torch.from_numpy(self.dataset.labels[indices])
        of_images = []
        for of_image in parts:
            objects = []
            for index, placement, corner in of_image:
                each = truths[index]
                boxes = each.boxes_in(placement.size)
                objects.append(placed_objects(boxes, each.labels, placement, corner, each.is_crowd))
            of_images.append(np.concatenate(objects))
        return torch.from_numpy(stacked(of_images))

    def _threads(self) -> int:
        """Worker processes have a core each; tiny images spend their time in Python, under the GIL."""
        tiny = self.preprocessing.height * self.preprocessing.width < MIN_PIXELS_FOR_THREADS
        return 1 if tiny or get_worker_info() is not None else torch.get_num_threads()

    def _prepared(self, index: int, epoch: int) -> tuple[NDArray[np.uint8], Parts]:
        """The image, and where it is in its input, which only a detector asks for."""
        truths, whole = self.dataset.truths, (self.preprocessing.width, self.preprocessing.height)
        if self.augment is None:
            array = self._cached(index, lambda: to_array(fit(self._read(index), self.preprocessing)))
            size = truths[index].size if truths is not None else None
            return array, () if size is None else ((index, place(size, self.preprocessing), whole),)
        draw = np.random.default_rng((self.seed, epoch, index))
        if self.augment.mosaic and self.partners is not None and draw.random() < self.augment.mosaic:
            return self._mosaic(index, draw)
        array, placement = self._augmented(index, self.preprocessing, draw)
        return array, () if truths is None else ((index, placement, whole),)

    def _augmented(
        self, index: int, preprocessing: Preprocessing, draw: np.random.Generator
    ) -> tuple[NDArray[np.uint8], Placement]:
        """An image cut and changed at random, and where it is then."""
        assert self.augment is not None
        image = to_image(self._cached(index, lambda: to_array(self._read(index))))
        return augmented(image, preprocessing, self.augment, draw)

    def _mosaic(self, index: int, draw: np.random.Generator) -> tuple[NDArray[np.uint8], Parts]:
        """Four images around a point near the middle (Bochkovskiy et al., arXiv 2004.10934, section 3.3)."""
        assert self.partners is not None
        p = self.preprocessing
        array, parts = np.empty((p.height, p.width, p.channels), np.uint8), []
        x, y = (round(side * draw.uniform(*MIDDLE)) for side in (p.width, p.height))
        images = [index, *draw.choice(self.partners, 3).tolist()]
        corners = ((0, 0, x, y), (x, 0, p.width, y), (0, y, x, p.height), (x, y, p.width, p.height))
        for each, (left, top, right, bottom) in zip(images, corners, strict=True):
            part = p.model_copy(update={"width": right - left, "height": bottom - top})
            array[top:bottom, left:right], placement = self._augmented(each, part, draw)
            moved = placement.moved[0] + left, placement.moved[1] + top
            parts.append((each, replace(placement, moved=moved), (right, bottom)))
        return array, tuple(parts)

    def _cached(self, index: int, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        if self.cache is None:
            return make()
        array = self.cache.get(index)
        if array is None:
            array = make()
            self.cache.put(index, array)
        return array

    def _read(self, index: int) -> Image.Image:
        """The image upright and in the network's color mode."""
        try:
            source = self.dataset.reader(index)
            image = Image.fromarray(source) if isinstance(source, np.ndarray) else read(source, self.least_size)
            return to_color(image, self.preprocessing)  # before a crop is drawn
        except (BrokenImage, OSError) as error:
            raise LeannetError(
                f"{self.dataset.names[index]}: could be read at the start of the run and no longer can: {error}"
            ) from None

    @property
    def least_size(self) -> tuple[int, int] | None:
        """The least (width, height) to decode in training, so that no crop is enlarged; None: the whole image."""
        if self.augment is None:
            return None
        share = self.preprocessing.crop_ratio if self.preprocessing.resize in CROPS else 1.0
        if self.augment.crop:
            share = math.sqrt(self.augment.crop / self.augment.stretch)  # the shorter side of the smallest crop
        side = math.ceil(max(self.preprocessing.height, self.preprocessing.width) / share)
        return side, side

    def max_shapes(self, sizes: Sequence[tuple[int, int]], formats: Sequence[str]) -> list[Shape]:
        """The largest array (H, W, C) of each image in a cache, from its (width, height) and file format."""
        p = self.preprocessing
        if self.augment is None:
            return [(p.height, p.width, p.channels)] * len(sizes)
        decoded = (
            drafted(size, self.least_size) if kind in {"JPEG", "MPO"} else size
            for size, kind in zip(sizes, formats, strict=True)
        )
        return [(height, width, p.channels) for width, height in decoded]


def cached(
    *datasets: PreparedDataset, sizes: Sequence[tuple[int, int]], formats: Sequence[str]
) -> tuple[PreparedDataset, ...]:
    """The same datasets, of the same images, each with a cache if all fit into memory that processes can share."""
    shapes = [images.max_shapes(sizes, formats) for images in datasets]
    if not _can_fork() or not fits([shape for shapes_of_set in shapes for shape in shapes_of_set]):
        return datasets
    try:
        caches = [ImageCache(shapes_of_set) for shapes_of_set in shapes]
    except OSError:  # the disk has filled up since
        return datasets
    return tuple(replace(images, cache=cache) for images, cache in zip(datasets, caches, strict=True))


def drafted(size: tuple[int, int], least: tuple[int, int] | None) -> tuple[int, int]:
    """The largest size at which an image of (width, height) may be decoded with `least`."""
    if least is None:
        return size
    share = min(size[0] // least[0], size[1] // least[1])
    scale = next((s for s in (8, 4, 2) if share >= s), 1)
    return -(-size[0] // scale), -(-size[1] // scale)


class Loader:
    """Batches of ((N, C, H, W) uint8, labels int64, indices int64), prepared by persistent worker processes.

    Raises LeannetError if an image can no longer be read, or a worker process has ended.
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
            multiprocessing_context="fork" if workers and _can_fork() else None,  # the cache is shared by forking
        )

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        try:
            with raise_worker_failures():
                yield from self._batches
        except LeannetError as error:  # torch puts a worker's whole traceback into the message
            raise LeannetError(str(error).rsplit("LeannetError: ", 1)[-1]) from None


@contextmanager
def raise_worker_failures() -> Iterator[None]:
    """Raises LeannetError when a worker process ends: torch raises wherever this process happens to be."""
    try:
        try:
            yield
        except WORKER_ENDED as error:
            if not _is_from_worker(error):
                raise
            raise _worker_failure(error) from None
    except RuntimeError as error:  # another worker ended meanwhile
        if not _is_from_worker(error):
            raise
        raise _worker_failure(error) from None


# From the signal handler, or from a read of the worker's pipe.
WORKER_ENDED = (RuntimeError, ConnectionError, EOFError)


def _is_from_worker(error: Exception) -> bool:
    return not isinstance(error, RuntimeError) or "DataLoader worker" in str(error)


def _worker_failure(error: Exception) -> LeannetError:
    """The end of a worker process as a one-line error, raised only once."""
    with suppress(ValueError):  # only the main thread may set it, and torch sets it only there
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # otherwise torch raises again for every further worker that ends
    words = str(error) or type(error).__name__
    return LeannetError(f"a worker process that prepares images has ended: {words}; what was saved stays")


def _unchanged(batch: Any) -> Any:
    return batch


def _can_fork() -> bool:
    return sys.platform.startswith("linux")


def _begin_worker(worker: int) -> None:
    """Ignores Ctrl-C, which reaches every process of a terminal: the training process handles it.

    Workers get a lower priority: if one thread of a training step waits for a core, all the others wait for it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(WORKER_NICENESS)


def normalize(images: Tensor, preprocessing: Preprocessing, dtype: torch.dtype = torch.float32) -> Tensor:
    """(N, C, H, W) uint8 -> floats, scaled and normalized, in the same memory layout."""
    mean = torch.tensor(preprocessing.mean, device=images.device, dtype=dtype).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing.std, device=images.device, dtype=dtype).view(1, -1, 1, 1)
    return (images.to(dtype) * preprocessing.scale - mean) / std


def mean_and_std(
    dataset: PreparedDataset, indices: Sequence[int] | NDArray[np.int64], workers: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels of the prepared images, scaled to 0..1.

    Of more than `MEASURED` images over those of so many, drawn always alike.
    """
    some = np.asarray(indices)
    if len(some) > MEASURED:
        some = np.sort(np.random.default_rng(0).choice(some, MEASURED, replace=False))
    batches = Batches(some, batch_size=64)
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
