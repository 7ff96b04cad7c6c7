"""The field's habits: features, taps, another head."""

import pytest
import torch

import leannet
from leannet.errors import LeannetError
from leannet.zoo import FAMILIES, architecture, models


@pytest.mark.parametrize("name", ["mobilenet_v2", "shufflenet_v2", "resnet18", "squeezenet_1_1", "nasnet_a_mobile"])
def test_features_only_gives_the_last_row_of_each_size(name: str) -> None:
    backbone = leannet.create(name, resolution=128, features_only=True).eval()
    out = backbone(torch.zeros(1, 3, 128, 128))
    sizes = [tuple(value.shape[2:]) for value in out.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == len(set(sizes)) >= 4
    for row, value in out.items():
        assert tuple(value.shape[1:]) == tuple(backbone.architecture.shapes[row])


def test_chosen_taps_are_what_the_whole_network_computes() -> None:
    torch.manual_seed(0)
    whole = leannet.create("mobilenet_v2", width=0.35, resolution=64).eval()
    from leannet.factory import cut

    backbone = cut(whole, ("block_3", "block_9")).eval()
    outputs = {}
    for row in ("block_3", "block_9"):
        whole.layer(row).register_forward_hook(lambda m, i, o, row=row: outputs.__setitem__(row, o))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        whole(image)
        out = backbone(image)
    assert list(out) == ["block_3", "block_9"]
    for row in out:
        assert torch.equal(out[row], outputs[row])
    with pytest.raises(LeannetError, match="no row 'block_99'; nearest: block_9"):
        leannet.create("mobilenet_v2", taps=["block_99"])


@pytest.mark.parametrize("name", [n for n in FAMILIES if n.endswith("_debug") and "vgg" not in n])
def test_forward_features_is_the_last_image(name: str) -> None:
    network = leannet.create(name).eval()
    size = network.architecture.input
    features = network.forward_features(torch.zeros(2, 3, size.height, size.width))
    assert tuple(features.shape[1:]) == tuple(network.architecture.shapes[network.architecture.features])
    assert features.shape[2] > 1


def test_forward_features_of_mobilenet_v2_is_conv_1() -> None:
    assert architecture("mobilenet_v2").features == "Conv_1"
    assert architecture("mobilenet_v2").taps == ("expanded_conv", "block_2", "block_5", "block_12", "Conv_1")


@pytest.mark.parametrize("name", ["mobilenet_v3_debug", "squeezenet_debug", "two_layer_debug"])
def test_reset_classifier_changes_the_head_alone(name: str) -> None:
    network = leannet.create(name).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.reset_classifier(3)
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert network.architecture.classes == 3
    head = network.architecture.head
    for key, value in network.state_dict().items():
        assert key.startswith(head + ".") or torch.equal(value, before[key])


def test_wildcards() -> None:
    assert models("resnet*") == [
        "resnet101", "resnet152", "resnet18", "resnet34", "resnet50", "resnet8", "resnet_debug"
    ]  # fmt: skip
    assert models("shufflenet_v1_g?") == [f"shufflenet_v1_g{g}" for g in (1, 2, 3, 4, 8)]
    assert "cifar_resnet38" in models("resnet3")
