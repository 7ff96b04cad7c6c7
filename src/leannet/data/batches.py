"""The order of training and evaluation: which images come together, in which epoch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

REPEAT_STEP = 1_000_000  # more than there are epochs


@dataclass(frozen=True)
class Batches(Sampler[list[tuple[int, int]]]):
    """The order of consecutive epochs, in batches of (index, epoch).

    One sampler serves a whole run, so that workers start once and prepare the next epoch during validation. In
    training, a last batch of fewer than two images per process is dropped: batch norm needs two.
    """

    indices: NDArray[np.int64]
    batch_size: int
    epochs: range = range(1)
    seed: int = 0
    training: bool = False  # whether to shuffle
    start: int = 0  # batches of the first epoch that are done already, in a run resumed in mid-epoch
    rank: int = 0  # this process's share of each batch
    world: int = 1
    probabilities: NDArray[np.float64] | None = None  # of each index, drawn with replacement; None: each once
    steps: int | None = None  # of an epoch, while the images go on in their order; None: all images once

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return self.per_pass if self.steps is None else self.steps

    @property
    def per_pass(self) -> int:
        """Batches in which all images come once."""
        full, rest = divmod(len(self.indices), self.batch_size)
        if not self.training:
            return full + (rest > 0)
        fewest = 2 * self.world if self.world > 1 or full else 1
        return full + (rest >= fewest)

    def parts(self, number: int, most: int) -> int:
        """How many parts of two or more images a training batch divides into, up to `most`; equal in all processes.

        number: of the batch, counted from 0 over the whole run.
        """
        size = min(self.batch_size, len(self.indices) - number % self.per_pass * self.batch_size)
        return max(1, min(most, size // self.world // 2))

    def __len__(self) -> int:
        return max(0, len(self.epochs) * self.per_epoch - self.start)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        keys: list[tuple[int, int]] = []
        known: int | None = None  # the pass over the images that they are of
        for number in range(self.epochs.start * self.per_epoch + self.start, self.epochs.stop * self.per_epoch):
            images_pass, position = divmod(number, self.per_pass)
            if images_pass != known:
                keys, known = self._keys_of(images_pass), images_pass
            batch = keys[position * self.batch_size : (position + 1) * self.batch_size][self.rank :: self.world]
            if batch:  # the last batch of a validation may have fewer images than there are processes
                yield batch

    def _keys_of(self, images_pass: int) -> list[tuple[int, int]]:
        """(index, pass) of each image, in the order of that pass."""
        order = self.indices
        if self.training:
            draw = np.random.default_rng((self.seed, images_pass))
            if self.probabilities is None:
                order = draw.permutation(order)
            else:
                order = draw.choice(order, len(order), p=self.probabilities)
        return _keys(order, images_pass, repeats=self.probabilities is not None)


def _keys(order: NDArray[np.int64], epoch: int, repeats: bool) -> list[tuple[int, int]]:
    """(index, epoch) of each image; for a repeated image another epoch number, so that its augmentation differs."""
    if not repeats:
        return [(int(index), epoch) for index in order]
    seen: dict[int, int] = {}
    keys = []
    for index in order.tolist():
        seen[index] = seen.get(index, -1) + 1
        keys.append((index, epoch + seen[index] * REPEAT_STEP))
    return keys
