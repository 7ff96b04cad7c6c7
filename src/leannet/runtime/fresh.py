"""Weights of networks of which only time and size count: drawn without torch, the same ones each time.

All have the same million numbers, again and again: of large networks to draw them takes longer than all else.
"""

from functools import cache

import numpy as np

from leannet.rows import Architecture
from leannet.rows.parameters import Parameter, parameters
from leannet.runtime.folding import Array, Weights

NUMBERS = 1_048_583  # that are drawn; a prime, so that no filter of many is the same as another


def fresh_weights(architecture: Architecture) -> Weights:
    """A value for each name of the network's state. Values keep their size from layer to layer (He et al., arXiv
    1502.01852, equation 10), so that no engine meets numbers that it is slow with."""
    place, weights = 0, dict[str, Array]()
    for node in architecture.layers:
        for parameter in parameters(node) if node.shares is None else ():
            weights[f"{node.path}.{parameter.name}"] = _fresh(parameter, place)
            place = (place + parameter.size) % NUMBERS
    return weights


def _fresh(parameter: Parameter, place: int) -> Array:
    """place: of the first of its numbers."""
    if parameter.kind == "weight":
        fan_in = parameter.size // parameter.shape[parameter.axes.index("out")]
        numbers = _twice_drawn()[place:]
        enough = numbers[: parameter.size] if len(numbers) >= parameter.size else None
        drawn = np.resize(numbers[:NUMBERS], parameter.size) if enough is None else enough
        return (drawn * np.float32((2 / fan_in) ** 0.5)).reshape(parameter.shape)
    if parameter.name.endswith("num_batches_tracked"):
        return np.zeros(parameter.shape, np.int64)
    is_one = parameter.name.endswith(("norm.weight", "running_var"))
    return np.full(parameter.shape, is_one, np.float32)


@cache
def _twice_drawn() -> Array:
    """Numbers of a normal distribution, and the same again: the next are those from the beginning."""
    drawn = np.random.default_rng(0).standard_normal(NUMBERS, dtype=np.float32)
    return np.concatenate([drawn, drawn])
