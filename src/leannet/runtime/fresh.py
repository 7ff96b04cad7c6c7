"""Weights of networks of which only time and size count: drawn without torch, the same ones each time."""

import numpy as np

from leannet.rows import Architecture
from leannet.rows.parameters import Parameter, parameters
from leannet.runtime.folding import Array, Weights


def fresh_weights(architecture: Architecture) -> Weights:
    """A value for each name of the network's state. Values keep their size from layer to layer (He et al., arXiv
    1502.01852, equation 10), so that no engine meets numbers that it is slow with."""
    generator = np.random.default_rng(0)
    return {
        f"{node.path}.{parameter.name}": _fresh(parameter, generator)
        for node in architecture.layers
        if node.shares is None
        for parameter in parameters(node)
    }


def _fresh(parameter: Parameter, generator: np.random.Generator) -> Array:
    if parameter.kind == "weight":
        fan_in = parameter.size // parameter.shape[parameter.axes.index("out")]
        drawn = generator.standard_normal(parameter.shape, dtype=np.float32)
        return drawn * np.float32((2 / fan_in) ** 0.5)
    if parameter.name.endswith("num_batches_tracked"):
        return np.zeros(parameter.shape, np.int64)
    is_one = parameter.name.endswith(("norm.weight", "running_var"))
    return np.full(parameter.shape, is_one, np.float32)
