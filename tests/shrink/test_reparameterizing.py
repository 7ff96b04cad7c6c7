"""Branches folded: the counts that others publish, the same answers, and what ships them."""

from pathlib import Path

import numpy as np
import pytest
import torch

import leannet
from leannet.checkpoint import load, load_shipped, save
from leannet.cost import count
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.network import Network, build, reparameterized, zero_init_residual
from leannet.preprocessing import Preprocessing
from leannet.rows import Activate, Add, Architecture, Conv, Depthwise, Input, Linear, Norm, Normalize
from leannet.rows.branches import deploy
from leannet.zoo import architecture
from tests.conftest import lively

# Of timm's deployed models: parameters and mult-adds.
PUBLISHED = {
    "mobileone_s0": (2_078_504, 275_110_400),
    "repghostnet": (4_058_772, 142_394_128),
    "repvit_m0_9": (5_067_056, 815_617_344),
}


def difference(network: Network, other: Network) -> float:
    """Of the outputs, over the largest of them, in float64."""
    x = torch.randn(3, *network.architecture.input.shape, dtype=torch.float64)
    with torch.no_grad():
        one, two = network.double()(x), other.double()(x)
    return float((one - two).abs().max() / one.abs().max())


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_those_of_the_deployed_models(name: str) -> None:
    cost = count(deploy(architecture(name, resolution=224)).architecture)
    assert (cost.params, cost.macs) == PUBLISHED[name]


@pytest.mark.parametrize("name", ["mobileone_debug", "repghostnet_debug", "repvit_debug", "mobileone_s0", "repvit_m1"])
def test_answers_stay(name: str) -> None:
    network = lively(build(architecture(name, resolution=64)))
    assert difference(network, reparameterized(network)) < 1e-5


def test_it_folds_branches_wherever_they_stand() -> None:
    """Rows of no block: dense, grouped and depthwise, with a stride, a mean, and what must stay beside them."""
    norm = Norm()
    wide = {"out_channels": 8, "norm": norm}
    rows = (
        Conv(name="stem_3", kernel=3, stride=2, **wide),
        Conv(name="stem_1", inputs=("input",), stride=2, **wide),
        Add(name="stem", inputs=("stem_3", "stem_1"), activation="relu"),
        Conv(name="grouped_5", kernel=5, groups=4, bias=True, out_channels=8),
        Conv(name="grouped_1", inputs=("stem",), groups=4, **wide),
        Normalize(name="same", inputs=("stem",)),
        Add(name="grouped", inputs=("grouped_5", "same", "grouped_1", "stem")),
        Normalize(name="after"),
        Activate(name="gelu", activation="gelu"),
        Depthwise(name="each_3", norm=norm),
        Depthwise(name="each_1", inputs=("gelu",), kernel=1, bias=True),
        Add(name="each", inputs=("gelu", "each_3", "each_1"), average=True),
        Conv(name="kept", inputs=("each",), **wide),  # a residual: what it reads is not what the sum reads
        Conv(name="kept_2", out_channels=8, norm=norm),
        Add(name="residual", inputs=("kept_2", "each")),
        Normalize(name="last"),
        Linear(name="classes", out_channels=3),
    )
    table = Architecture(name="x", input=Input(height=9, width=8), rows=rows)
    network = lively(build(table))
    folded = reparameterized(network)
    names = [row.name for row in folded.architecture.rows]
    assert names == ["stem", "after", "gelu", "each", "kept", "kept_2", "residual", "classes"]
    assert difference(network, folded) < 1e-6
    assert reparameterized(folded) is folded


def test_what_cannot_be_folded_stays() -> None:
    """An activation in a branch, another stride, another window, shared weights, and an output."""
    conv = {"out_channels": 3, "kernel": 3}
    for branch in (
        Conv(name="b", inputs=("input",), activation="relu", **conv),
        Conv(name="b", inputs=("input",), padding="same", **conv),
        Conv(name="b", inputs=("input",), shares="a", **conv),
    ):
        rows = (Conv(name="a", **conv), branch, Add(name="sum", inputs=("a", "b")), Linear(name="c", out_channels=2))
        table = Architecture(name="x", input=Input(height=6, width=6), rows=rows)
        assert deploy(table).architecture is table, branch
    padded = {"out_channels": 3, "kernel": 1, "padding": 1}  # whose border is the bias alone
    strided = {"out_channels": 3, "padding": "same"}  # the middle of a window of 3 is not where one of 1 stands
    for one, other in ((padded, padded), ({**strided, "kernel": 3, "stride": 2}, {**strided, "stride": 2})):
        rows = (Conv(name="a", **one), Conv(name="b", inputs=("input",), **other), Add(name="sum", inputs=("a", "b")))
        table = Architecture(name="x", input=Input(height=6, width=6), rows=rows)
        assert not deploy(table).maps, one
    outputs = (Conv(name="a", **conv), Conv(name="b", inputs=("input",), **conv), Add(name="sum", inputs=("a", "b")))
    table = Architecture(name="x", input=Input(height=6, width=6), rows=outputs, outputs=("sum", "a"))
    assert not deploy(table).maps


def test_a_row_that_is_read_twice_and_two_normalizations() -> None:
    rows = (
        Conv(name="a", out_channels=4, kernel=3, norm=Norm()),
        Add(name="twice", inputs=("a", "a")),
        Conv(name="b", out_channels=4),
        Conv(name="c", inputs=("twice",), out_channels=4, kernel=3),
        Add(name="sum", inputs=("b", "c")),
        Normalize(name="one"),
        Normalize(name="two"),
        Linear(name="classes", out_channels=3),
    )
    network = lively(build(Architecture(name="x", input=Input(height=6, width=6), rows=rows)))
    assert difference(network, reparameterized(network)) < 1e-6


@pytest.mark.parametrize("name", ["starnet_debug", "repvit_debug", "mobileone_debug", "mobilenet_v2_debug"])
def test_residual_branches_begin_at_nothing_and_no_other(name: str) -> None:
    """What is scaled by 0 ends a branch that something passes by: a fresh network learns everywhere."""
    torch.manual_seed(0)
    network = build(architecture(name))
    zero_init_residual(network)
    zeroed = [key for key, value in network.named_parameters() if key.endswith("norm.weight") and not value.any()]
    assert all(key.endswith("project.norm.weight") for key in zeroed)
    for _ in range(3):  # behind a scale of 0 gradients begin a step later
        optimizer = torch.optim.SGD(network.parameters(), 0.1)
        network.zero_grad()
        network.train()(torch.randn(4, *network.architecture.input.shape)).square().sum().backward()
        optimizer.step()
    unmoved = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert unmoved == []


def test_what_ships_has_no_branches(tmp_path: Path) -> None:
    """Export, and what loads to ship; a checkpoint says which form it holds."""
    network = lively(build(architecture("mobileone_debug", classes=3)))
    preprocessing = Preprocessing(height=32, width=32)
    header = Header(architecture=network.architecture, classes=("a", "b", "c"), preprocessing=preprocessing)
    save(tmp_path / "trained.safetensors", network, header)
    shipped, _ = load_shipped(tmp_path / "trained.safetensors")
    assert "conv_1" not in " ".join(layer.path for layer in shipped.architecture.layers)
    result = leannet.reparameterize(tmp_path / "trained.safetensors", tmp_path / "folded.safetensors")
    assert result.difference < 1e-4
    again, folded = load(tmp_path / "folded.safetensors")
    assert folded.provenance.history[-1].done == "reparameterized"
    for key, value in shipped.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[key].numpy(), value.numpy())
    with pytest.raises(LeannetError, match="expected rows with parallel branches, found none to fold"):
        leannet.reparameterize(tmp_path / "folded.safetensors")
    before = (tmp_path / "trained.safetensors").read_bytes()
    with pytest.raises(LeannetError, match="is an input of this command"):
        leannet.reparameterize(tmp_path / "trained.safetensors", tmp_path / "trained.safetensors")
    assert (tmp_path / "trained.safetensors").read_bytes() == before
