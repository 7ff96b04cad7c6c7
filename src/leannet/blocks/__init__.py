"""Rows as torch modules."""

from leannet.blocks.layers import ACTIVATIONS, ConvLayer, LinearLayer, activation_module, layer_module
from leannet.blocks.table import Block, Table

__all__ = ["ACTIVATIONS", "Block", "ConvLayer", "LinearLayer", "Table", "activation_module", "layer_module"]
