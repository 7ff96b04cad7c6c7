"""Attention: which positions of an image speak for a class, by Grad-CAM."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from leannet.errors import LeannetError, nearest
from leannet.looks.hooks import Point, find, record_outputs
from leannet.looks.inputs import Images, as_input, first_output, load_network, prepare_images
from leannet.network import Network


@dataclass(frozen=True)
class AttentionMap:
    """Where a layer's activations speak for one class, in one image.

    image: (H, W, C) uint8, the image as the network reads it. heat: (h, w) float32 at the layer's own size, 0 or
    more, in units of the class's score before the softmax.
    """

    name: str
    image: NDArray[np.uint8]
    layer: str
    target: str  # the class
    probability: float
    heat: NDArray[np.float32]

    COLUMNS: ClassVar = ("image", "layer", "class", "probability", "row", "column", "heat")

    @property
    def is_empty(self) -> bool:
        """Whether nothing at this layer speaks for the class."""
        return not self.heat.any()

    def over_image(self) -> NDArray[np.float32]:
        """(H, W) of the image, 0..1: the heat over its largest value, enlarged bilinearly."""
        height, width = self.image.shape[:2]
        share = self.heat / max(float(self.heat.max()), 1e-30)
        return np.asarray(Image.fromarray(share).resize((width, height), Image.Resampling.BILINEAR))

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """A line for each position of the layer, as COLUMNS says."""
        for (row, column), value in np.ndenumerate(self.heat):
            yield self.name, self.layer, self.target, self.probability, row, column, float(value)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        row, column = np.unravel_index(int(self.heat.argmax()), self.heat.shape)
        return {
            "image": self.name,
            "layer": self.layer,
            "class": self.target,
            "probability": self.probability,
            "heat": [[float(value) for value in line] for line in self.heat],
            "largest": None if self.is_empty else {"row": int(row), "column": int(column)},
        }


def attention(
    run: str | Path | Network,
    images: Images,
    layer: str | None = None,
    classes: Sequence[str] = (),
    top: int = 1,
) -> list[AttentionMap]:
    """Grad-CAM of each image: for each class a map, one behind the other (Selvaraju et al., arXiv 1610.02391, 3).

    run: a run folder, a checkpoint or a network. images: up to 12 paths, folders of images, PIL images. layer: None:
    the last with a feature map. classes: by name; none: the `top` likeliest of each image.
    Raises LeannetError for an unknown layer or class, with the nearest names, and for a layer whose output is a vector.
    """
    network, header = load_network(run)
    for name in classes:
        if name not in header.classes:
            raise LeannetError(f"no class is named '{name}'; nearest: {nearest(name, header.classes)}")
    point = find(network, layer or network.architecture.features)
    attention_maps = []
    with torch.enable_grad(), record_outputs(network, [point], gradients=True) as outputs:
        for prepared in prepare_images(images, header.preprocessing):
            scores = first_output(network(as_input(prepared, header.preprocessing)))
            if scores.shape != (1, len(header.classes)):
                raise LeannetError(f"{network.architecture.name}: ends in no classes, so nothing speaks for one")
            probabilities = torch.softmax(scores.detach()[0], dim=0)
            likeliest = probabilities.argsort(descending=True, stable=True)[:top].tolist()
            for number in [header.classes.index(name) for name in classes] or likeliest:
                heat = grad_cam(scores[0, number], _maps(outputs, point, network))
                target, probability = header.classes[number], float(probabilities[number])
                attention_maps.append(
                    AttentionMap(prepared.name, prepared.image, point.path, target, probability, heat)
                )
    return attention_maps


def grad_cam(score: Tensor, maps: Tensor) -> NDArray[np.float32]:
    """(h, w) float32: the maps (1, C, h, w) weighed by how the score grows with each, where the sum is positive.

    A channel's weight is the mean of the score's gradient over its positions (equation 1); the sum goes through a
    ReLU (equation 2). Raises LeannetError where the maps do not lead to the score.
    """
    (gradient,) = torch.autograd.grad(score, maps, retain_graph=True, allow_unused=True)
    if gradient is None:
        raise LeannetError("this layer does not lead to the classes: choose one on the way to them")
    weights = gradient.mean((2, 3), keepdim=True)
    return torch.relu((weights * maps).sum(dim=1))[0].detach().numpy()


def _maps(outputs: dict[str, Tensor], point: Point, network: Network) -> Tensor:
    maps = outputs[point.path]
    if maps.ndim != 4 or maps.shape[2:] == (1, 1):
        raise LeannetError(
            f"{point.path} makes a vector, which has no positions; the last layer with a feature map is "
            f"{network.architecture.features}"
        )
    return maps
