"""OneNet: boxes from one place each, so that nothing has to be suppressed after.

Sun et al., "What Makes for End-to-End Object Detection?", arXiv 2012.05780: section 3.2 has the cost by which a place
is matched to an object, classification included; the authors' networks have ResNet backbones. The light ones here have
MobileNets and ShuffleNetV2, and heads of separable convolutions on the map of stride 8.
"""

from dataclasses import dataclass
from functools import partial

from leannet.rows import Architecture
from leannet.rows.detecting import Neck, detector
from leannet.zoo import mobilenet_v2, mobilenet_v3, resnet, shufflenet_v2  # noqa: F401  (they register backbones)
from leannet.zoo.registry import FAMILIES, family, label
from leannet.zoo.width import scale_channels

PAPER = "arXiv 2012.05780"
CHANNELS, LEAST = 64, 48  # of a head, in proportion to the width of the backbone
COCO = 80  # classes


LIGHT = "finds boxes without NMS: {}, a light head at stride 8"
PYRAMID = "finds boxes without NMS: {}, FCOS's heads at strides 8 to 128"
PYRAMID_LEVELS = (8, 16, 32, 64, 128)
DEBUG = "_debug"


@dataclass(frozen=True)
class Design:
    """A backbone, and what its head is. levels: the strides of its maps."""

    backbone: str
    summary: str
    levels: tuple[int, ...] = (8,)
    neck: Neck = "pyramid"


NETWORKS = {
    "onenet_mobilenet_v2": Design("mobilenet_v2", LIGHT.format("MobileNetV2")),
    "onenet_mobilenet_v3_small": Design("mobilenet_v3_small", LIGHT.format("MobileNetV3-Small")),
    "onenet_shufflenet_v2": Design("shufflenet_v2", LIGHT.format("ShuffleNetV2")),
    "onenet_resnet18": Design("resnet18", PYRAMID.format("ResNet-18"), PYRAMID_LEVELS),
    "onenet_resnet50": Design("resnet50", PYRAMID.format("ResNet-50"), PYRAMID_LEVELS),
    "onenet_debug": Design("mobilenet_v2_debug", "boxes, for quick tests", (2, 4)),
    "onenet_deconv_debug": Design(
        "mobilenet_v2_debug", "boxes by transposed convolutions, for quick tests", (2,), "deconv"
    ),
}


def with_head(name: str, rows: Architecture, width: float, classes: int) -> Architecture:
    """A backbone with the head of a named network. width: of the backbone."""
    design = NETWORKS[name]
    if design.levels == PYRAMID_LEVELS:
        channels = scale_channels(4 * CHANNELS, width)
        made = detector(rows, classes, channels, design.levels, light=False, convolutions=4)
    else:
        channels = 8 if name.endswith(DEBUG) else max(LEAST, scale_channels(CHANNELS, width))
        made = detector(rows, classes, channels, design.levels, neck=design.neck)
    return made.named(label(name, width))


def _rows(name: str, width: float, resolution: int, classes: int, in_channels: int) -> Architecture:
    backbone = FAMILIES[NETWORKS[name].backbone]
    return with_head(name, backbone.rows(width, resolution, classes, in_channels), width, classes)


for _name, _design in NETWORKS.items():
    _size, _classes = (32, 10) if _name.endswith(DEBUG) else (320, COCO)
    family(_name, _design.summary, PAPER, _size, _classes)(partial(_rows, _name))
