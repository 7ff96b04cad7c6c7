"""The task of a run: its loss, its scores, and its ranking of epochs. One loop serves every task."""

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from leannet.data.dataset import Dataset
from leannet.evaluation.metrics import Scores, score
from leannet.evaluation.predictions import write_predictions
from leannet.sections import Summary


class Result(Protocol):
    """The scores of a task on validation images."""

    @property
    def rank(self) -> tuple[float, ...]:
        """Compared between epochs: the largest is best."""

    @property
    def loss(self) -> float:
        """For the log."""

    @property
    def accuracy(self) -> float:
        """For the log, 0 to 1."""

    def summary(self) -> Summary:
        """For the checkpoint's header."""


class Task(abc.ABC):
    """Supplies the loop with the loss of a batch, the predictions to keep, and their scores."""

    @abc.abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The weighted sum of the losses of a training batch: a scalar."""

    @abc.abstractmethod
    def weight(self, targets: Tensor) -> Tensor:
        """The sum of those weights, a scalar: the loss of a batch is `loss` divided by `weight`."""

    @abc.abstractmethod
    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The number of correctly classified images of a batch: a scalar."""

    @abc.abstractmethod
    def predictions(self, outputs: Tensor) -> Tensor:
        """The predictions from the outputs, one row per image, on the CPU."""

    @abc.abstractmethod
    def score(self, predictions: NDArray[np.float32], dataset: Dataset) -> Result:
        """The scores of predictions, one row per image."""

    @abc.abstractmethod
    def write(self, path: Path, predictions: NDArray[np.float32], dataset: Dataset) -> None:
        """Writes predictions.csv."""


@dataclass(frozen=True)
class Classification(Task):
    """Cross-entropy with label smoothing (Szegedy et al. 2016, section 7).

    Targets are class numbers (N,) or, of mixed images, probabilities (N, classes). class_weights: one per class.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.class_weights is None:
            return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing, reduction="sum")
        losses = F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing, reduction="none")
        return (losses * self._weights(targets, losses)).sum()

    def weight(self, targets: Tensor) -> Tensor:
        if self.class_weights is None:
            return torch.tensor(float(len(targets)), device=targets.device)
        return self._weights(targets, torch.empty(0, device=targets.device)).sum()

    def _weights(self, targets: Tensor, like: Tensor) -> Tensor:
        """One weight per image; for a mixed image the mean over its classes."""
        weights = like.new_tensor(self.class_weights)
        return targets.to(weights.dtype) @ weights if targets.ndim == 2 else weights[targets]

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        truth = targets.argmax(dim=1) if targets.ndim == 2 else targets
        return (outputs.argmax(dim=1) == truth).sum()

    def predictions(self, outputs: Tensor) -> Tensor:
        return torch.softmax(outputs.float(), dim=1).cpu()

    def score(self, predictions: NDArray[np.float32], dataset: Dataset) -> Scores:
        return score(predictions, dataset.labels, dataset.classes)

    def write(self, path: Path, predictions: NDArray[np.float32], dataset: Dataset) -> None:
        write_predictions(path, dataset, predictions)
