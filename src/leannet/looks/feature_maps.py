"""Feature maps: the channels of one layer's output for an image."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from leannet.looks.hooks import early_layer, find, record_outputs, to_feature_maps
from leannet.looks.inputs import Images, as_input, load_network, prepare_images
from leannet.network import Network


@dataclass(frozen=True)
class FeatureMaps:
    """One layer's output for one image.

    image: (H, W, C) uint8, the image as the network reads it. maps: (C, H, W) float32; of a vector (C, 1, 1).
    channels: what the channels are called: their numbers from 0, or the classes where the layer makes those.
    """

    name: str
    image: NDArray[np.uint8]
    layer: str
    maps: NDArray[np.float32]
    channels: tuple[str, ...]

    COLUMNS: ClassVar = ("image", "layer", "channel", "mean", "mean_absolute", "min", "max", "zeros", "strongest")

    @property
    def is_vector(self) -> bool:
        """Whether the layer has one value per channel."""
        return self.maps.shape[1:] == (1, 1)

    @cached_property
    def strengths(self) -> NDArray[np.float64]:
        """The mean absolute activation of each channel, (C,)."""
        return np.abs(self.maps).mean(axis=(1, 2), dtype=np.float64)

    @property
    def strongest(self) -> int:
        """The channel whose mean absolute activation is the largest; of a vector the largest value, as of logits.

        Of equal ones the first.
        """
        return int(self.maps.argmax() if self.is_vector else self.strengths.argmax())

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """A line a channel, as COLUMNS says. zeros: the share of values that are exactly 0."""
        for number, (name, values) in enumerate(zip(self.channels, self.maps, strict=True)):
            yield (
                self.name,
                self.layer,
                name,
                float(values.mean(dtype=np.float64)),
                float(self.strengths[number]),
                float(values.min()),
                float(values.max()),
                float((values == 0).mean()),
                int(number == self.strongest),
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON: the statistics of each channel, without the maps."""
        channels = [dict(zip(self.COLUMNS[2:-1], line[2:-1], strict=True)) for line in self.lines()]
        return {
            "image": self.name,
            "layer": self.layer,
            "shape": list(self.maps.shape),
            "strongest": self.channels[self.strongest],
            "channels": channels,
        }


def activations(run: str | Path | Network, images: Images, layer: str | None = None) -> list[FeatureMaps]:
    """The output of one layer for each image.

    run: a run folder, a checkpoint or a network. images: up to 12 paths, folders of images, PIL images. layer: any
    that `network.layer` finds; None: the last layer of the first block. Its output is taken as the row says it, with
    its normalisation and activation; a module inside it (`Conv1.conv`) gives its own output.
    Raises LeannetError for an unknown layer, with the nearest names, and for images that cannot be read.
    """
    network, header = load_network(run)
    table = network.architecture
    point = find(network, layer or early_layer(table))
    feature_maps = []
    with torch.no_grad(), record_outputs(network, [point]) as outputs:
        for prepared in prepare_images(images, header.preprocessing):
            network(as_input(prepared, header.preprocessing))
            maps = to_feature_maps(outputs[point.path])[0].numpy()
            makes_classes = point.path in table.output_names and maps.shape == (len(header.classes), 1, 1)
            names = header.classes if makes_classes else tuple(str(number) for number in range(len(maps)))
            feature_maps.append(FeatureMaps(prepared.name, prepared.image, point.path, maps, names))
    return feature_maps
