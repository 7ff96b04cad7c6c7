"""Choices as branches in the formats that have them: the same answers, and the layers of a block nowhere but inside."""

from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import leannet
from leannet.blocks.table import masked
from leannet.errors import LeannetError
from leannet.network import Network
from leannet.quantization.calibration import Calibration
from leannet.rows import Architecture
from leannet.rows.gating import decisions, gated
from leannet.rows.sides import gates
from leannet.runtime import ENGINES, Program, numpy_weights
from leannet.runtime.branching import Branches, branching
from leannet.runtime.formats.onnx import to_onnx
from leannet.runtime.lowering import lower
from leannet.runtime.programs import INTEGER_ENGINES, quantized_program
from tests.skipping.test_gates import decided, exits, network_of

NETWORKS = {
    "recurrent": lambda: gated(leannet.architecture("cifar_resnet20"), "recurrent"),
    "groups": lambda: gated(leannet.architecture("cifar_resnet20"), "feedforward", 2),
    "inverted residuals": lambda: gated(leannet.architecture("cifar_mobilenet_v2"), "recurrent"),
    "exits": lambda: exits(0.3),
}
BRANCHES: tuple[Branches, ...] = ("one", "any")
ENGINE_NAMES = ("onnxruntime", "openvino", "litert", "ncnn")  # ncnn by the host's steps


@cache
def case(name: str) -> tuple[Architecture, Network, torch.Tensor]:
    """Rows whose gates about half of the images pass, their network, and images."""
    network = network_of(NETWORKS[name]())
    rows = network.architecture
    thresholds = {decision: float(np.clip(network.layer(decision).threshold, 0, 1)) for decision, _ in decisions(rows)}
    rows = rows.edit({decision: {"threshold": value} for decision, value in thresholds.items()})
    same = leannet.build(rows).eval()
    same.load_state_dict(network.state_dict())
    return rows, same, clear(same, torch.randn(64, *rows.input.shape))[:8]


def clear(network: Network, x: torch.Tensor) -> torch.Tensor:
    """The same images, first those whose scores are furthest from the thresholds, so that rounding turns none."""
    margins = []
    with torch.inference_mode(), masked(network):
        for decision, score in decisions(network.architecture):
            scores = network.run(x, until=score)[0].flatten()
            margins.append((scores - network.layer(decision).threshold).abs() / scores.std())
    return x[torch.stack(margins).amin(0).argsort(descending=True)]


def program(rows: Architecture, network: Network) -> Program:
    made = Program(rows, numpy_weights(network.state_dict()), branches="one")
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


@pytest.mark.parametrize("name", NETWORKS)
def test_another_decision_is_another_answer(name: str) -> None:
    """So answers that are the same, in whatever engine, come of the same decisions."""
    rows, network, x = case(name)
    chosen = decided(network, x)
    with torch.inference_mode():
        expected = network(x)
    turned = 0
    for number, (decision, _) in enumerate(decisions(rows)):
        for threshold in (0.0, 1.0):
            other = leannet.build(rows.edit({decision: {"threshold": threshold}})).eval()
            other.load_state_dict(network.state_dict())
            is_other = decided(other, x)[:, number] != chosen[:, number]
            if name == "exits" and number > 0:
                is_other &= chosen[:, 0] == 0  # who has left is asked nothing more
            with torch.inference_mode():
                gap = (other(x) - expected).abs().amax(dim=1).numpy()
            assert (gap[is_other] > 1e-3 * expected.abs().max().item()).all(), decision
            turned += is_other.sum()
    assert turned >= len(x)


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
def test_any_number_of_images_is_gathered_and_scattered(name: str) -> None:
    rows, network, x = case(name)
    x = torch.cat([x, x[:8], x[:1]])
    made = Program(rows, numpy_weights(network.state_dict()), branches="any")
    onnx.checker.check_model(onnx.load_from_string(made.onnx), full_check=True)
    run = ENGINES["onnxruntime"].prepare(made, 1)
    with torch.inference_mode():
        expected = network(x).numpy()
    for number in range(1, 18):
        of_some = expected[:number]
        np.testing.assert_allclose(run(x[:number].numpy())[0], of_some, atol=1e-4 * np.abs(expected).max())


def test_openvino_refuses_what_it_would_answer_wrongly() -> None:
    rows, network, _ = case("recurrent")
    with pytest.raises(LeannetError, match="branches that gather"):
        ENGINES["openvino"].prepare(Program(rows, numpy_weights(network.state_dict()), branches="any"), 1)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_block_that_no_image_runs_or_all_do(threshold: float) -> None:
    rows, network, x = case("recurrent")
    rows = rows.edit({decision: {"threshold": threshold} for decision, _ in decisions(rows)})
    same = leannet.build(rows).eval()
    same.load_state_dict(network.state_dict())
    run = ENGINES["onnxruntime"].prepare(Program(rows, numpy_weights(same.state_dict()), branches="any"), 1)
    with torch.inference_mode():
        expected = same(x).numpy()
    np.testing.assert_allclose(run(x.numpy())[0], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_gathered_too(name: str) -> None:
    rows, network, x = case(name)
    weights = numpy_weights(network.state_dict())
    ranges = Calibration(rows, weights, [x.numpy()]).ranges()
    one, any_ = (quantized_program(rows, weights, ranges, "onnxruntime", branches=each) for each in BRANCHES)
    expected, made = (ENGINES["onnxruntime"].prepare(each, 1)(x.numpy())[0] for each in (one, any_))
    np.testing.assert_allclose(made, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_what_can_be_skipped_is_in_bodies_with_its_weights(name: str) -> None:
    rows, network, _ = case(name)
    model: Any = to_onnx(rows, numpy_weights(network.state_dict()), branches="one")
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


@pytest.mark.parametrize("engine", INTEGER_ENGINES)
@pytest.mark.parametrize("name", NETWORKS)
def test_integers_inside_branches(name: str, engine: str) -> None:
    """As masked integers: the same but for the rounding of the last sums; and bytes cross the borders."""
    rows, network, x = case(name)
    weights = numpy_weights(network.state_dict())
    calibrated = Calibration(rows, weights, [x.numpy()])
    masked_, branched = (
        quantized_program(rows, weights, calibrated.ranges(), engine, branches=each) for each in (None, "one")
    )
    expected = ENGINES[engine].prepare(masked_, 1)(x.numpy())[0]
    made = ENGINES[engine].prepare(branched, 1)(x.numpy())[0]
    away = np.abs(made - expected).max(axis=1) / np.abs(expected).max()
    if engine == "openvino":  # fuses less inside a body than outside, rounds in other places, and so turns decisions
        assert np.sort(away)[-3] <= 0.05
    else:
        assert away.max() <= 1e-5
    if engine != "litert":
        model = onnx.load_from_string(branched.onnx)
        onnx.checker.check_model(model, full_check=True)
        maps = [body.g.output[0].type.tensor_type for node in model.graph.node if node.op_type == "If"
                for body in node.attribute if len(body.g.output[0].type.tensor_type.shape.dim) == 4]  # fmt: skip
        assert {each.elem_type for each in maps} <= {onnx.TensorProto.UINT8}


def test_a_network_without_gates_is_lowered_as_before() -> None:
    rows = leannet.architecture("mobilenet_v3_debug")
    operations = lower(rows)
    assert branching(operations).steps == operations.steps
