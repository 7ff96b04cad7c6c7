"""Quantization-aware training (QAT), where calibration is not enough: with fake quantization, by distillation.

The float network is the teacher: what ships should answer as what was trained, correct or not (Hinton et al., arXiv
1503.02531). No label is looked at.
"""

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from leannet.console import Console
from leannet.header import Header
from leannet.network import Network
from leannet.quantization.evaluator import Evaluator
from leannet.quantization.fake_quantization import fake_quantized_network
from leannet.runtime.folding import Weights
from leannet.runtime.onnx_graph import numpy_weights
from leannet.training.task import Classification

# A hundredth of a usual rate: the network is where it should be, and only has to make up for the rounding.
SETTINGS: dict[str, Any] = {
    "optimizer": {"name": "adamw", "lr": 2e-5, "weight_decay": 0.0},
    "schedule": {"name": "cosine", "warmup_epochs": 0.0},
    "batch_statistics": "running",
    "label_smoothing": 0.0,
    "workers": 0,
    "cpu": True,
}
SMALL_IMAGES = 48  # px


@dataclass(frozen=True)
class Distillation(Classification):
    """The divergence of a student's answers from its teacher's. In training, outputs are (N, 2, classes): both."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        student, teacher = outputs.log_softmax(dim=2).unbind(dim=1)
        return F.kl_div(student, teacher, reduction="sum", log_target=True)

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().right(outputs[:, 0], targets)


def attach_teacher(student: Network, teacher: Network) -> None:
    """Makes a student in training return (N, 2, classes): its own outputs, then its teacher's for the same input."""
    teacher = copy.deepcopy(teacher).eval()
    teacher_outputs: list[Tensor] = []

    def ask_teacher(module: Network, inputs: tuple[Tensor, ...]) -> None:
        if module.training:
            with torch.no_grad():
                teacher_outputs.append(teacher(inputs[0]))

    def stack(module: Network, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return torch.stack([output, teacher_outputs.pop()], dim=1) if module.training else output

    student.register_forward_pre_hook(ask_teacher, prepend=True)  # before the input is quantized
    student.register_forward_hook(stack)


def finetune(
    network: Network,
    header: Header,
    ranges: dict[str, tuple[float, float]],
    bits: int,
    float_layers: frozenset[str],
    evaluator: Evaluator,
    epochs: int,
    console: Console,
) -> Weights:
    """The weights of a network after so many epochs of training with fake quantization (fake_quantization.py).

    ranges: of its activations. float_layers: those that are not quantized. It learns from all images that may
    calibrate; those that evaluate are only looked at, so the last epoch's weights are taken and not the best one's.
    """
    from leannet.checkpoint import load
    from leannet.data.augment import Augment
    from leannet.data.loader import PreparedDataset
    from leannet.training.loop import fit
    from leannet.training.settings import Settings

    small = header.preprocessing.height <= SMALL_IMAGES
    augment = Augment(crop=0.0, pad=header.preprocessing.height // 8) if small else Augment(crop=0.5)
    augmented = PreparedDataset(evaluator.dataset, header.preprocessing, augment, 0)
    plain = PreparedDataset(evaluator.dataset, header.preprocessing)
    split = evaluator.split()
    batch = min(64, max(2, len(split.train)))
    values: dict[str, Any] = {"data": evaluator.where, "epochs": epochs, "batch_size": batch} | SETTINGS
    settings = Settings.make(values)
    student = fake_quantized_network(network, ranges, bits, float_layers)
    attach_teacher(student, network)
    with tempfile.TemporaryDirectory() as folder:
        fit(student, Distillation(), augmented, plain, split, settings, header, Path(folder), console)
        trained, _ = load(Path(folder) / "last.safetensors")
    return numpy_weights(trained.state_dict())
