"""Weights of other libraries: the same function, at any width and depth, and one line for what does not fit."""

import importlib.util
import json
import pickle
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import leannet
from leannet.checkpoint import save
from leannet.cost import count
from leannet.errors import LeannetError
from leannet.network import build
from leannet.training import train
from leannet.weights import read_weights
from leannet.zoo import FAMILIES, architecture
from tests.conftest import WHOLE, draw_folder

# Model of the parity data -> our name and width. What comes back is the source's own form of it.
SAME = {
    ("timm", "mobilenetv1_100"): ("mobilenet_v1", 1.0),
    ("timm", "mobilenetv2_050"): ("mobilenet_v2", 0.5),
    ("timm", "mobilenetv2_100"): ("mobilenet_v2", 1.0),
    ("timm", "mobilenetv3_large_100"): ("mobilenet_v3_large", 1.0),
    ("timm", "mobilenetv3_small_100"): ("mobilenet_v3_small", 1.0),
    ("torchvision", "mobilenet_v2"): ("mobilenet_v2", 1.0),
    ("torchvision", "mobilenet_v3_large"): ("mobilenet_v3_large", 1.0),
    ("torchvision", "mobilenet_v3_small"): ("mobilenet_v3_small", 1.0),
    ("torchvision", "squeezenet1_0"): ("squeezenet_1_0", 1.0),
    ("torchvision", "squeezenet1_1"): ("squeezenet_1_1", 1.0),
    ("torchvision", "shufflenet_v2_x1_0"): ("shufflenet_v2", 1.0),
    ("torchvision", "alexnet"): ("alexnet", 1.0),
    ("torchvision", "vgg16"): ("vgg16", 1.0),
    ("torchvision", "googlenet"): ("googlenet_torchvision_aux", 1.0),
    ("torchvision", "resnet18"): ("resnet18", 1.0),
    ("torchvision", "resnet50"): ("resnet50", 1.0),
}


def _fill(reference: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("fill", reference / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("source", "model"), SAME)
def test_same_function_as_other_implementations(reference: Path, tmp_path: Path, source: str, model: str) -> None:
    fill = _fill(reference)
    entries = json.loads((reference / "parity.json").read_text())
    entry = next(e for e in entries if (e["source"], e["model"]) == (source, model))
    save_file(fill.fill(entry["state"]), tmp_path / f"{model}.safetensors")
    name, width = SAME[source, model]
    network, header = read_weights(tmp_path / f"{model}.safetensors", name, width)
    assert header.provenance.source.startswith(source)
    assert sum(p.numel() for p in network.parameters()) == entry["params"]
    with torch.no_grad():
        outputs = network(fill.image())
    logits = (outputs if isinstance(outputs, Tensor) else outputs["fc"])[0, :16]
    expected = torch.tensor(entry["logits"])
    assert float((logits - expected).abs().max() / expected.abs().max()) < 1e-4


# Model of the parity data of modern networks -> our name. Their logits are of 224 px, and of float32.
MODERN = {
    "mobilenetv4_conv_small": "mobilenet_v4_conv_small",
    "mobilenetv4_conv_medium": "mobilenet_v4_conv_medium",
    "lcnet_100": "lcnet",
    "tinynet_a": "tinynet_a",
    "mnasnet_100": "mnasnet_b1",
    "semnasnet_100": "mnasnet_a1",
    "efficientnet_lite0": "efficientnet_lite0",
    "efficientnet_b0": "efficientnet_b0",
    "ghostnet_100": "ghostnet_v1",
    "mobileone_s0": "mobileone_s0",
    "repghostnet_100": "repghostnet",
    "repvit_m0_9": "repvit_m0_9",
    "starnet_s1": "starnet_s1",
    "fasternet_t0": "fasternet_t0",
    "efficientnet-lite0": "efficientnet_lite0",  # in the naming of EfficientNet-PyTorch
}
# Rounding to float32 that such weights multiply; in float64 they are timm's to the last bit (benchmarks/parity.py).
COARSE = {"ghostnet_100": 5e-4, "starnet_s1": float("inf")}


@pytest.mark.parametrize("model", MODERN)
def test_modern_networks_are_the_same_functions(reference: Path, tmp_path: Path, model: str) -> None:
    """Parameters and mult-adds to the integer, logits to a ten-thousandth of the largest."""
    fill = _fill(reference)
    entry = next(e for e in json.loads((reference / "parity_modern.json").read_text()) if e["model"] == model)
    save_file(fill.fill(entry["state"]), tmp_path / f"{model}.safetensors")
    network, header = read_weights(tmp_path / f"{model}.safetensors", MODERN[model])
    assert header.provenance.source.startswith("EfficientNet-PyTorch" if model == "efficientnet-lite0" else "timm")
    assert sum(p.numel() for p in network.parameters()) == entry["params"]
    assert count(architecture(MODERN[model], resolution=224)).macs == entry.get("macs_224", 385_187_552)
    with torch.no_grad():
        logits = network(fill.image())[0]
    expected = torch.tensor(entry["logits"])
    assert float((logits[:16] - expected).abs().max() / expected.abs().max()) < COARSE.get(model, 1e-4)
    assert abs(float(logits.abs().sum()) / entry["logits_sum_abs"] - 1) < COARSE.get(model, 1e-4)


def _theirs(name: str, width: float, source: str, classes: int = 10) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """A state as that library would write it, made from our own network by the map read backwards."""
    library = next(s for s in FAMILIES[name].sources if s.name == source)
    rows = library.rows(width, 64, classes, 3)
    torch.manual_seed(0)
    network = build(rows).eval()
    state, own = {}, network.state_dict()
    for ours, theirs in library.keys(rows):
        for key in own:
            if key.rsplit(".", 1)[0] == ours:
                state[f"{theirs}.{key.rsplit('.', 1)[1]}"] = own[key].clone()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        return state, image, network(image)


OTHERS = [
    pytest.param(name, width, source.name, marks=() if name in WHOLE and width == 0.75 else pytest.mark.everything)
    for name in FAMILIES
    for source in FAMILIES[name].sources
    for width in (0.5, 0.75, 1.25)
    if name not in {"vgg16", "alexnet", "resnet101", "resnet152"} and "aux" not in name
]


@pytest.mark.parametrize(("name", "width", "source"), OTHERS)
def test_every_width_and_depth_goes_through_its_map(tmp_path: Path, name: str, width: float, source: str) -> None:
    """The map names every tensor of the network once, and the file comes back as the same function."""
    state, image, expected = _theirs(name, width, source)
    library = next(each for each in FAMILIES[name].sources if each.name == source)
    file = tmp_path / f"{(library.forms or ('theirs',))[0]}.pth"
    torch.save(state, file)
    network, _ = read_weights(file, name, width, 64)
    assert sum(value.numel() for value in state.values()) == sum(v.numel() for v in network.state_dict().values())
    with torch.no_grad():
        torch.testing.assert_close(network(image), expected)


def test_depths_of_resnet_have_the_keys_of_the_field() -> None:
    keys = [theirs for _, theirs in FAMILIES["resnet152"].sources[0].keys(architecture("resnet152"))]
    assert {"layer3.35.conv3", "layer3.35.bn3", "layer4.0.downsample.0"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_timms_small_v3_keeps_its_stem_below_three_quarters() -> None:
    """1,593,224 parameters, where the authors' rule gives 1,592,704."""
    rows = FAMILIES["mobilenet_v3_small"].sources[0].rows(0.5, 224, 1000, 3)
    assert leannet.count(rows).params == 1_593_224


def test_another_number_of_classes_and_channels(tmp_path: Path) -> None:
    state, image, expected = _theirs("mobilenet_v2", 0.5, "timm")
    save_file(state, tmp_path / "theirs.safetensors")
    with pytest.warns(UserWarning, match="a fresh Logits for 3 classes in place of 10"):
        network = leannet.create("mobilenet_v2", 0.5, 64, classes=3, weights=tmp_path / "theirs.safetensors")
    assert network(image).shape == (1, 3)
    with pytest.warns(UserWarning, match="Conv1.conv.weight adapted from 3 to 1 channels"):
        grey = leannet.create("mobilenet_v2", 0.5, 64, in_channels=1, weights=tmp_path / "theirs.safetensors")
    one = image[:, :1]
    same = leannet.create("mobilenet_v2", 0.5, 64, weights=tmp_path / "theirs.safetensors").eval()
    with torch.no_grad():
        torch.testing.assert_close(grey.eval()(one), same(one.expand(-1, 3, -1, -1)))
        torch.testing.assert_close(same(image), expected)
    assert same.origin.provenance.license == "Apache-2.0"


def test_fine_tuning_from_another_library(tmp_path: Path) -> None:
    state, _, _ = _theirs("mobilenet_v1", 0.25, "timm")
    torch.save(state, tmp_path / "theirs.pth")
    folder = draw_folder(tmp_path / "shapes", each=6)
    settings = {"width": 0.25, "resolution": 64, "epochs": 1, "batch_size": 4, "workers": 0, "quiet": True}
    weights = str(tmp_path / "theirs.pth")
    run = train(str(folder), out=tmp_path / "run", model="mobilenet_v1", weights=weights, **settings)
    assert run.header.provenance.parent == f"timm: {weights}"
    assert run.header.preprocessing.mean == (0.5, 0.5, 0.5)
    assert run.header.architecture.row("Conv2d_3").activation == "relu6"  # type: ignore[attr-defined]
    again = train(str(folder), out=tmp_path / "again", weights=str(run.path), epochs=1, quiet=True, workers=0)
    assert again.header.architecture == run.header.architecture


def test_the_hub_is_asked_only_by_name_and_says_where_it_put_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The download is played by a folder: file names, configuration and words are the hub's own."""
    hub = pytest.importorskip("huggingface_hub")
    state, image, expected = _theirs("mobilenet_v2", 0.5, "timm", classes=3)
    save_file(state, tmp_path / "model.safetensors")
    pretrained = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "license": "apache-2.0"}
    config = {"architecture": "mobilenetv2_050", "pretrained_cfg": pretrained, "label_names": ["a", "b", "c"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    downloads = []

    def download(name: str, file: str) -> str:
        downloads.append((name, file))
        return str(tmp_path / file)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    network, header = read_weights("hub:timm/mobilenetv2_050.lamb_in1k", "mobilenet_v2", 0.5, 64)
    assert downloads == [("timm/mobilenetv2_050.lamb_in1k", name) for name in ("model.safetensors", "config.json")]
    assert str(tmp_path) in capsys.readouterr().err
    assert header.classes == ("a", "b", "c")
    assert header.preprocessing.mean == (0.1, 0.2, 0.3)
    assert header.provenance.license == "apache-2.0"
    with torch.no_grad():
        torch.testing.assert_close(network(image), expected)

    def offline(name: str, file: str) -> str:
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(hub, "hf_hub_download", offline)
    with pytest.raises(LeannetError, match="hub:timm/x: cannot be fetched: We couldn't connect"):
        read_weights("hub:timm/x", "mobilenet_v2")


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("a pickle ran",)


def test_what_does_not_fit_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, _, _ = _theirs("mobilenet_v2", 0.5, "timm")
    good = tmp_path / "good.safetensors"
    save_file(state, good)
    (tmp_path / "cut.safetensors").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(_Evil()))
    torch.save([1, 2], tmp_path / "list.pth")
    del state["classifier.bias"]
    save_file(state, tmp_path / "gap.safetensors")
    wrong = {
        "cut.safetensors": ("mobilenet_v2", 0.5, "damaged|expected"),
        "evil.pth": ("mobilenet_v2", 0.5, "weights-only loader refuses it"),
        "list.pth": ("mobilenet_v2", 0.5, "expected a dict of tensors"),
        "gap.safetensors": ("mobilenet_v2", 0.5, r"it misses classifier\.bias"),
        "good.safetensors": ("mobilenet_v2", 1.0, r"has Conv1\.conv\.weight of shape .16, 3, 3, 3., the row needs .32"),
    }
    for file, (name, width, words) in wrong.items():
        with pytest.raises(LeannetError, match=words) as error:
            read_weights(tmp_path / file, name, width)
        assert "\n" not in str(error.value)
    with pytest.raises(LeannetError, match=r"not resnet18 as torchvision names it: it misses conv1\.weight"):
        read_weights(good, "resnet18")
    with pytest.raises(LeannetError, match="does not name its network: give it with --model"):
        read_weights(good)
    with pytest.raises(LeannetError, match="no other library's weights are known for nasnet_a_mobile"):
        read_weights(good, "nasnet_a_mobile")
    assert "a pickle ran" not in capsys.readouterr().out


def _in_timms_names(name: str) -> dict[str, Tensor]:
    """Fresh weights of a network, by timm's keys."""
    source = next(source for source in FAMILIES[name].sources if source.name.startswith("timm"))
    own = build(architecture(name)).state_dict()
    theirs = {}
    for ours, key in source.keys(source.rows(1.0, 224, 1000, 3)):
        theirs |= {f"{key}.{name.rpartition('.')[2]}": own[name] for name in own if name.startswith(f"{ours}.")}
    return {key: value for key, value in theirs.items() if key.count(".") and value is not None}


def test_published_weights_of_fbnet_have_another_epsilon(tmp_path: Path) -> None:
    """timm sets it where it loads them by name; a file of a training of one's own has torch's."""
    theirs = _in_timms_names("fbnet_c")
    for name, eps in (("fbnetc_100.rmsp_in1k", 1e-3), ("fbnetc_100_of_mine", 1e-5)):
        save_file({k: v.clone() for k, v in theirs.items()}, tmp_path / f"{name}.safetensors")
        network = leannet.create("fbnet_c", weights=tmp_path / f"{name}.safetensors")
        epsilons = {each.eps for each in network.modules() if isinstance(each, torch.nn.BatchNorm2d)}
        assert epsilons == {eps}


@pytest.mark.parametrize(
    ("family", "name", "mean", "padding"),
    [
        ("mobilenet_v3_small", "tf_mobilenetv3_small_100-37f49e2b", 0.5, "same"),
        ("mobilenet_v3_small", "mobilenetv3_small_100_lamb-266a294c", 0.485, "symmetric"),
        ("mobilenet_v3_small_minimal", "any", 0.5, "same"),
        ("mobilenet_v4_conv_small", "mobilenetv4_conv_small.e3600_r256_in1k", 0.5, "symmetric"),
        ("mobilenet_v4_conv_small", "mobilenetv4_conv_small.e2400_r224_in1k", 0.485, "symmetric"),
        ("efficientnet_b0", "tf_efficientnet_b0_ap-f262efe1", 0.5, "same"),
        ("efficientnet_b0", "tf_efficientnet_b0_ns-c0e6a31c", 0.485, "same"),
        ("efficientnet_b0", "efficientnet_b0.ra4_e3600_r224_in1k", 0.5, "symmetric"),
        ("efficientnet_lite0", "tf_efficientnet_lite0.in1k", 0.5, "same"),
    ],
)
def test_a_name_of_timms_says_padding_and_range(
    tmp_path: Path, family: str, name: str, mean: float, padding: str
) -> None:
    """timm 1.0.31: the configurations of its models, of which a file holds nothing."""
    theirs = _in_timms_names(family)
    anonymous = tmp_path / "model.safetensors"
    save_file({k: v.clone() for k, v in theirs.items()}, anonymous)
    _, header = read_weights(f"timm:{name}:{anonymous}", family)
    assert header.preprocessing.mean[0] == mean
    assert header.architecture.rows[0].padding == padding
    anonymous.rename(tmp_path / f"{name}.safetensors")
    assert read_weights(tmp_path / f"{name}.safetensors", family)[1].architecture == header.architecture


def test_a_name_that_says_nothing_is_asked_for(tmp_path: Path) -> None:
    anonymous = tmp_path / "model.safetensors"
    for family in ("mobilenet_v3_small", "fbnet_c"):
        save_file({k: v.clone() for k, v in _in_timms_names(family).items()}, anonymous)
        with pytest.raises(LeannetError, match=r"several forms.*: write timm:NAME:.*model\.safetensors") as error:
            read_weights(anonymous, family)
        assert "\n" not in str(error.value)
    with pytest.raises(LeannetError, match="expected timm's name for them, such as fbnetc_100"):
        read_weights(f"timm:fbnet_100:{anonymous}", "fbnet_c")  # misspelt
    ours = tmp_path / "ours.safetensors"
    save(ours, *read_weights(f"timm:fbnetc_100:{anonymous}", "fbnet_c"))
    with pytest.raises(LeannetError, match=r"say all about themselves: expected .*ours\.safetensors"):
        read_weights(f"timm:fbnetc_100:{ours}", "fbnet_c")
    for wrong in ("timm:model.safetensors", "timm:", f"timm:{anonymous}:x"):
        with pytest.raises(LeannetError, match="expected timm:NAME:FILE"):
            read_weights(wrong, "fbnet_c")


def test_a_file_called_tf_has_tensorflows_rows(tmp_path: Path) -> None:
    """timm's ports: same keys, other padding, epsilon and range; only the name tells."""
    theirs = _in_timms_names("mobilenet_v3_small")
    for name, padding, eps, mean in (("tf_x", "same", 1e-3, 0.5), ("mobilenetv3_small_100", "symmetric", 1e-5, 0.485)):
        save_file({k: v.clone() for k, v in theirs.items()}, tmp_path / f"{name}.safetensors")
        network = leannet.create("mobilenet_v3_small", weights=tmp_path / f"{name}.safetensors")
        first = network.architecture.rows[0]
        assert (first.padding, first.norm.eps) == (padding, eps)
        assert network.origin.preprocessing.mean[0] == mean
        if name == "tf_x":
            for folder in ("tf_mobilenetv3_small_100.in1k", "models--timm--tf_mobilenetv3_small_100/snapshots/1"):
                (tmp_path / folder).mkdir(parents=True)
                save_file({k: v.clone() for k, v in theirs.items()}, tmp_path / folder / "model.safetensors")
                there = leannet.create("mobilenet_v3_small", weights=tmp_path / folder / "model.safetensors")
                assert there.architecture == network.architecture
            file = tmp_path / "ours.safetensors"  # saved here, the rows stay those of the weights
            save(file, network, network.origin)
            again = leannet.create("mobilenet_v3_small", weights=file)
            assert again.architecture == network.architecture
            folder = draw_folder(tmp_path / "shapes", each=3)
            run = train(str(folder), out=tmp_path / "run", model="mobilenet_v3_small", weights=str(file), resolution=32,
                        epochs=1, quiet=True, workers=0)  # fmt: skip
            assert leannet.load(run.path)[1].architecture.rows[0] == first
            with pytest.raises(LeannetError, match=r"ours\.safetensors"):  # and no other network is given for the asked
                leannet.create("mobilenet_v2", weights=file)
            with pytest.raises(LeannetError, match="resolution"):
                leannet.create("mobilenet_v3_small", resolution=0, weights=tmp_path / "tf_x.safetensors")
