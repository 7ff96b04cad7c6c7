"""The zoo: one family a file, each a paper's table as rows. No torch."""

from leannet.zoo import mobilenet_v1, mobilenet_v2, mobilenet_v3, two_layer
from leannet.zoo.registry import FAMILIES, Family, architecture, family, find, models

__all__ = [
    "FAMILIES",
    "Family",
    "architecture",
    "family",
    "find",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3",
    "models",
    "two_layer",
]
