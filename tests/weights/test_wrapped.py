"""One network in the files of many trainers: the same logits from all, and what was used is printed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import leannet
from leannet.errors import LeannetError
from leannet.training import train
from leannet.weights import read_weights
from leannet.weights.fitting import own_naming
from leannet.zoo import FAMILIES
from tests.conftest import draw_folder, lively
from tests.weights.wrapping import LAYOUTS, State, as_module, averaged, behind, compiled, lightning, training

NAME, WIDTH, SIDE = "mobilenet_v2", 0.5, 64
SOURCES = {source.name: source for source in (*FAMILIES[NAME].sources, own_naming(FAMILIES[NAME]))}


def theirs(library: str, seed: int = 0, classes: int = 3) -> tuple[State, Tensor, Tensor]:
    """A state dict with a library's keys, the features and the logits that its network makes of one image."""
    source = SOURCES[library]
    torch.manual_seed(seed)
    network = lively(leannet.build(source.rows(WIDTH, SIDE, classes, 3)), seed)
    own = network.state_dict()
    state = {
        f"{key}.{name.rpartition('.')[2]}": own[name].clone()
        for ours, key in source.keys(network.architecture)
        for name in own
        if name.rpartition(".")[0] == ours
    }
    with torch.no_grad():
        return state, network.forward_features(IMAGE), network(IMAGE)


IMAGE = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("library", SOURCES)
def test_the_same_logits_from_every_file(tmp_path: Path, library: str, layout: str) -> None:
    last, _, of_last = theirs(library, seed=0)
    average, _, of_average = theirs(library, seed=2)
    write, averages, words = LAYOUTS[layout]
    file = tmp_path / "checkpoint.pth.tar"
    torch.save(write(last, average), file)
    said: list[str] = []
    network, header = read_weights(file, NAME, WIDTH, SIDE, say=said.append)
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGE), of_average if averages else of_last)
    assert words in " ".join(said)
    assert bool(said) == bool(words)
    source = header.provenance.source
    assert source.startswith(f"{library}: {file}" + (" (" if words else ""))
    assert source.count("(") == source.count(")")


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("name", ["weights", "last.ckpt", "x.safetensors"])
def test_files_are_told_by_content(tmp_path: Path, form: str, name: str) -> None:
    state, _, expected = theirs("torchvision")
    if form == "safetensors":
        save_file(behind("timm_model.", state), tmp_path / name, {"format": "pt"})
    else:
        torch.save({"net": state}, tmp_path / name, _use_new_zipfile_serialization=form == "zip")
    with pytest.warns(UserWarning, match="removed from|the weights of 'net'") as warnings:
        network = leannet.create(NAME, WIDTH, SIDE, weights=tmp_path / name).eval()
    assert warnings[0].filename == __file__  # the line that a user wrote
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGE), expected)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path: Path, kind: torch.dtype) -> None:
    state, _, _ = theirs("timm")
    state = {key: value.to(kind) if value.is_floating_point() else value for key, value in state.items()}
    torch.save(state, tmp_path / "x.pt")
    network, _ = read_weights(tmp_path / "x.pt", NAME, WIDTH, SIDE)
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert torch.equal(network.layer("Conv1.conv").weight, state["conv_stem.weight"].float())


def test_wrappers_within_a_network(tmp_path: Path) -> None:
    """Of a part alone, as torch's ImageNet example wraps AlexNet's and VGG's features."""
    state, _, expected = theirs("torchvision")
    for wrap in (nn.DataParallel, compiled):
        module = as_module(state)
        module.features = wrap(module.get_submodule("features"))
        torch.save(module.state_dict(), tmp_path / "x.pt")
        network, _ = read_weights(tmp_path / "x.pt", NAME, WIDTH, SIDE)
        with torch.no_grad():
            torch.testing.assert_close(network(IMAGE), expected)


def test_keys_that_stand_there_with_and_without_a_wrapper_stay_apart(tmp_path: Path) -> None:
    last, _, expected = theirs("timm", seed=0)
    other, _, _ = theirs("timm", seed=2)
    said: list[str] = []
    torch.save(last | behind("module.", other), tmp_path / "x.pt")
    network, _ = read_weights(tmp_path / "x.pt", NAME, WIDTH, SIDE, say=said.append)
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGE), expected)
    assert "not used: 'module'" in said[0]


def test_an_average_that_does_not_fit_is_named(tmp_path: Path) -> None:
    state, _, expected = theirs("torchvision")
    broken = {key: value for key, value in averaged(state, state).items() if "features.3" not in key}
    torch.save({"model": state, "model_ema": broken}, tmp_path / "x.pth")
    said: list[str] = []
    network, _ = read_weights(tmp_path / "x.pth", NAME, WIDTH, SIDE, say=said.append)
    assert said == [f"{tmp_path / 'x.pth'}: the weights of 'model'; not used: 'model_ema' (does not fit)"]
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGE), expected)


def test_counters_of_other_tools_are_no_weights(tmp_path: Path) -> None:
    """thop leaves two in every module that it has counted."""
    state, _, expected = theirs("timm")
    counters = {f"{key.rpartition('.')[0]}.{name}": torch.zeros(1) for key in state for name in ("total_ops",)}
    torch.save(state | counters, tmp_path / "x.pt")
    network, _ = read_weights(tmp_path / "x.pt", NAME, WIDTH, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGE), expected)


@pytest.mark.parametrize("library", SOURCES)
def test_a_missing_head_is_freshly_initialized(tmp_path: Path, library: str) -> None:
    state, features, _ = theirs(library)
    head = next(reversed(state)).rpartition(".")[0]
    state = {key: value for key, value in state.items() if not key.startswith(head)}
    torch.save({"state_dict": behind("backbone.", state)}, tmp_path / "x.ckpt")
    with pytest.warns(UserWarning, match="'backbone.' removed from its keys; it has no Logits: freshly initialized"):
        network = leannet.create(NAME, WIDTH, SIDE, classes=5, weights=tmp_path / "x.ckpt").eval()
    with torch.no_grad():
        torch.testing.assert_close(network.forward_features(IMAGE), features)
        assert network(IMAGE).shape == (1, 5)
    assert network.origin is not None
    assert network.origin.classes == tuple(f"class {number}" for number in range(5))
    assert read_weights(tmp_path / "x.ckpt", NAME, WIDTH, SIDE)[0].architecture.classes == 1000


def test_of_a_classifier_of_two_rows_both_may_be_missing(tmp_path: Path) -> None:
    source = next(source for source in FAMILIES["mobilenet_v3_small"].sources if source.name == "torchvision")
    rows = source.rows(0.5, 64, 10, 3)
    own = leannet.build(rows).state_dict()
    state = {
        f"{key}.{name.rpartition('.')[2]}": own[name]
        for ours, key in source.keys(rows)
        for name in own
        if name.rpartition(".")[0] == ours
    }
    said: list[str] = []
    torch.save({k: v for k, v in state.items() if not k.startswith("classifier")}, tmp_path / "none.pt")
    network, _ = read_weights(tmp_path / "none.pt", "mobilenet_v3_small", 0.5, 64, classes=4, say=said.append)
    assert network.architecture.classes == 4
    assert len(said[0].split(" and ")) == 1
    assert said[0].endswith("freshly initialized")
    torch.save({k: v for k, v in state.items() if not k.startswith("classifier.0")}, tmp_path / "hole.pt")
    with pytest.raises(LeannetError, match=r"misses classifier\.0"):
        read_weights(tmp_path / "hole.pt", "mobilenet_v3_small", 0.5, 64)


def test_training_takes_the_classes_of_a_missing_head_from_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, _, _ = theirs("torchvision")
    headless = {f"model.{key}": value for key, value in state.items() if not key.startswith("classifier")}
    torch.save({"state_dict": headless, **training(state)}, tmp_path / "x.ckpt")
    folder = draw_folder(tmp_path / "shapes", each=6)
    settings = {"model": NAME, "width": WIDTH, "resolution": SIDE, "epochs": 1, "batch_size": 4, "workers": 0}
    runs = [train(str(folder), tmp_path / f"{n}", weights=str(tmp_path / "x.ckpt"), **settings) for n in (1, 2)]
    said = capsys.readouterr().err
    assert "the weights of 'state_dict', 'model.' removed from its keys; it has no Logits: freshly initialized" in said
    assert "a fresh Logits for disc, square" in said
    assert runs[0].header.classes == ("disc", "square")
    files = [run.path / "model.safetensors" for run in runs]
    one, two = (leannet.load(file)[0].state_dict() for file in files)
    assert all(torch.equal(one[key], two[key]) for key in one)  # what is freshly initialized is drawn from the seed


def test_what_the_arguments_say_of_images_is_used(tmp_path: Path) -> None:
    state, _, _ = theirs("timm")
    for layout, preprocessing in (
        (
            "timm",
            {"mean": (0.2, 0.3, 0.4), "std": (0.229, 0.224, 0.225), "crop_ratio": 0.95, "interpolation": "bicubic"},
        ),
        ("torchvision", {"mean": (0.485, 0.456, 0.406), "crop_ratio": 224 / 232, "interpolation": "bicubic"}),
        ("net", {"mean": (0.485, 0.456, 0.406), "crop_ratio": 0.875}),
        ("plain", {"mean": (0.485, 0.456, 0.406), "crop_ratio": 0.875}),
    ):
        torch.save(LAYOUTS[layout][0](state, state), tmp_path / "x.pth")
        _, header = read_weights(tmp_path / "x.pth", NAME, WIDTH, SIDE)
        assert {key: getattr(header.preprocessing, key) for key in preprocessing} == preprocessing
        # The library's license covers its published weights alone, which have no trainer's keys.
        assert header.provenance.license == ("Apache-2.0" if layout == "plain" else None)


def test_without_a_name_the_files_own_is_told(tmp_path: Path) -> None:
    state, _, _ = theirs("timm")
    torch.save(LAYOUTS["timm"][0](state, state), tmp_path / "x.pth.tar")
    with pytest.raises(LeannetError, match=r"its own name for it: mobilenetv2_050.: give it with --model"):
        read_weights(tmp_path / "x.pth.tar")


@pytest.mark.parametrize("name", leannet.models("*_debug"))
def test_every_family_built_here_and_trained_elsewhere(tmp_path: Path, name: str) -> None:
    """Its own keys behind a prefix, with its head and without it."""
    network = lively(leannet.create(name, classes=3))
    state, heads = network.state_dict(), network.architecture.heads
    of_heads = tuple(f"{head}." for head in heads)
    torch.save({"state_dict": behind("net.", state)}, tmp_path / "whole.ckpt")
    torch.save({k: v for k, v in state.items() if not k.startswith(of_heads)}, tmp_path / "headless.pt")
    whole, header = read_weights(tmp_path / "whole.ckpt", name, say=lambda line: None)
    assert all(torch.equal(value, whole.state_dict()[key]) for key, value in state.items())
    assert len(header.classes) == 3
    said: list[str] = []
    headless, _ = read_weights(tmp_path / "headless.pt", name, classes=4, say=said.append)
    assert said[0].endswith(f"it has no {', '.join(heads)}: freshly initialized")
    assert headless.architecture.classes == 4
    without_head = {key: value for key, value in headless.state_dict().items() if not key.startswith(of_heads)}
    assert all(torch.equal(value, state[key]) for key, value in without_head.items())


def test_what_does_not_fit_is_named_where_it_stands(tmp_path: Path) -> None:
    state, _, _ = theirs("torchvision")
    torch.save(lightning(state, "model."), tmp_path / "x.ckpt")
    with pytest.raises(LeannetError, match=r"not resnet18 as torchvision names it: 'state_dict' misses conv1\.weight"):
        read_weights(tmp_path / "x.ckpt", "resnet18")
    other_head = {key.replace("classifier.1", "classifier.1.0"): value for key, value in state.items()}
    torch.save({"model": other_head}, tmp_path / "x.pth")
    words = r"has classifier\.1\.0\.weight, classifier\.1\.0\.bias, which no row has .*; without its own head"
    with pytest.raises(LeannetError, match=words):
        read_weights(tmp_path / "x.pth", NAME, WIDTH, SIDE)
