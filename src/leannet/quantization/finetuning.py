"""Quantization-aware training (QAT), where calibration is not enough: with fake quantization, by distillation.

The float network is the teacher: what ships should answer as what was trained, correct or not (Hinton et al., arXiv
1503.02531). No label is looked at.
"""

from typing import Any

from leannet.console import Console
from leannet.header import Header
from leannet.network import Network, subnetwork
from leannet.quantization.evaluator import Evaluator
from leannet.quantization.fake_quantization import fake_quantized_network
from leannet.rows import Decide
from leannet.runtime.folding import Weights
from leannet.runtime.formats.onnx import numpy_weights

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
    from leannet.training.job import Job
    from leannet.training.loop import fit
    from leannet.training.objective import CrossEntropy, Distilled
    from leannet.training.settings import Settings

    side, split = header.preprocessing.height, evaluator.split()
    values: dict[str, Any] = {
        "data": evaluator.where,
        "epochs": epochs,
        "batch_size": min(64, max(2, len(split.train))),
        "augment": {"crop": 0.0, "pad": side // 8} if side <= SMALL_IMAGES else {"crop": 0.5},
    }
    settings = Settings.make(values | SETTINGS)
    # Gates decide as they do in use, whatever they learned by.
    gates = {
        node.path: {"training": "hard"} for node in network.architecture.graph.nodes if isinstance(node.row, Decide)
    }
    decided = subnetwork(network, network.architecture.edit(gates)) if gates else network
    student = fake_quantized_network(decided, ranges, bits, float_layers)
    objective = Distilled(CrossEntropy(), network, share=1.0, temperature=1.0)
    fit(Job(student, header, evaluator.scan, split, settings, objective), None, console)
    return numpy_weights(student.state_dict())
