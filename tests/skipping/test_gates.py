"""Gates: what they cost, what they decide, and that what is skipped is skipped, to the last bit the same."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import leannet
from leannet.blocks.table import masked, recording
from leannet.cost import count
from leannet.cost.skipping import skipping
from leannet.errors import LeannetError
from leannet.evaluation.skipped import image_costs
from leannet.network import Network, build
from leannet.rows import (
    Architecture,
    BasicResidual,
    Choose,
    Conv,
    Decide,
    GlobalPool,
    Input,
    Largest,
    Linear,
    LstmCell,
    RowBase,
    Slice,
    Softmax,
)
from leannet.rows.gating import decisions, gated, without_gates
from leannet.rows.sides import gates
from tests.conftest import lively

KINDS = ("recurrent", "feedforward", "feedforward-light", "highway")
BASES = ("cifar_resnet20", "cifar_mobilenet_v2", "cifar_mobilenet_v3_small")


def network_of(rows: Architecture) -> Network:
    """With weights that all do something, and gates that about half of the images pass."""
    torch.manual_seed(0)
    network = lively(build(rows)).eval()
    x = torch.randn(16, *rows.input.shape)
    with torch.inference_mode(), masked(network):
        for decision, score in decisions(rows):
            network.layer(decision).threshold = network.run(x, until=score)[0].median().item()
    return network


def decided(network: Network, x: torch.Tensor) -> np.ndarray[Any, Any]:
    """(N, decisions) of 0 and 1, by masked execution."""
    with masked(network):
        made = [network.run(x, until=name)[0].flatten() for name, _ in decisions(network.architecture)]
    return torch.stack(made, dim=1).numpy().astype(int)


# What gates cost


@pytest.mark.parametrize(
    ("kind", "share"), [("feedforward", 0.15625), ("feedforward-light", 0.125), ("recurrent", 0.0002)]
)
def test_the_share_of_a_basic_block_that_a_gate_costs(kind: Any, share: float) -> None:
    """Errata: the paper says 19, 12.5 and 0.04 % (section 3.2); its code computes 15.6, 12.5 and 0.02 to 0.03 %."""
    rows = {group.name: group.macs for group in count(gated(leannet.architecture("cifar_resnet38"), kind)).by_row()}
    for block in ("layer1_3", "layer2_3", "layer3_3"):
        gate = sum(rows.get(f"{block}_{word}", 0) for word in ("summary", "state", "score"))
        channels = {"1": 16, "2": 32, "3": 64}[block[5]]
        if kind != "recurrent":
            assert (gate - 2 * channels) / rows[block] == share  # but for the two classes
        else:
            assert gate == 10 * channels + 2 * 10 * 40 + 10
            assert share <= round(gate / rows[block], 4) <= 0.0003


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize("name", [*BASES, "mobilenet_v2", "resnet50"])
def test_without_its_gates_it_is_what_it_was(name: str, group: int, kind: Any) -> None:
    rows = leannet.architecture(name)
    with_gates = gated(rows, kind, group)
    assert without_gates(with_gates) == rows
    assert Architecture.from_json(with_gates.to_json()) == with_gates
    cost = skipping(with_gates)
    if kind == "highway":
        assert cost is None
        return
    assert cost is not None
    plain = count(rows).macs
    assert cost.total - cost.deciding == plain
    assert cost.of(dict.fromkeys(cost.decisions, True)) == cost.total == count(with_gates).macs
    assert cost.of(dict.fromkeys(cost.decisions, False)) == cost.always == cost.least
    blocks = {group.name: group.macs for group in count(rows).by_row()}
    if group == 1:
        for gate in cost.gates:
            block = gate.path.removesuffix(".chosen")
            shortcut = sum(layer.macs for layer in count(rows).layers if layer.path == f"{block}.shortcut")
            assert gate.macs == (blocks[block] - shortcut, 0)


def test_only_residual_blocks_behind_the_first_are_gated() -> None:
    rows = gated(leannet.architecture("mobilenet_v2"))
    gated_ones = [row.name for row in rows.rows if len(row.inputs) == 2 and row.name.startswith("block")]
    widths = {row.name: row for row in leannet.architecture("mobilenet_v2").rows}
    residual = [name for name, row in widths.items() if getattr(row, "residual", False)]
    assert [name for name in gated_ones if name in widths] == residual
    assert len(residual) == 10  # the network's first block, which has no shortcut, always runs
    resnet = gated(leannet.architecture("cifar_resnet38"))
    assert len(decisions(resnet)) == 17
    assert "layer1_0_gate" not in resnet.shapes
    with pytest.raises(LeannetError, match="found none; networks with many"):
        gated(leannet.architecture("vgg16"))
    with pytest.raises(LeannetError, match="has gates already"):
        gated(resnet)
    with pytest.raises(LeannetError, match="nearest: recurrent"):
        gated(leannet.architecture("cifar_resnet38"), "recurent")  # type: ignore[arg-type]  # misspelt
    with pytest.raises(LeannetError, match="has no gates"):
        without_gates(leannet.architecture("cifar_resnet38"))


# What they compute


def test_the_cell_is_torchs() -> None:
    rows = Architecture(
        name="cell",
        input=Input(channels=12, height=1, width=1),
        rows=(
            Slice(name="x", out_channels=4),
            Slice(name="before", inputs=("input",), start=4, out_channels=8),
            LstmCell(name="cell", inputs=("x", "before"), size=4),
        ),
    )
    network, torchs = build(rows).double().eval(), nn.LSTMCell(4, 4).double()
    for ours, theirs in (("from_input", "ih"), ("from_hidden", "hh")):
        for kind in ("weight", "bias"):
            value = getattr(torchs, f"{kind}_{theirs}").data
            getattr(network.layer(f"cell.{ours}").linear, kind).data.copy_(value)
    x = torch.randn(5, 12, dtype=torch.float64)
    hidden, cell = torchs(x[:, :4], (x[:, 4:8], x[:, 8:]))
    torch.testing.assert_close(network(x[:, :, None, None]), torch.cat([hidden, cell], dim=1))


# What is skipped


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("name", BASES)
def test_skipping_computes_what_masking_does(name: str, group: int, kind: Any) -> None:
    network = network_of(gated(leannet.architecture(name, 0.25 if "mobilenet" in name else 1.0), kind, group))
    seen = set()
    with torch.inference_mode():
        for number in range(1, 18):
            x = torch.randn(number, 3, 32, 32).contiguous(memory_format=torch.channels_last)
            answers = network(x)
            with masked(network):
                expected = network(x)
            assert (answers - expected).abs().max() <= 1e-4 * expected.abs().max()
            seen |= set(decided(network, x).mean(axis=0)) if kind != "highway" else {0, 0.5, 1}
    assert any(0 < share < 1 for share in seen)


@pytest.mark.parametrize("decision", [0, 1])
def test_what_all_or_none_skip_is_run_once_or_never(decision: int) -> None:
    network = network_of(gated(leannet.architecture("cifar_resnet20"), "recurrent"))
    for name, module in network.named_modules():
        if name.endswith("_gate"):
            module.register_forward_hook(lambda _m, _i, made: torch.full_like(made, decision))
    calls: list[tuple[str, int]] = []
    for name, module in network.named_modules():
        if name.endswith((".conv_1", ".shortcut")):
            module.register_forward_hook(lambda _m, given, _o, name=name: calls.append((name, len(given[0]))))
    with torch.inference_mode():
        network(torch.randn(4, 3, 32, 32))
    ran = {name for name, _ in calls}
    assert all(number == 4 for _, number in calls)
    assert {"layer1_0.conv_1", "layer2_0.shortcut", "layer3_0.shortcut"} <= ran
    assert ("layer2_1.conv_1" in ran) == bool(decision)
    assert len([name for name in ran if name.endswith("conv_1")]) == (9 if decision else 1)


def test_each_block_runs_for_its_images_alone() -> None:
    network = network_of(gated(leannet.architecture("cifar_resnet20"), "recurrent"))
    sizes: dict[str, int] = {}
    for name, module in network.named_modules():
        if name.endswith(".conv_1"):
            module.register_forward_hook(lambda _m, given, _o, name=name: sizes.update({name: len(given[0])}))
    x = torch.randn(17, 3, 32, 32)
    with torch.inference_mode():
        chosen = decided(network, x).sum(axis=0)
        sizes.clear()
        network(x)
    for (name, _), number in zip(decisions(network.architecture), chosen, strict=True):
        assert sizes.get(name.replace("_gate", ".conv_1"), 0) == number
    assert set(chosen) - {0, 17}


def test_what_was_decided_is_recorded_and_counted() -> None:
    """For nested choices too: an image that left was not asked behind its exit. The cost is that of the layers run."""
    for rows in (gated(leannet.architecture("cifar_resnet20"), "recurrent"), exits(0.3)):
        network = network_of(rows)
        x = torch.randn(13, 3, 32, 32)
        cost = skipping(rows)
        assert cost is not None
        with torch.inference_mode(), recording(network) as decided_here:
            network(x)
            recorded = {name: value.numpy().copy() for name, value in decided_here.items()}
        expected = dict(zip([name for name, _ in decisions(rows)], decided(network, x).T, strict=True))
        for name in cost.decisions:
            asked = recorded[name] >= 0
            assert (recorded[name][asked] == expected[name][asked]).all()
            assert asked.all() or name == "goes_on"
        if "leaves" in recorded:
            assert ((recorded["goes_on"] < 0) == (recorded["leaves"] == 1)).all()
        costs = image_costs(cost, recorded)
        by_path = {layer.path: layer.macs for layer in count(rows).layers}
        for number, macs in enumerate(costs.macs):
            ran: set[str] = set()
            owners = [layer for layer in network.architecture.layers if layer.shares is None]
            for layer in owners:
                module = network.layer(layer.path)
                module.__dict__["_handle"] = module.register_forward_hook(
                    lambda _m, _i, _o, path=layer.path, ran=ran: ran.add(path)
                )
            with torch.inference_mode():
                network(x[number : number + 1])
            for layer in owners:
                network.layer(layer.path).__dict__.pop("_handle").remove()
            shared = {layer.path for layer in rows.layers if layer.shares}
            assert macs == sum(by_path[path] for path in {*ran, *shared})
        assert costs.to_dict()["share"] == pytest.approx(costs.mean / count(rows).macs)
        assert len(set(costs.macs)) > 1


# Early exits are choices too


def exits(threshold: float) -> Architecture:
    """A network with an exit before its last blocks, one of which has a gate of its own."""
    rows: tuple[RowBase, ...] = (
        Conv(name="stem", out_channels=8, kernel=3, activation="relu"),
        BasicResidual(name="first", out_channels=8),
        GlobalPool(name="exit_pool"),
        Linear(name="exit_logits", out_channels=5),
        Softmax(name="exit_probabilities"),
        Largest(name="confidence"),
        Decide(name="leaves", threshold=threshold),
        BasicResidual(name="second", inputs=("first",), out_channels=16, stride=2, project=True),
        Conv(
            name="raw", inputs=("second",), out_channels=1, kernel=16, padding="valid", bias=True, activation="sigmoid"
        ),
        Decide(name="goes_on"),
        BasicResidual(name="third", inputs=("second", "goes_on"), out_channels=16),
        GlobalPool(name="pool"),
        Linear(name="last_logits", out_channels=5),
        Choose(name="Logits", inputs=("exit_logits", "last_logits", "leaves")),
    )
    return Architecture(name="exits", input=Input(height=32, width=32), rows=rows)


def test_an_image_that_leaves_runs_nothing_behind_its_exit() -> None:
    rows = exits(0.3)
    exit_, inner = sorted(gates(rows), key=lambda gate: -len(gate.sides[1]))
    assert (exit_.path, exit_.decision) == ("Logits", "leaves")
    assert exit_.sides[0] == ()
    assert {"second.conv_1", "raw", "third.add", "last_logits"} <= {layer.path for layer in exit_.sides[1]}
    assert (inner.path, inner.decision) == ("third.chosen", "goes_on")
    cost = skipping(rows)
    assert cost is not None
    early = cost.of({"leaves": True, "goes_on": True})
    assert early == cost.of({"leaves": True, "goes_on": False}) == cost.always == cost.least
    by_row = {group.name: group.macs for group in count(rows).by_row()}
    assert early == sum(by_row[name] for name in ("stem", "first", "exit_logits"))
    assert cost.of({"leaves": False, "goes_on": True}) == count(rows).macs
    assert cost.of({"leaves": False, "goes_on": False}) == count(rows).macs - by_row["third"]

    network = network_of(rows)
    x = torch.randn(16, 3, 32, 32)
    sizes: dict[str, int] = {}
    for name in ("first", "second", "third.conv_1"):
        network.layer(name).register_forward_hook(lambda _m, given, _o, name=name: sizes.update({name: len(given[0])}))
    with torch.inference_mode():
        answers = network(x)
        ran = dict(sizes)
        with masked(network):
            torch.testing.assert_close(answers, network(x))
        leaves, goes_on = decided(network, x).T
    assert 0 < leaves.sum() < 16
    assert ran["first"] == 16
    assert ran["second"] == 16 - leaves.sum()
    assert ran.get("third.conv_1", 0) == ((1 - leaves) * goes_on).sum()
