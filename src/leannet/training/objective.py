"""What a network learns: an objective runs it on a batch and says how far off it is. Objectives wrap each other.

A task (task.py) knows what to do with answers; an objective knows how to get better ones.
"""

import abc
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from leannet.blocks import fold_batch_norm
from leannet.network import Network
from leannet.rows import Architecture

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

    def watch(self, architecture: Architecture) -> Architecture:
        """The architecture with what the losses look at besides its outputs as outputs of training."""
        return architecture

    def evaluated(self, network: Network) -> Network:
        """A network in evaluation mode, with the outputs that the losses look at."""
        return network

    @abc.abstractmethod
    def weight(self, targets: Tensor) -> Tensor:
        """The sum of the images' weights, a scalar: the loss of a batch is the sum of its parts divided by it."""

    def charge(self, decided: Mapping[str, NDArray[np.int8]]) -> float | None:
        """What images cost beside the loss that decided so, in the mean; None: decisions cost nothing. decided: of each
        decision 1, 0, or -1 where it was not asked, (N,)."""
        return None

    def to(self, device: torch.device, dtype: torch.dtype) -> "Objective":
        """The same with what it holds of tensors there."""
        return self

    def bound(self, network: Network) -> "Objective":
        """The same for a network whose weights it uses besides running it. network: on its device, in training."""
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

    def watch(self, architecture: Architecture) -> Architecture:
        """The architecture with the auxiliary rows as outputs of training."""
        return architecture.with_features(*self.auxiliary, role="auxiliary")

    def losses(self, network: Run, images: Tensor, targets: Tensor) -> Losses:
        outputs = network(images)
        by_row = outputs if isinstance(outputs, dict) else {"": outputs}
        main = next(iter(by_row.values()))
        parts = {"cross_entropy": self._loss(main, targets)}
        parts |= {
            f"auxiliary.{row}": weight * self._loss(by_row[row], targets)
            for row, weight in self.auxiliary.items()
            if row in by_row  # outputs of training, which evaluation has not
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
    is learned from. features: the weight of the difference of both networks' attention maps, paired from the deepest on
    (Zagoruyko and Komodakis, arXiv 1612.03928, section 3.1).
    """

    inner: Objective
    teacher: nn.Module  # (N, C, H, W) -> logits (N, classes), or with maps behind them
    share: float = 0.9
    temperature: float = 4.0
    features: float = 0.0

    def watch(self, architecture: Architecture) -> Architecture:
        """The architecture with its last feature map of each size."""
        watched = self.inner.watch(architecture)
        return watched.with_features(*architecture.taps) if self.features else watched

    def losses(self, network: Run, images: Tensor, targets: Tensor) -> Losses:
        with torch.no_grad():
            answers = self.teacher(images)
        logits_of_teacher, *maps_of_teacher = answers if isinstance(answers, list) else [answers]
        outputs = network(images)
        inner = self.inner.losses(lambda _: outputs, images, targets)
        by_row = outputs if isinstance(outputs, dict) else {"": outputs}
        logits = next(iter(by_row.values()))
        of_student, of_teacher = ((each / self.temperature).log_softmax(dim=1) for each in (logits, logits_of_teacher))
        divergence = F.kl_div(of_student, of_teacher, reduction="sum", log_target=True) * self.temperature**2
        parts = {
            name: part if name.startswith("auxiliary") else (1 - self.share) * part  # the teacher answers for no others
            for name, part in inner.parts.items()
        } if self.share < 1 else {}  # fmt: skip
        parts["distillation"] = self.share * divergence
        if self.features:
            maps = [value for value in by_row.values() if value.ndim == 4]
            pairs = zip(reversed(maps), reversed(maps_of_teacher), strict=False)
            parts["features"] = self.features * torch.stack([_attention_gap(*pair) for pair in pairs]).sum()
        return Losses(parts, inner.correct)

    def weight(self, targets: Tensor) -> Tensor:
        return self.inner.weight(targets)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Distilled":
        """The same with a copy of the teacher there, in evaluation mode and with batch norm folded: it answers for each
        image of each epoch, so a pass less over memory counts."""
        teacher = fold_batch_norm(copy.deepcopy(self.teacher).eval().requires_grad_(False))
        teacher = teacher.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form
        return Distilled(self.inner.to(device, dtype), teacher, self.share, self.temperature, self.features)


def _attention_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """The squared difference of two attention maps (N, C, H, W), a scalar: the sum over images.

    An attention map is the mean of squares over channels, of norm 1; the larger one is averaged to the other's size.
    """
    maps = [each.square().mean(dim=1, keepdim=True) for each in (student, teacher)]
    height, width = (min(sides) for sides in zip(*(each.shape[2:] for each in maps), strict=True))
    one, other = (F.normalize(F.adaptive_avg_pool2d(each, (height, width)).flatten(1)) for each in maps)
    return (one - other).square().sum()
