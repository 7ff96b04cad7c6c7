"""The zoo: one family a file, each a paper's table as rows. No torch."""

from leannet.zoo import (
    alexnet,
    googlenet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    nasnet,
    resnet,
    shufflenet_v1,
    shufflenet_v2,
    squeezenet,
    two_layer,
)
from leannet.zoo.registry import FAMILIES, Family, architecture, family, find, models

__all__ = [
    "FAMILIES",
    "Family",
    "alexnet",
    "architecture",
    "family",
    "find",
    "googlenet",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3",
    "models",
    "nasnet",
    "resnet",
    "shufflenet_v1",
    "shufflenet_v2",
    "squeezenet",
    "two_layer",
]
