"""The weights of folded branches, from those that were trained, worked out in float64. No torch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.rows.branches import Deployed, Map
from leannet.rows.graph import Node
from leannet.rows.layers import Conv, Depthwise, Linear, Normalize
from leannet.rows.table import Architecture

State = Mapping[str, NDArray[Any]]
Weights = tuple[NDArray[np.float64], NDArray[np.float64]]  # (O, I / groups, K, K) or (O, I), and biases (O,)


def deployed_state(deployed: Deployed, trained: Architecture, state: State) -> dict[str, NDArray[Any]]:
    """The state of a deployed network, from that of the trained one."""
    layers = {node.path: node for node in trained.layers}
    result: dict[str, NDArray[Any]] = {}
    for node in deployed.architecture.layers:
        if node.path in deployed.maps:
            kind = "linear" if isinstance(node.row, Linear) else "conv"
            weight, bias = _weights(deployed.maps[node.path], node, layers, state)
            result |= {f"{node.path}.{kind}.weight": weight, f"{node.path}.{kind}.bias": bias}
        elif node.shares is None:
            old = deployed.moved[node.path]
            keys = [key for key in state if key.startswith(f"{old}.")]
            result |= {f"{node.path}{key.removeprefix(old)}": state[key] for key in keys}
    return {key: value.astype(np.float32) if value.dtype == np.float64 else value for key, value in result.items()}


def _weights(map_: Map, node: Node, layers: Mapping[str, Node], state: State) -> Weights:
    """As a layer's own. node: of the new layer."""
    if map_.branches:
        parts = [_weights(each, node, layers, state) for each in map_.branches]
        share = len(parts) if map_.average else 1
        weight, bias = (np.sum([part[number] for part in parts], axis=0) / share for number in (0, 1))
    elif map_.layer is None or isinstance(layers[map_.layer].row, Normalize):
        ones, zeros = np.ones(node.out_shape.channels), np.zeros(node.out_shape.channels)
        scale, shift = (ones, zeros) if map_.layer is None else _normalization(layers[map_.layer], state)
        weight, bias = _diagonal(scale, node), shift
    else:
        weight, bias = _own(layers[map_.layer], state)
        if isinstance(node.row, Conv | Depthwise):
            side = (node.row.kernel - weight.shape[-1]) // 2
            weight = np.pad(weight, ((0, 0), (0, 0), (side, side), (side, side)))
    if map_.first is not None:
        pixels = weight.shape[1] // layers[map_.first].out_shape.channels
        scale, shift = (np.repeat(each, pixels) for each in _normalization(layers[map_.first], state))
        weight, bias = weight * scale, bias + weight @ shift
    if map_.last is not None:
        scale, shift = _normalization(layers[map_.last], state)
        weight, bias = weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), bias * scale + shift
    return weight, bias


def _own(node: Node, state: State) -> Weights:
    """A layer's filters and biases, its normalization folded in."""
    name = f"{node.path}.{'linear' if isinstance(node.row, Linear) else 'conv'}"
    weight = state[f"{name}.weight"].astype(np.float64)
    bias = state[f"{name}.bias"].astype(np.float64) if f"{name}.bias" in state else np.zeros(len(weight))
    if getattr(node.row, "norm", None) is not None:
        scale, shift = _normalization(node, state)
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
    return weight, bias


def _normalization(node: Node, state: State) -> Weights:
    """As x * scale + shift."""
    weight, bias, mean, variance = (
        state[f"{node.path}.norm.{name}"].astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = weight / np.sqrt(variance + node.row.norm.eps)  # type: ignore[attr-defined]  # a layer that has one
    return scale, bias - mean * scale


def _diagonal(scale: NDArray[np.float64], node: Node) -> NDArray[np.float64]:
    """The filters that multiply each channel by its scale."""
    channels, row = len(scale), node.row
    if isinstance(row, Linear):
        return np.diag(scale)
    assert isinstance(row, Conv | Depthwise)
    within = 1 if isinstance(row, Depthwise) else channels // row.groups
    weight = np.zeros((channels, within, row.kernel, row.kernel))
    weight[np.arange(channels), np.arange(channels) % within, row.kernel // 2, row.kernel // 2] = scale
    return weight
