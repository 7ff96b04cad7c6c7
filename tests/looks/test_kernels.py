"""Kernels: which are images, and what their greys mean."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import leannet
from leannet.checkpoint import save
from leannet.cli import filters as verb
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.looks import Kernels, filters
from leannet.preprocessing import Preprocessing


@pytest.mark.parametrize("name", leannet.models("*_debug"))
def test_the_first_convolution_of_every_family_reads_the_image(name: str) -> None:
    network = leannet.create(name)
    first = next(module for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    kernels = filters(network)
    assert kernels.weights.shape == tuple(first.weight.shape)
    assert kernels.weights.shape[1] == 3


def test_zero_is_the_middle_and_the_largest_weight_the_end() -> None:
    weights = np.array([[[[0, 1], [-2, 0.5]]], [[[0, 4], [0, 0]]]], dtype=np.float32)
    kernels = Kernels("x", weights)
    assert kernels.tiles()[..., 0].tolist() == [[[128, 191], [0, 159]], [[128, 255], [128, 128]]]
    assert kernels.tiles(common=True)[..., 0].tolist() == [[[128, 159], [64, 143]], [[128, 255], [128, 128]]]
    assert Kernels("x", np.zeros((1, 3, 2, 2), np.float32)).tiles().tolist() == [[[[128] * 3] * 2] * 2]


def test_depthwise_and_grey_ones_are_grey() -> None:
    network = leannet.create("mobilenet_v2_debug", in_channels=1)
    for layer, number in ((None, 32), ("block_1.depthwise", 48), ("Conv1.conv", 32), ("Conv1", 32)):
        kernels = filters(network, layer)
        assert kernels.weights.shape == (number, 1, 3, 3)
        assert not kernels.layer.endswith(".conv")


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("block_1.expand", r"block_1.expand: its kernels are over 8 channels.*; nearest: block_1.depthwise"),
        ("block_1", r"block_1: expected one convolution; nearest: block_1\.depthwise"),
        ("global_average_pooling", "expected one convolution"),
        ("Conv7", "no layer 'Conv7'; nearest: Conv1"),
    ],
)
def test_what_is_refused(layer: str, words: str) -> None:
    with pytest.raises(LeannetError, match=words):
        filters(leannet.create("mobilenet_v2_debug"), layer)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = leannet.create("mobilenet_v2_debug", classes=2)
    preprocessing = Preprocessing(height=32, width=32)
    header = Header(architecture=network.architecture, classes=("a", "b"), preprocessing=preprocessing)
    save(tmp_path / "model.safetensors", network, header)
    out, table = tmp_path / "kernels.svg", tmp_path / "kernels.csv"
    verb.command(str(tmp_path), out=out, csv=table, json=True)
    assert json.loads(capsys.readouterr().out)["shape"] == [32, 3, 3, 3]
    assert out.read_text().count("<image") == 32
    lines = list(csv.DictReader(table.read_text().splitlines()))
    weights = network.layer("Conv1.conv").weight.detach().numpy()
    assert np.array([float(line["weight"]) for line in lines]) == pytest.approx(weights.ravel(), rel=1e-6)
    verb.command(str(tmp_path), "block_1.depthwise", "common", out=tmp_path / "kernels.png")
    assert "48 kernels of 3 x 3" in capsys.readouterr().out
