"""Blocks: what the papers draw as one box is one row, and what they draw inside the box is rows again.

A new block is one class: its fields, and `expand`, the rows that it stands for. Counting, building, drawing and every
other reader follow from those.
"""

from leannet.rows.blocks.base import BlockBase
from leannet.rows.blocks.fire import Fire
from leannet.rows.blocks.gates import FeedforwardGate, GateScore, GateSummary, HighwayGate, LstmCell
from leannet.rows.blocks.ghost import GhostBottleneck, GhostBottleneckV2, RepGhostBottleneck
from leannet.rows.blocks.inception import Inception
from leannet.rows.blocks.mobile import InvertedResidual, Separable, SqueezeExcite
from leannet.rows.blocks.nasnet import NasnetNormal, NasnetReduction, TwiceSeparable
from leannet.rows.blocks.parallel import ParallelConv, RepVitBlock
from leannet.rows.blocks.residual import BasicResidual, BottleneckResidual
from leannet.rows.blocks.shuffle import ShuffleUnit, ShuffleUnitV2
from leannet.rows.blocks.star import PartialBlock, StarBlock
from leannet.rows.blocks.universal import FusedInvertedResidual, UniversalInvertedBottleneck

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
    UniversalInvertedBottleneck,
    FusedInvertedResidual,
    GhostBottleneck,
    GhostBottleneckV2,
    RepGhostBottleneck,
    ParallelConv,
    RepVitBlock,
    StarBlock,
    PartialBlock,
    FeedforwardGate,
    GateSummary,
    LstmCell,
    GateScore,
    HighwayGate,
)

__all__ = [
    "BLOCKS",
    "BasicResidual",
    "BlockBase",
    "BottleneckResidual",
    "FeedforwardGate",
    "Fire",
    "FusedInvertedResidual",
    "GateScore",
    "GateSummary",
    "GhostBottleneck",
    "GhostBottleneckV2",
    "HighwayGate",
    "Inception",
    "InvertedResidual",
    "LstmCell",
    "NasnetNormal",
    "NasnetReduction",
    "ParallelConv",
    "PartialBlock",
    "RepGhostBottleneck",
    "RepVitBlock",
    "Separable",
    "ShuffleUnit",
    "ShuffleUnitV2",
    "SqueezeExcite",
    "StarBlock",
    "TwiceSeparable",
    "UniversalInvertedBottleneck",
]
