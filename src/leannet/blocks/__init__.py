"""Rows as torch modules."""

from leannet.blocks.activations import ACTIVATIONS, activation_module
from leannet.blocks.layers import ConvLayer, LinearLayer, TransposedConvLayer, fold_batch_norm, layer_module
from leannet.blocks.table import Block, Table

__all__ = [
    "ACTIVATIONS",
    "Block",
    "ConvLayer",
    "LinearLayer",
    "Table",
    "TransposedConvLayer",
    "activation_module",
    "fold_batch_norm",
    "layer_module",
]
