"""OneNet: boxes from one place each, so that nothing has to be suppressed after.

Sun et al., "What Makes for End-to-End Object Detection?", arXiv 2012.05780: section 3.2 has the cost by which a place
is matched to an object, classification included; the authors' networks have ResNet backbones. The light ones here have
MobileNets and ShuffleNetV2, and heads of separable convolutions on the map of stride 8.
"""

from functools import partial

from leannet.rows import Architecture
from leannet.rows.detecting import detector
from leannet.zoo import mobilenet_v2, mobilenet_v3, resnet, shufflenet_v2  # noqa: F401  (they register backbones)
from leannet.zoo.registry import FAMILIES, family, label
from leannet.zoo.width import scale_channels

PAPER = "arXiv 2012.05780"
CHANNELS, LEAST = 64, 48  # of a head, in proportion to the width of the backbone
COCO = 80  # classes


LIGHT = "finds boxes without NMS: {}, a light head at stride 8"
PYRAMID = "finds boxes without NMS: {}, FCOS's heads at strides 8 to 128"
PYRAMID_LEVELS = (8, 16, 32, 64, 128)
# Backbone -> what the family is, and the strides of its maps.
NETWORKS: dict[str, tuple[str, tuple[int, ...]]] = {
    "mobilenet_v2": (LIGHT.format("MobileNetV2"), (8,)),
    "mobilenet_v3_small": (LIGHT.format("MobileNetV3-Small"), (8,)),
    "shufflenet_v2": (LIGHT.format("ShuffleNetV2"), (8,)),
    "resnet18": (PYRAMID.format("ResNet-18"), PYRAMID_LEVELS),
    "resnet50": (PYRAMID.format("ResNet-50"), PYRAMID_LEVELS),
    "mobilenet_v2_debug": ("boxes, for quick tests", (2, 4)),
}
DEBUG = "_debug"


def _rows(
    backbone: str, levels: tuple[int, ...], name: str, width: float, resolution: int, classes: int, in_channels: int
) -> Architecture:
    rows = FAMILIES[backbone].rows(width, resolution, classes, in_channels)
    if levels == PYRAMID_LEVELS:
        made = detector(rows, classes, scale_channels(4 * CHANNELS, width), levels, light=False, convolutions=4)
    else:
        channels = 8 if name.endswith(DEBUG) else max(LEAST, scale_channels(CHANNELS, width))
        made = detector(rows, classes, channels, levels)
    return made.named(label(name, width))


for _backbone, (_summary, _levels) in NETWORKS.items():
    _is_debug = _backbone.endswith(DEBUG)
    _name = "onenet_debug" if _is_debug else f"onenet_{_backbone}"
    _size, _classes = (32, 10) if _is_debug else (320, COCO)
    family(_name, _summary, PAPER, _size, _classes)(partial(_rows, _backbone, _levels, _name))
