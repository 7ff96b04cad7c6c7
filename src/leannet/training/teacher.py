"""A teacher: a trained network that answers for the images of another one, and in its order of classes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leannet.checkpoint import load_shipped
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.network import Network, build
from leannet.preprocessing import Preprocessing


class Teacher(nn.Module):
    """(N, C, H, W) images as the student reads them -> the teacher's logits (N, classes), in the student's order, and
    behind them its feature maps, if it has such outputs.

    Images are normalized and resized as the teacher was trained on them.
    """

    mean: Tensor
    std: Tensor
    own_mean: Tensor
    own_std: Tensor
    order: Tensor

    def __init__(self, network: Network, own: Preprocessing, student: Preprocessing, order: list[int]):
        super().__init__()
        self.network = network
        self.size = (own.height, own.width)
        for name, values in (
            ("mean", student.mean), ("std", student.std), ("own_mean", own.mean), ("own_std", own.std)
        ):  # fmt: skip
            self.register_buffer(name, torch.tensor(values).reshape(1, -1, 1, 1))
        self.register_buffer("order", torch.tensor(order))
        self.same_colors = own.mean == student.mean and own.std == student.std
        self.same_order = order == list(range(len(order)))

    def forward(self, images: Tensor) -> list[Tensor]:
        if not self.same_colors:
            images = (images * self.std + self.mean - self.own_mean) / self.own_std
        if images.shape[2:] != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        output, *maps = self.network.run(images)
        logits = output.flatten(1)
        return [logits if self.same_order else logits[:, self.order], *maps]


def read_teacher(path: str, student: Header, features: bool = False) -> Teacher:
    """The teacher of a run or checkpoint. features: with its last feature map of each size.

    Raises LeannetError for other classes or colors, and no classifier.
    """
    network, header = load_shipped(path, branches=features)
    where = f"--teacher {path}"
    if set(header.classes) != set(student.classes):
        missing = [name for name in student.classes if name not in header.classes]
        more = [name for name in header.classes if name not in student.classes]
        difference = f"no '{missing[0]}'" if missing else f"'{more[0]}' too"
        raise LeannetError(
            f"{where}: expected the student's {len(student.classes)} classes, found {len(header.classes)}, {difference}"
        )
    own, reads = header.preprocessing, student.preprocessing
    if own.channels != reads.channels:
        raise LeannetError(
            f"{where}: expected a network that reads {reads.channels} channels as the student, found {own.channels}"
        )
    if len(header.architecture.output_names) != 1:
        raise LeannetError(f"{where}: expected a classifier of one output, found {header.architecture.output_names}")
    if features:
        state = network.state_dict()
        network = build(header.architecture.with_features(*header.architecture.taps)).eval()
        network.load_state_dict(state)
    return Teacher(network, own, reads, [header.classes.index(name) for name in student.classes])
