"""Auxiliary heads: they train with the network, take its classes, and are no part of what is shipped."""

from pathlib import Path

import pytest
import torch

from leannet.artifact import export, open_artifact
from leannet.checkpoint import load
from leannet.errors import LeannetError
from leannet.looks.hooks import find
from leannet.network import build
from leannet.rows import Architecture, Conv, GlobalPool, Input, Linear, Norm, Output
from leannet.training import Settings, train
from leannet.training.pace import Steps
from leannet.zoo import architecture


def _table() -> Architecture:
    return Architecture(
        name="helped",
        input=Input(height=16, width=16),
        rows=(
            Conv(name="one", out_channels=8, kernel=3, norm=Norm(), activation="relu"),
            GlobalPool(name="aux_pool"),
            Linear(name="aux", out_channels=5),
            Conv(name="two", out_channels=8, kernel=3, inputs=("one",), norm=Norm(), activation="relu"),
            GlobalPool(name="pool"),
            Linear(name="fc", out_channels=5),
        ),
        outputs=(Output(row="fc"), Output(row="aux", role="auxiliary")),
    )


def test_they_are_outputs_in_training_alone() -> None:
    network = build(_table())
    x = torch.randn(2, 3, 16, 16)
    assert list(network.train()(x)) == ["fc", "aux"]
    assert network.eval()(x).shape == (2, 5)
    assert Architecture.from_json(_table().to_json()) == _table()
    assert '"outputs": ["fc", {"row": "aux", "role": "auxiliary"}]' in _table().to_json()
    with pytest.raises(ValueError, match="'aux' is auxiliary: expected the network's own one first"):
        Architecture(**{**dict(_table()), "outputs": _table().outputs[::-1]})


def test_they_take_the_number_of_classes() -> None:
    table = _table().with_classes(3)
    assert [table.shapes[name].channels for name in table.output_names] == [3, 3]
    network = build(_table())
    network.reset_classifier(7)
    outputs = network.train()(torch.randn(2, 3, 16, 16))
    assert {key: value.shape for key, value in outputs.items()} == {"fc": (2, 7), "aux": (2, 7)}
    assert network.aux.linear.weight.shape == (7, 8)


def test_a_network_trains_with_them_and_is_shipped_without(shapes: Path, tmp_path: Path) -> None:
    table = architecture("googlenet_aux")
    assert table.auxiliary == ("aux1_fc2", "aux2_fc2")
    plain = architecture("googlenet")
    assert table.without_auxiliary().rows == plain.rows
    assert plain.without_auxiliary() is plain

    (tmp_path / "table.json").write_text(_table().to_json())
    run = train(str(shapes), out=tmp_path / "run", model=str(tmp_path / "table.json"), epochs=2, quiet=True, workers=0)
    network, header = load(tmp_path / "run")
    torch.manual_seed(0)
    fresh = build(header.architecture)
    assert header.architecture.auxiliary == ("aux",)
    assert len(network.aux.linear.weight) == len(header.classes)
    assert (network.aux.linear.weight - fresh.aux.linear.weight).abs().min() > 0  # every weight has learned
    assert run.finished
    exported = export(tmp_path / "run", out=tmp_path / "x.onnx")
    artifact = open_artifact(exported.path)
    assert [row.name for row in artifact.header.architecture.rows] == ["one", "two", "pool", "fc"]
    assert artifact.header.architecture.outputs == ()


def test_a_head_that_helps_is_needed_beside_a_real_one() -> None:
    with pytest.raises((ValueError, LeannetError), match="expected the network's own one first"):
        Architecture(**{**dict(_table()), "outputs": (Output(row="aux", role="auxiliary"),)})


def test_steps_are_timed_with_them_and_looks_say_that_they_do_not_run() -> None:
    settings = Settings.make({"data": "x", "batch_size": 4, "optimizer": {"name": "muon"}})
    assert Steps(_table(), settings).step() > 0
    with pytest.raises(LeannetError, match="layer 'aux' is of an auxiliary head, which runs in training alone"):
        find(build(_table()), "aux")
