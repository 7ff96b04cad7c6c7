"""What a run learns: the loss, and what is measured. One loop serves every task."""

import abc
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


class Task(abc.ABC):
    """Supplies the loop with a loss for each batch and with what to keep of it for the log."""

    @abc.abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of a training batch, a scalar."""

    @abc.abstractmethod
    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How many of a batch are right, a scalar."""

    @abc.abstractmethod
    def predictions(self, outputs: Tensor) -> Tensor:
        """What validation keeps of the outputs, one row a picture, on the CPU."""


@dataclass(frozen=True)
class Classification(Task):
    """Cross-entropy with label smoothing (Szegedy et al. 2016, section 7), against class numbers."""

    label_smoothing: float = 0.0

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.argmax(dim=1) == targets).sum()

    def predictions(self, outputs: Tensor) -> Tensor:
        return torch.softmax(outputs.float(), dim=1).cpu()
