"""Rows as torch modules."""

from leannet.blocks.layers import ACTIVATIONS, ConvLayer, LinearLayer, activation_module, layer_module
from leannet.blocks.table import Table

__all__ = ["ACTIVATIONS", "ConvLayer", "LinearLayer", "Table", "activation_module", "layer_module"]
