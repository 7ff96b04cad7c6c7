"""The task of a run: what it does with answers, its scores, and its ranking of epochs. One loop serves every task."""

import abc
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leannet.data.dataset import Dataset
from leannet.evaluation.metrics import Scores, score
from leannet.evaluation.predictions import write_predictions
from leannet.sections import BoxSummary, Summary


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

    def summary(self) -> Summary | BoxSummary:
        """For the checkpoint's header."""


class Task(abc.ABC):
    """Supplies the loop with the predictions to keep, and their scores."""

    @abc.abstractmethod
    def predictions(self, outputs: Tensor) -> Tensor:
        """The predictions from the outputs, one row per image, on the CPU."""

    @abc.abstractmethod
    def score(self, predictions: NDArray[np.float32], dataset: Dataset) -> Result:
        """The scores of predictions, one row per image."""

    @abc.abstractmethod
    def write(self, path: Path, predictions: NDArray[np.float32], dataset: Dataset) -> None:
        """Writes predictions.csv."""


class Classification(Task):
    """One class an image: the probabilities of all, from the first output."""

    def predictions(self, outputs: Tensor) -> Tensor:
        return torch.softmax(outputs.float(), dim=1).cpu()

    def score(self, predictions: NDArray[np.float32], dataset: Dataset) -> Scores:
        return score(predictions, dataset.labels, dataset.classes)

    def write(self, path: Path, predictions: NDArray[np.float32], dataset: Dataset) -> None:
        write_predictions(path, dataset, predictions)
