"""A loaded network carries its header: looks on it give what they give on its run, and only what still holds stays."""

from pathlib import Path

import numpy as np
import pytest
import torch

import leannet
from leannet.errors import LeannetError
from leannet.factory import cut
from leannet.looks import activations, attention, embed, filters
from leannet.network import Network
from leannet.sections import Metrics
from leannet.training import train
from tests.conftest import draw, draw_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("data"), each=30)


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its images are squashed and normalized by their own mean: nothing that a network without a header would guess."""
    settings = {"model": "mobilenet_v2", "width": 0.35, "resolution": 48, "epochs": 1, "workers": 0, "quiet": True}
    out = tmp_path_factory.mktemp("runs") / "run"
    return train(str(folder), out, resize="squash", normalization="zscore", **settings).path


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """An image that a crop and a squash see differently."""
    image = draw("disc", 5, 60)
    image.resize((120, 60)).save(tmp_path / "wide.png")
    return tmp_path / "wide.png"


def _networks(run: Path) -> dict[str, Network]:
    return {
        "load": leannet.load(run)[0],
        "load of the file": leannet.load(run / "model.safetensors")[0],
        "create": leannet.create("mobilenet_v2", width=0.35, weights=run),
    }


@pytest.mark.parametrize("way", ["load", "load of the file", "create"])
def test_every_look_is_the_same_on_the_run_and_on_its_network(run: Path, wide: Path, way: str) -> None:
    network = _networks(run)[way]
    assert network.origin is not None
    assert network.origin == leannet.load(run)[1]
    for layer in (None, "Conv1", "Logits"):
        (one,), (other,) = activations(run, [wide], layer), activations(network, [wide], layer)
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.maps, other.maps)
        assert one.channels == other.channels
    for classes in ((), ("square",)):
        (heat,), (same,) = attention(run, [wide], classes=classes), attention(network, [wide], classes=classes)
        assert np.array_equal(heat.heat, same.heat)
        assert (heat.target, heat.probability) == (same.target, same.probability)
    assert np.array_equal(filters(run).weights, filters(network).weights)


def test_embed_takes_a_loaded_network(run: Path, folder: Path) -> None:
    for data in (None, str(folder)):
        one = embed(run, data, quiet=True)
        other = embed(leannet.load(run)[0], data, quiet=True)
        assert (one.names, one.classes, one.split) == (other.names, other.classes, other.split)
        assert np.array_equal(one.labels, other.labels)
        assert np.array_equal(one.confidences, other.confidences)
        for plane, same in zip(one.planes, other.planes, strict=True):
            assert np.array_equal(plane.points, same.points)
    fresh = leannet.create("mobilenet_v2", width=0.35, resolution=48, classes=2)
    with pytest.raises(LeannetError, match="says nothing of the data it was trained on: name some"):
        embed(fresh, quiet=True)


def test_a_resolution_of_its_own_is_that_of_its_images(run: Path, wide: Path) -> None:
    network = leannet.create("mobilenet_v2", width=0.35, resolution=64, weights=run)
    assert network.origin is not None
    assert (network.origin.preprocessing.height, network.origin.preprocessing.resize) == (64, "squash")
    assert activations(network, [wide])[0].image.shape == (64, 64, 3)
    assert leannet.create("mobilenet_v2", width=0.35, weights=run).architecture.input.height == 48


def test_another_head_has_forgotten_the_classes_and_the_scores(run: Path, wide: Path) -> None:
    preprocessing = leannet.load(run)[1].preprocessing
    reset = leannet.load(run)[0]
    reset.reset_classifier(2)  # as many as before, and yet not the same
    with pytest.warns(UserWarning, match="a fresh Logits for 4 classes"):
        more = leannet.create("mobilenet_v2", width=0.35, classes=4, weights=run)
    for network, count in ((reset, 2), (more, 4)):
        assert network.origin is not None
        assert network.origin.classes == tuple(f"class {number}" for number in range(count))
        assert (network.origin.preprocessing, network.origin.metrics) == (preprocessing, Metrics())
        assert network.origin.architecture == network.architecture
        assert network.origin.split == leannet.load(run)[1].split  # it has trained on those images
        with pytest.raises(LeannetError, match="no class is named 'square'"):
            attention(network, [wide], classes=["square"])


def test_a_backbone_keeps_the_preprocessing_and_no_class_names(run: Path, wide: Path) -> None:
    network, header = leannet.load(run)
    for taps in ((), ("Conv1",)):
        backbone = cut(network, taps).eval()
        assert backbone.origin is not None
        assert backbone.origin.preprocessing == header.preprocessing
        assert backbone.origin.architecture == backbone.architecture
        (one,), (other,) = activations(network, [wide], "Conv1"), activations(backbone, [wide], "Conv1")
        assert np.array_equal(one.maps, other.maps)
        assert other.channels == one.channels  # numbers, also where there are as many as there were classes
    assert cut(network, ("Logits",)).origin.classes == header.classes  # type: ignore[union-attr]


def test_a_stem_for_other_channels_reads_images_of_those(run: Path, wide: Path) -> None:
    with pytest.warns(UserWarning, match="adapted from 3 to 1 channels"):
        grey = leannet.create("mobilenet_v2", width=0.35, in_channels=1, weights=run)
    assert grey.origin is not None
    assert (grey.origin.preprocessing.color, grey.origin.preprocessing.resize) == ("L", "squash")
    assert attention(grey, [wide])[0].target in {"disc", "square"}
    with torch.no_grad():
        assert activations(grey, [wide], "Conv1")[0].image.shape == (48, 48, 1)
