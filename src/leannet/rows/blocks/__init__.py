"""Blocks: what the papers draw as one box is one row, and what they draw inside the box is rows again.

A new block is one class: its fields, and `expand`, the rows that it stands for. Counting, building, drawing and every
other reader follow from those.
"""

from leannet.rows.blocks.base import BlockBase
from leannet.rows.blocks.fire import Fire
from leannet.rows.blocks.inception import Inception
from leannet.rows.blocks.mobile import InvertedResidual, Separable, SqueezeExcite
from leannet.rows.blocks.nasnet import NasnetNormal, NasnetReduction, TwiceSeparable
from leannet.rows.blocks.residual import BasicResidual, BottleneckResidual
from leannet.rows.blocks.shuffle import ShuffleUnit, ShuffleUnitV2

BLOCKS: tuple[type[BlockBase], ...] = (
    Separable,
    SqueezeExcite,
    InvertedResidual,
    Fire,
    ShuffleUnit,
    ShuffleUnitV2,
    BasicResidual,
    BottleneckResidual,
    Inception,
    TwiceSeparable,
    NasnetNormal,
    NasnetReduction,
)

__all__ = [
    "BLOCKS",
    "BasicResidual",
    "BlockBase",
    "BottleneckResidual",
    "Fire",
    "Inception",
    "InvertedResidual",
    "NasnetNormal",
    "NasnetReduction",
    "Separable",
    "ShuffleUnit",
    "ShuffleUnitV2",
    "SqueezeExcite",
    "TwiceSeparable",
]
