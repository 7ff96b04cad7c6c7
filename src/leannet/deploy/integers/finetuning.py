"""Training with rounding in place, where measuring ranges is not enough."""

import tempfile
from pathlib import Path
from typing import Any

from leannet.console import Console
from leannet.deploy.integers.judging import Judging
from leannet.deploy.integers.rounding import rounded_network
from leannet.header import Header
from leannet.network import Network
from leannet.runtime.folding import Weights
from leannet.runtime.onnx_graph import numpy_weights

# A tenth of a usual rate: the network is where it should be, and only steps aside from what rounding does to it.
SETTINGS: dict[str, Any] = {
    "optimizer": {"name": "adamw", "lr": 2e-4, "weight_decay": 0.0},
    "schedule": {"name": "cosine", "warmup_epochs": 0.0},
    "batch_statistics": "running",
    "label_smoothing": 0.0,
    "workers": 0,
    "cpu": True,
}
SMALL_PICTURES = 48


def finetuned(
    network: Network,
    header: Header,
    measured: dict[str, tuple[float, float]],
    bits: int,
    floats: frozenset[str],
    pictures: Judging,
    epochs: int,
    console: Console,
) -> Weights:
    """The weights of a network after so many epochs of training with rounding in place (`rounding.py`).

    measured: the ranges of its values. floats: layers that stay as they are. It learns from the pictures that
    calibrate, all of them, and those that judge are only looked at; the last epoch's weights are taken, not the best
    one's.
    """
    from leannet.checkpoint import load
    from leannet.data.augment import Augment
    from leannet.data.loader import PictureSet
    from leannet.training.loop import fit
    from leannet.training.settings import Settings
    from leannet.training.task import Classification

    small = header.preprocessing.height <= SMALL_PICTURES
    augment = Augment(crop=0.0, pad=header.preprocessing.height // 8) if small else Augment(crop=0.5)
    changed = PictureSet(pictures.pictures, header.preprocessing, augment, 0)
    plain = PictureSet(pictures.pictures, header.preprocessing)
    parts = pictures.split()
    batch = min(64, max(2, len(parts.train)))
    values: dict[str, Any] = {"data": pictures.where, "epochs": epochs, "batch_size": batch} | SETTINGS
    settings = Settings.make(values)
    rounding = rounded_network(network, measured, bits, floats)
    with tempfile.TemporaryDirectory() as place:
        fit(rounding, Classification(), changed, plain, parts, settings, header, Path(place), console)
        learned, _ = load(Path(place) / "last.safetensors")
    return numpy_weights(learned.state_dict())
