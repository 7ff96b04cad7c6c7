"""Weights of networks of which only time counts: those of the network's state, of a size that values keep."""

import numpy as np
import pytest
import torch

from leannet.network import build
from leannet.runtime import Program
from leannet.runtime.fresh import fresh_weights
from leannet.zoo import FAMILIES, architecture

DEBUG = sorted(name for name in FAMILIES if name.endswith("_debug"))


@pytest.mark.parametrize("name", DEBUG)
def test_they_are_a_state_of_the_network(name: str) -> None:
    rows = architecture(name)
    state, weights = build(rows).state_dict(), fresh_weights(rows)
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        key: value.shape for key, value in weights.items()
    }
    assert all(np.array_equal(value, fresh_weights(rows)[key]) for key, value in weights.items())


def test_values_keep_their_size() -> None:
    program = Program(architecture("mobilenet_v1", 0.25, 96))
    sizes: list[float] = []
    for module in program.network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _m, _i, made: sizes.append(float(made.square().mean())))
    with torch.inference_mode():
        program.network(torch.randn(1, 3, 96, 96))
    assert len(sizes) > 20
    assert 0.02 < min(sizes) < max(sizes) < 50
