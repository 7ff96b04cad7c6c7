"""What a tap leaves against plain hooks, and the figures of channels against loops."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import leannet
from leannet.blocks.table import masked
from leannet.checkpoint import save
from leannet.cli import activations as verb
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.looks import activations
from leannet.looks.feature_maps_figure import draw
from leannet.looks.hooks import early_layer, find, late_layer, record_outputs
from leannet.looks.inputs import MOST, as_input, load_network, prepare_images
from leannet.network import Network, build
from leannet.preprocessing import Preprocessing
from leannet.rows import Add, Architecture, Conv, Input, Norm
from tests.conftest import draw as drawn
from tests.conftest import in_full, lively

DEBUG = leannet.models("*_debug")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    drawn("disc", 1).save(tmp_path / "disc.png")
    return tmp_path / "disc.png"


def small(name: str = "mobilenet_v2_debug") -> Network:
    torch.manual_seed(0)
    return lively(leannet.create(name, classes=3))


@pytest.mark.parametrize("name", DEBUG)
def test_every_layer_is_what_a_forward_hook_sees(name: str, image: Path) -> None:
    network = small(name)
    _, header = load_network(network)
    inputs = as_input(prepare_images([image], header.preprocessing)[0], header.preprocessing)
    own = [layer.path for layer in network.architecture.layers if layer.shares is None]
    hooked: dict[str, torch.Tensor] = {}
    handles = [
        network.layer(path).register_forward_hook(lambda *a, path=path: hooked.update({path: a[2].clone()} | hooked))
        for path in own
    ]
    with torch.no_grad():
        with masked(network):  # blocks that it skips run too
            network(inputs)
        for handle in handles:
            handle.remove()
        with record_outputs(network, [find(network, path) for path in own]) as recorded:
            network(inputs)
    assert list(hooked) == own
    assert all(torch.equal(recorded[path], hooked[path]) for path in own)
    for path in (own[0], own[len(own) // 2], own[-1]):
        (activation,) = activations(network, [image], path)
        assert activation.maps.tobytes() == hooked[path][0].numpy().tobytes()
        shape = next(layer.out_shape for layer in network.architecture.layers if layer.path == path)
        assert activation.maps.shape == tuple(shape)


def test_a_part_of_a_layer_is_not_touched_by_what_follows_in_place(image: Path) -> None:
    network = small()
    parts = {name: activations(network, [image], f"Conv1.{name}")[0].maps for name in ("conv", "norm", "activation")}
    assert parts["norm"].min() < 0  # ReLU6 behind it works in place
    np.testing.assert_array_equal(np.clip(parts["norm"], 0, 6), parts["activation"])
    np.testing.assert_array_equal(activations(network, [image], "Conv1")[0].maps, parts["activation"])


def test_either_spelling_and_the_mode_it_was_in(image: Path) -> None:
    network = small().train()
    dotted, scored = (activations(network, [image], name)[0] for name in ("block_1.expand", "block_1_expand"))
    assert dotted.layer == scored.layer == "block_1.expand"
    assert dotted.maps.tobytes() == scored.maps.tobytes()
    assert network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    with pytest.raises(LeannetError, match=r"no layer 'block_1.expnd'; nearest: block_1.expand"):
        activations(network, [image], "block_1.expnd")


def test_a_row_with_the_weights_of_another_has_its_own_output(image: Path) -> None:
    conv = Conv(name="a", out_channels=3, kernel=3, norm=Norm(), activation="relu")
    rows = (conv, conv.model_copy(update={"name": "b", "shares": "a"}), Add(name="sum", inputs=("a", "b")))
    network = lively(build(Architecture(name="x", input=Input(height=9, width=9), rows=rows)))
    first, second, total = (activations(network, [image], name)[0].maps for name in ("a", "b", "sum"))
    assert not np.array_equal(first, second)
    with torch.no_grad():
        assert torch.equal(network.layer("a")(torch.from_numpy(first)[None])[0], torch.from_numpy(second))
    np.testing.assert_array_equal(total, first + second)


def test_the_strongest_channel_by_brute_force(image: Path) -> None:
    (activation,) = activations(small(), [image])
    assert activation.layer == "expanded_conv.project"
    means = []
    for channel in activation.maps.tolist():
        values = [abs(value) for line in channel for value in line]
        means.append(sum(values) / len(values))
    assert activation.strongest == means.index(max(means))
    np.testing.assert_allclose(activation.strengths, means, rtol=1e-6)
    (relu,) = activations(small(), [image], "Conv1")
    zeros = [line[relu.COLUMNS.index("zeros")] for line in relu.lines()]
    assert zeros == [sum(v == 0 for row in channel for v in row) / 256 for channel in relu.maps.tolist()]


@pytest.mark.parametrize(
    ("name", "early", "late"),
    [
        ("mobilenet_v2", "expanded_conv.project", "global_average_pooling"),
        ("two_layer", "conv_1", "pool_2"),
        ("squeezenet_1_1", "fire2.concat", "fire9"),
    ],
)
def test_layers_that_are_looked_at_by_default(name: str, early: str, late: str) -> None:
    table = leannet.architecture(name)
    assert (early_layer(table), late_layer(table)) == (early, late)


@pytest.mark.parametrize("name", in_full(leannet.models()))
def test_every_network_has_such_layers(name: str) -> None:
    table = leannet.architecture(name)
    paths = {layer.path: layer.out_shape for layer in table.layers}
    early, late = paths[early_layer(table)], paths[table.made_by[late_layer(table)]]
    assert early.height > 1
    assert early.height >= late.height


def test_the_verb(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = small()
    header = Header(
        architecture=network.architecture, classes=("a", "b", "$c$"), preprocessing=Preprocessing(height=32, width=32)
    )
    save(tmp_path / "model.safetensors", network, header)
    monkeypatch.chdir(tmp_path)
    out, table = Path("maps.svg"), Path("maps.csv")
    verb.command(str(tmp_path), [str(image)], "Conv1", out=out, csv=table, json=True)
    data = json.loads(capsys.readouterr().out)
    (activation,) = activations(network, [image], "Conv1")
    assert data["maps"][0]["strongest"] == str(activation.strongest)
    assert len(data["maps"][0]["channels"]) == 32
    lines = list(csv.DictReader(table.read_text().splitlines()))
    assert [line["channel"] for line in lines if line["strongest"] == "1"] == [str(activation.strongest)]
    assert float(lines[5]["mean"]) == pytest.approx(activation.maps[5].mean(), rel=1e-5)
    assert out.read_text().count("<image") == 1 + 32 + 1  # the image, the maps, the color bar
    verb.command(str(tmp_path), [str(image)], "Logits", image=False, out=Path("bars.svg"))
    assert "1 x 1" in capsys.readouterr().out
    assert "$c$" in Path("bars.svg").read_text()


def test_only_the_strongest_are_drawn(image: Path, tmp_path: Path) -> None:
    activated = activations(small(), [image, image], "Conv1")
    draw(activated, tmp_path / "few.svg", channels=5, scaling="each", image=False)
    assert (tmp_path / "few.svg").read_text().count("<image") == 2 * 5


def test_what_is_refused(image: Path, tmp_path: Path) -> None:
    network = small()
    with pytest.raises(LeannetError, match="no such image"):
        activations(network, [tmp_path / "no.png"])
    with pytest.raises(LeannetError, match=f"expected 1 to {MOST} images to look at, found 0"):
        activations(network, [])
    with pytest.raises(LeannetError, match=f"found {MOST + 1}: name fewer"):
        activations(network, [image] * (MOST + 1))
    (tmp_path / "x.png").write_text("words")
    with pytest.raises(LeannetError, match=r"x\.png: cannot be read: not an image"):
        activations(network, [tmp_path / "x.png"])
    with pytest.raises(LeannetError, match="expected a figure's name"):
        verb.command("run", [str(image)], out=tmp_path / "x.gif")
    with pytest.raises(LeannetError, match=r"ending in \.csv"):
        verb.command("run", [str(image)], csv=tmp_path / "x.txt")
    with pytest.raises(LeannetError, match="expected a network of 1 or 3 input channels, found 4"):
        activations(leannet.create("two_layer_debug", in_channels=4), [image])
