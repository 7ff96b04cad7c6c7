"""What a network learns: an objective runs it on a batch and says how far off it is. Objectives wrap each other.

A task (task.py) knows what to do with answers; an objective knows how to get better ones.
"""

import abc
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Outputs = Tensor | dict[str, Tensor]
Run = Callable[[Tensor], Outputs]  # (N, C, H, W) -> the outputs of a network


@dataclass(frozen=True)
class Losses:
    """Of a batch. parts: each the weighted sum over its images, a scalar; their sum is what is minimized. correct: how
    many images are answered correctly."""

    parts: dict[str, Tensor]
    correct: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of the parts."""
        return torch.stack(list(self.parts.values())).sum()


class Objective(abc.ABC):
    """Supplies the loop with the losses of a batch."""

    @abc.abstractmethod
    def losses(self, network: Run, images: Tensor, targets: Tensor) -> Losses:
        """Runs the network on a part of a batch, once."""

    @abc.abstractmethod
    def weight(self, targets: Tensor) -> Tensor:
        """The sum of the images' weights, a scalar: the loss of a batch is the sum of its parts divided by it."""

    def to(self, device: torch.device, dtype: torch.dtype) -> "Objective":
        """The same with what it holds of tensors there."""
        return self


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Cross-entropy with label smoothing (Szegedy et al. 2016, section 7).

    Targets are class numbers (N,) or, of mixed images, probabilities (N, classes). class_weights: one per class.
    auxiliary: of further outputs, by row, what their loss counts (Szegedy et al., arXiv 1409.4842, section 5).
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    auxiliary: Mapping[str, float] = field(default_factory=dict)

    def losses(self, network: Run, images: Tensor, targets: Tensor) -> Losses:
        outputs = network(images)
        by_row = outputs if isinstance(outputs, dict) else {"": outputs}
        main = next(iter(by_row.values()))
        parts = {"cross_entropy": self._loss(main, targets)}
        parts |= {
            f"auxiliary.{row}": weight * self._loss(by_row[row], targets) for row, weight in self.auxiliary.items()
        }
        truth = targets.argmax(dim=1) if targets.ndim == 2 else targets
        return Losses(parts, (main.argmax(dim=1) == truth).sum())

    def weight(self, targets: Tensor) -> Tensor:
        if self.class_weights is None:
            return torch.tensor(float(len(targets)), device=targets.device)
        return self._weights(targets, torch.empty(0, device=targets.device)).sum()

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.class_weights is None:
            return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing, reduction="sum")
        losses = F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing, reduction="none")
        return (losses * self._weights(targets, losses)).sum()

    def _weights(self, targets: Tensor, like: Tensor) -> Tensor:
        """One weight per image; for a mixed image the mean over its classes."""
        weights = like.new_tensor(self.class_weights)
        return targets.to(weights.dtype) @ weights if targets.ndim == 2 else weights[targets]


@dataclass(frozen=True)
class Distilled(Objective):
    """Learns from a teacher's answers too (Hinton et al., arXiv 1503.02531).

    share: what of the loss is the divergence of the student's probabilities from the teacher's, both at a temperature
    and multiplied by its square, so that the gradients stay as large; the rest is the inner objective's. At 1 no label
    is learned from.
    """

    inner: Objective
    teacher: nn.Module
    share: float = 0.9
    temperature: float = 4.0

    def losses(self, network: Run, images: Tensor, targets: Tensor) -> Losses:
        with torch.no_grad():
            answers = self.teacher(images)
        outputs = network(images)
        inner = self.inner.losses(lambda _: outputs, images, targets)
        logits = [next(iter(each.values())) if isinstance(each, dict) else each for each in (outputs, answers)]
        of_student, of_teacher = ((each / self.temperature).log_softmax(dim=1) for each in logits)
        divergence = F.kl_div(of_student, of_teacher, reduction="sum", log_target=True) * self.temperature**2
        parts = {name: (1 - self.share) * part for name, part in inner.parts.items()} if self.share < 1 else {}
        return Losses({**parts, "distillation": self.share * divergence}, inner.correct)

    def weight(self, targets: Tensor) -> Tensor:
        return self.inner.weight(targets)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Distilled":
        """The same with a copy of the teacher there, in evaluation mode."""
        teacher = copy.deepcopy(self.teacher).eval().requires_grad_(False)
        teacher = teacher.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form
        return Distilled(self.inner.to(device, dtype), teacher, self.share, self.temperature)
