"""Grad-CAM against cases that can be solved by hand, and against gradients taken another way."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import leannet
from leannet.checkpoint import save
from leannet.cli import attention as verb
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.looks import attention
from leannet.looks.inputs import as_input, load_network, prepare_images
from leannet.looks.names import short
from leannet.network import Network, build
from leannet.preprocessing import Preprocessing
from leannet.rows import Architecture, Conv, Input, Linear
from tests.conftest import draw, lively

SIDE, BRIGHT = 8, 200
CORNERS = [(0, 0), (0, SIDE - 1), (SIDE - 1, 0), (SIDE - 1, SIDE - 1)]
PLAIN = Preprocessing(height=SIDE, width=SIDE, color="L", crop_ratio=1.0, mean=(0.0,), std=(1.0,))


def of_a_corner(corner: tuple[int, int], strength: float = 3.0) -> Network:
    """A network whose first class is `strength` times one corner of the image, and whose second is the opposite."""
    rows = (Conv(name="eye", out_channels=1), Linear(name="Logits", out_channels=2))
    table = Architecture(name="corner", input=Input(channels=1, height=SIDE, width=SIDE), rows=rows)
    network = build(table).eval()
    with torch.no_grad():
        network.layer("eye.conv").weight.fill_(1)
        linear = network.layer("Logits.linear")
        linear.weight.zero_()
        linear.weight.view(2, SIDE, SIDE)[:, *corner] = torch.tensor([strength, -strength])
    network.origin = Header(architecture=table, classes=("bright", "dark"), preprocessing=PLAIN)
    return network


@pytest.mark.parametrize("corner", CORNERS)
def test_an_answer_that_depends_on_one_corner(corner: tuple[int, int]) -> None:
    """The only weight is 3 at the corner: its mean over 64 places, times the image, is the heat (equations 1, 2)."""
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[corner] = BRIGHT
    (attention_map,) = attention(of_a_corner(corner), [Image.fromarray(pixels)])
    assert (attention_map.layer, attention_map.target) == ("eye", "bright")
    np.testing.assert_allclose(attention_map.heat, 3.0 / SIDE**2 * pixels / 255, rtol=1e-6)
    assert np.argwhere(attention_map.heat).tolist() == [list(corner)]
    assert attention_map.over_image()[corner] == 1
    score = 3 * BRIGHT / 255
    assert attention_map.probability == pytest.approx(1 / (1 + np.exp(-2 * score)), rel=1e-5)
    (against,) = attention(of_a_corner(corner), [Image.fromarray(pixels)], classes=["dark"])
    assert against.is_empty  # the bright corner speaks against it
    assert against.over_image().max() == 0


def random(name: str = "mobilenet_v2_debug") -> Network:
    torch.manual_seed(1)
    return lively(leannet.create(name, classes=4), seed=1)


@pytest.mark.parametrize("layer", ["Conv1", "expanded_conv.project", "block_1.expand", "block_2", "Conv_1"])
def test_the_formula_by_a_whole_backward_pass(layer: str) -> None:
    """A hook that keeps the gradient, and `backward` through all of the network, for each of the two likeliest."""
    network = random()
    image = draw("square", 3)
    attention_maps = attention(network, [image], layer, top=2)
    assert len(attention_maps) == 2
    _, header = load_network(network)
    inputs = as_input(prepare_images([image], header.preprocessing)[0], header.preprocessing)
    for each in attention_maps:
        outputs: list[torch.Tensor] = []

        def keep(_: torch.nn.Module, __: object, output: torch.Tensor, outputs: list[torch.Tensor] = outputs) -> None:
            output.retain_grad()
            outputs.append(output)

        handle = network.layer(layer).register_forward_hook(keep)
        scores = network(inputs)
        handle.remove()
        scores[0, header.classes.index(each.target)].backward()
        (maps,) = outputs
        assert maps.grad is not None
        weights = maps.grad.mean((2, 3))[0]
        expected = sum(weight * channel for weight, channel in zip(weights, maps[0].detach(), strict=True))
        torch.testing.assert_close(torch.from_numpy(each.heat), expected.clamp(min=0), rtol=1e-4, atol=1e-6)
    assert [each.probability for each in attention_maps] == sorted(
        (each.probability for each in attention_maps), reverse=True
    )


def test_the_formula_without_gradients() -> None:
    """Behind the last image all is linear: a channel's weight is what the score gains when all its places gain 1."""
    network = random()
    image = draw("disc", 5)
    (attention_map,) = attention(network, [image], "Conv_1")
    _, header = load_network(network)
    inputs = as_input(prepare_images([image], header.preprocessing)[0], header.preprocessing)
    target = header.classes.index(attention_map.target)
    with torch.no_grad():
        maps = network.forward_features(inputs)[0]
        pooled = maps.mean((1, 2))[:, None, None]
        head = network.layer("Logits")
        gains = [head((pooled + torch.eye(len(maps))[k][:, None, None])[None])[0, target, 0, 0] for k in range(64)]
        weights = (torch.stack(gains) - head(pooled[None])[0, target, 0, 0]) / maps[0].numel()
        expected = (weights[:, None, None] * maps).sum(0).clamp(min=0)
    torch.testing.assert_close(torch.from_numpy(attention_map.heat), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in leannet.models("*_debug") if not name.startswith("onenet")])
def test_it_works_on_every_family(name: str) -> None:
    network = random(name)
    attention_maps = attention(network, [draw("disc", 1), draw("square", 2)], top=2)
    assert [each.name for each in attention_maps] == ["image 0", "image 0", "image 1", "image 1"]
    assert all(np.isfinite(each.heat).all() and (each.heat >= 0).all() for each in attention_maps)
    shape = network.architecture.shapes[network.architecture.features]
    assert {each.heat.shape for each in attention_maps} == {shape[1:]}
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = random()
    classes = ("a", "b", "c", "d")
    header = Header(
        architecture=network.architecture, classes=classes, preprocessing=Preprocessing(height=32, width=32)
    )
    save(tmp_path / "model.safetensors", network, header)
    draw("disc", 1).save(tmp_path / "disc.png")
    draw("square", 1).save(tmp_path / "square.png")
    out, table = tmp_path / "heat.svg", tmp_path / "heat.csv"
    verb.command(
        str(tmp_path), [str(tmp_path / "disc.png"), str(tmp_path / "square.png")], None, ["b", "d"],
        out=out, csv=table, json=True,
    )  # fmt: skip
    data = json.loads(capsys.readouterr().out)
    assert [each["class"] for each in data["maps"]] == ["b", "d", "b", "d"]
    assert out.read_text().count("<image") == 2 * 3 + 1
    lines = list(csv.DictReader(table.read_text().splitlines()))
    assert len(lines) == 4 * 8 * 8
    assert float(lines[9]["heat"]) == pytest.approx(data["maps"][0]["heat"][1][1], rel=1e-5)
    for names, number in (([tmp_path / "disc.png"], 1), ([tmp_path / "disc.png"] * 5, 5)):
        verb.command(str(tmp_path), [str(name) for name in names], None, None, out=tmp_path / "few.png", image=False)
        assert capsys.readouterr().out.count("disc.png") == number


def test_options_that_say_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match="--top is without --class"):
        verb.command("run", ["disc.png"], None, ["ants"], 2, out=tmp_path / "x.png")
    with pytest.raises(LeannetError, match="--layer '': expected a row or a layer"):
        verb.command("run", ["disc.png"], "", out=tmp_path / "x.png")


def test_long_names_keep_both_ends() -> None:
    assert short("disc", 4) == "disc"
    assert short("a_name_of_26_letters_in_all", 9) == "a_na…_all"
    assert [len(short("x" * 99, most)) for most in (3, 10, 32)] == [3, 10, 32]


def test_what_is_refused() -> None:
    network, image = random(), draw("disc", 1)
    with pytest.raises(LeannetError, match=r"global_average_pooling makes a vector, which has no positions; .* Conv_1"):
        attention(network, [image], "global_average_pooling")
    with pytest.raises(LeannetError, match="no class is named 'class 9'; nearest: class"):
        attention(network, [image], classes=["class 9"])
    with pytest.raises(LeannetError, match=r"no layer 'Conv_2'; nearest: Conv_1, (?!Conv_1,)"):
        attention(network, [image], "Conv_2")
    with pytest.raises(LeannetError, match="ends in no classes"):
        attention(leannet.create("mobilenet_v2_debug", features_only=True), [image], "Conv1")
