"""How accurate a candidate is: by weights that all candidates share, in seconds, or by a short training of its own."""

import abc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leannet.checkpoint import load
from leannet.console import Console
from leannet.data.loader import Batches, Loader, PreparedDataset, normalize
from leannet.data.split import Split, split_as
from leannet.errors import Diverged, LeannetError
from leannet.nas.choices import Candidate, Choices
from leannet.nas.kept import Kept
from leannet.nas.search_request import Request
from leannet.nas.space import Space
from leannet.nas.supernet import SharedWeights, resized
from leannet.network import Network, build, folded
from leannet.rows import Architecture, Dropout
from leannet.shrink.images import narrow_network
from leannet.training.job import Job, watched
from leannet.training.loop import fit
from leannet.training.precise_batch_norm import precise_batch_norm

BATCH = 128


class Evaluator(abc.ABC):
    """Evaluates candidates on validation images, which nothing was trained on."""

    @abc.abstractmethod
    def accuracy(self, candidate: Candidate) -> float:
        """A fraction of the validation images."""


def same_weights(one: Architecture, other: Architecture) -> bool:
    """Whether two networks are the same but for how much is dropped in training."""
    rows = [[row for row in each.rows if not isinstance(row, Dropout)] for each in (one, other)]
    return rows[0] == rows[1] and one.input == other.input


class ByWeights(Evaluator):
    """By weights that are there, with batch norm's statistics of their own.

    Images are read and normalized once, and stay in memory.
    """

    def __init__(self, job: Job, split: Split, request: Request, with_weights: Callable[[Candidate], Network]):
        """with_weights: a candidate's network, whose statistics are not its own yet."""
        self._with_weights, self._task = with_weights, job.task
        augmented, plain = job.images
        draw = np.random.default_rng(0)
        some = draw.permutation(split.train)[: request.images]
        held_out = np.sort(draw.permutation(split.validation)[: request.validation])
        self._statistics = [images for images, _ in _normalized(augmented, some)]
        self._validation = [images for images, _ in _normalized(plain, held_out)]
        self.truths = plain.dataset.keep(held_out)

    def network(self, candidate: Candidate) -> Network:
        """A candidate, ready to be evaluated."""
        network = self._with_weights(candidate)
        rows = network.architecture
        precise_batch_norm(network, (resized(images, rows) for images in self._statistics))
        return network

    def accuracy(self, candidate: Candidate) -> float:
        network, task = folded(self.network(candidate)), self._task
        rows = network.architecture
        with torch.no_grad():
            answers = [
                task.answers(task.joined([network(resized(images, rows)).numpy()])) for images in self._validation
            ]
        return task.score(np.concatenate(answers), self.truths).accuracy


class BySupernet(ByWeights):
    """By slices of the largest network's weights."""

    def __init__(self, job: Job, folder: Path, space: Space, request: Request):
        """folder: of the run that trained the largest network, whose split is kept: no candidate is evaluated on images
        that its weights were trained on. Raises LeannetError where it is another network, or of other images."""
        network, header = load(folder)
        largest = space.architecture(space.largest)
        if not same_weights(header.architecture, largest):
            raise LeannetError(
                f"{folder}: expected the largest network of the space, found {header.architecture.name}: name a "
                "supernet of this space, or leave it out"
            )
        if header.classes != job.header.classes:
            asked, own = (", ".join(each[:8]) for each in (job.header.classes, header.classes))
            raise LeannetError(f"{folder}: expected a supernet of the classes {asked}, found {own}")
        if header.preprocessing != job.header.preprocessing:  # its weights know images by their own mean and deviation
            job = replace(job, header=job.header.model_copy(update={"preprocessing": header.preprocessing}))
        split = split_as(job.scan.dataset, job.scan.digests, header.split, str(folder))
        super().__init__(job, split, request, SharedWeights(network, space).network_of)


class ByRun(ByWeights):
    """By what is left of a trained network's weights where channels go."""

    def __init__(self, job: Job, network: Network, kept: Kept, request: Request):
        super().__init__(job, job.split, request, lambda each: narrow_network(network, kept.tied, kept.removed(each)))


class ByTraining(Evaluator):
    """By a training of so many epochs from scratch, by the settings of the search."""

    def __init__(self, job: Job, space: Choices, request: Request):
        self._job, self._space = job, space
        # An epoch is all images, and the epochs say how long it takes.
        growth = None if job.settings.time else job.settings.progressive_resizing  # that of --time says nothing here
        update = {
            "epochs": request.short_epochs,
            "time": None,
            "steps_per_epoch": None,
            "progressive_resizing": growth,
        }
        self._settings = job.settings.model_copy(update=update)

    def accuracy(self, candidate: Candidate) -> float:
        architecture = self._space.architecture(candidate)
        torch.manual_seed(self._settings.seed)
        network = build(architecture)
        preprocessing = self._job.header.preprocessing.model_copy(
            update={"height": architecture.input.height, "width": architecture.input.width}
        )
        header = self._job.header.model_copy(update={"architecture": architecture, "preprocessing": preprocessing})
        job = self._job.of(watched(network, self._job.objective), header, self._settings)
        if preprocessing != self._job.header.preprocessing:
            job.__dict__.pop("images", None)  # they are read at another size
        try:
            ended = fit(job, None, Console(quiet=True))
        except Diverged:
            return 0.0
        if ended.interrupted:
            raise KeyboardInterrupt
        return float(ended.state.log[-1]["validation_accuracy"])


def _normalized(dataset: PreparedDataset, indices: NDArray[np.int64]) -> list[tuple[Tensor, Tensor]]:
    """Batches of images (N, C, H, W), ready for a network, and their labels."""
    return [
        (normalize(images.contiguous(memory_format=torch.channels_last), dataset.preprocessing), labels)
        for images, labels, _ in Loader(dataset, Batches(indices, BATCH), workers=0)
    ]
