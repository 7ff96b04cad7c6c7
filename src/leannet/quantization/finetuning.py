"""Training with rounding in place, where measuring ranges is not enough.

The float network is the teacher: what ships should answer as what was trained, right or wrong (Hinton et al., arXiv
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
from leannet.quantization.comparing import Judging
from leannet.quantization.fake_quantization import rounded_network
from leannet.runtime.folding import Weights
from leannet.runtime.onnx_graph import numpy_weights
from leannet.training.task import Classification

# A hundredth of a usual rate: the network is where it should be, and only steps aside from what rounding does to it.
SETTINGS: dict[str, Any] = {
    "optimizer": {"name": "adamw", "lr": 2e-5, "weight_decay": 0.0},
    "schedule": {"name": "cosine", "warmup_epochs": 0.0},
    "batch_statistics": "running",
    "label_smoothing": 0.0,
    "workers": 0,
    "cpu": True,
}
SMALL_IMAGES = 48


@dataclass(frozen=True)
class Taught(Classification):
    """The divergence of a network's answers from its teacher's; in training its outputs lie before the teacher's."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        own, wanted = outputs.log_softmax(dim=2).unbind(dim=1)
        return F.kl_div(own, wanted, reduction="sum", log_target=True)

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().correct(outputs[:, 0], targets)


def teach(network: Network, teacher: Network) -> None:
    """Makes a network in training give (N, 2, classes): what it makes of its input, and what its teacher does."""
    teacher = copy.deepcopy(teacher).eval()
    said: list[Tensor] = []

    def ask(module: Network, inputs: tuple[Tensor, ...]) -> None:
        if module.training:
            with torch.no_grad():
                said.append(teacher(inputs[0]))

    def beside(module: Network, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return torch.stack([output, said.pop()], dim=1) if module.training else output

    network.register_forward_pre_hook(ask, prepend=True)  # it reads what is not rounded yet
    network.register_forward_hook(beside)


def finetuned(
    network: Network,
    header: Header,
    measured: dict[str, tuple[float, float]],
    bits: int,
    floats: frozenset[str],
    images: Judging,
    epochs: int,
    console: Console,
) -> Weights:
    """The weights of a network after so many epochs of training with rounding in place (`rounding.py`).

    measured: the ranges of its values. floats: layers that stay as they are. It learns from the images that
    calibrate, all of them, and those that judge are only looked at; the last epoch's weights are taken, not the best
    one's. What it learns is to answer as it did.
    """
    from leannet.checkpoint import load
    from leannet.data.augment import Augment
    from leannet.data.loader import PreparedDataset
    from leannet.training.loop import fit
    from leannet.training.settings import Settings

    small = header.preprocessing.height <= SMALL_IMAGES
    augment = Augment(crop=0.0, pad=header.preprocessing.height // 8) if small else Augment(crop=0.5)
    changed = PreparedDataset(images.dataset, header.preprocessing, augment, 0)
    plain = PreparedDataset(images.dataset, header.preprocessing)
    parts = images.split()
    batch = min(64, max(2, len(parts.train)))
    values: dict[str, Any] = {"data": images.where, "epochs": epochs, "batch_size": batch} | SETTINGS
    settings = Settings.make(values)
    rounding = rounded_network(network, measured, bits, floats)
    teach(rounding, network)
    with tempfile.TemporaryDirectory() as place:
        fit(rounding, Taught(), changed, plain, parts, settings, header, Path(place), console)
        learned, _ = load(Path(place) / "last.safetensors")
    return numpy_weights(learned.state_dict())
