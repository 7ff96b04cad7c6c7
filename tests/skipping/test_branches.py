"""Choices as branches in the formats that have them: the same answers, and the layers of a block nowhere but inside."""

from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import leannet
from leannet.network import Network
from leannet.rows import Architecture
from leannet.rows.gating import decisions, gated
from leannet.rows.sides import gates
from leannet.runtime import ENGINES, Program, numpy_weights
from leannet.runtime.branching import branching
from leannet.runtime.formats.onnx import to_onnx
from leannet.runtime.lowering import lower
from tests.skipping.test_gates import decided, exits, network_of

NETWORKS = {
    "recurrent": lambda: gated(leannet.architecture("cifar_resnet20"), "recurrent"),
    "groups": lambda: gated(leannet.architecture("cifar_resnet20"), "feedforward", 2),
    "inverted residuals": lambda: gated(leannet.architecture("cifar_mobilenet_v2"), "recurrent"),
    "exits": lambda: exits(0.3),
}
ENGINE_NAMES = ("onnxruntime", "openvino", "litert")


@cache
def case(name: str) -> tuple[Architecture, Network, torch.Tensor]:
    """Rows whose gates about half of the images pass, their network, and images."""
    network = network_of(NETWORKS[name]())
    rows = network.architecture
    thresholds = {decision: float(np.clip(network.layer(decision).threshold, 0, 1)) for decision, _ in decisions(rows)}
    rows = rows.edit({decision: {"threshold": value} for decision, value in thresholds.items()})
    same = leannet.build(rows).eval()
    same.load_state_dict(network.state_dict())
    return rows, same, torch.randn(8, *rows.input.shape)


def program(rows: Architecture, network: Network) -> Program:
    made = Program(rows, numpy_weights(network.state_dict()), branches=True)
    onnx.checker.check_model(onnx.load_from_string(made.onnx), full_check=True)
    return made


@pytest.mark.parametrize("engine", ENGINE_NAMES)
@pytest.mark.parametrize("name", NETWORKS)
def test_branches_answer_as_the_network(name: str, engine: str) -> None:
    rows, network, x = case(name)
    run = ENGINES[engine].prepare(program(rows, network), 1)
    with torch.inference_mode():
        expected = network(x).numpy()
    made = np.concatenate([run(x[number : number + 1].numpy())[0] for number in range(len(x))])
    assert np.abs(made - expected).max() <= 1e-4 * np.abs(expected).max()
    assert 0 < decided(network, x).mean() < 1


@pytest.mark.parametrize("engine", ENGINE_NAMES)
@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_all_blocks_and_none(threshold: float, engine: str) -> None:
    rows, network, x = case("recurrent")
    rows = rows.edit({decision: {"threshold": threshold} for decision, _ in decisions(rows)})
    same = leannet.build(rows).eval()
    same.load_state_dict(network.state_dict())
    assert set(decided(same, x).flatten()) == {int(threshold == 0)}
    run = ENGINES[engine].prepare(program(rows, same), 1)
    with torch.inference_mode():
        expected = same(x[:1]).numpy()
    np.testing.assert_allclose(run(x[:1].numpy())[0], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_what_can_be_skipped_is_in_bodies_with_its_weights(name: str) -> None:
    rows, network, _ = case(name)
    model: Any = to_onnx(rows, numpy_weights(network.state_dict()), branches=True)
    inside = {layer.path for gate in gates(rows) for side in gate.sides for layer in side}
    assert inside
    outer = {tensor.name for tensor in model.graph.initializer}
    assert not [name for name in outer if name.removesuffix(":weight") in inside]
    branches = [node for node in model.graph.node if node.op_type == "If"]
    held = {tensor.name for node in branches for body in node.attribute for tensor in body.g.initializer}
    nested = {tensor.name for node in branches for body in node.attribute for inner in body.g.node
              for attribute in inner.attribute for tensor in attribute.g.initializer}  # fmt: skip
    filters = {layer.path for layer in rows.layers if f"{layer.path}.conv.weight" in rows.parameters} & inside
    assert {f"{path}:weight" for path in filters} <= held | nested


def test_a_network_without_gates_is_lowered_as_before() -> None:
    rows = leannet.architecture("mobilenet_v3_debug")
    operations = lower(rows)
    assert branching(operations, rows).steps == operations.steps
