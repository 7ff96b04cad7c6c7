"""Names that Keras and MATLAB give to layers find the layer, its normalization, or its activation."""

import pytest
import torch

import leannet
from leannet.errors import LeannetError
from leannet.layer_names import listed, meaning, translated
from leannet.looks import activations
from leannet.looks.hooks import find
from leannet.zoo import FAMILIES
from tests.conftest import draw


def keras_names() -> list[tuple[str, str]]:
    """MobileNetV2's layers as keras.applications names them, in order, and the part of which row each one is."""
    names = [("Conv1", "Conv1.conv"), ("bn_Conv1", "Conv1.norm"), ("Conv1_relu", "Conv1")]
    # The rows that repeat (Sandler et al. 2018, table 2): a residual where stride is 1 and the widths are equal.
    residual = {2, 4, 5, 7, 8, 9, 11, 12, 14, 15}
    for number in range(17):
        row = f"block_{number}" if number else "expanded_conv"
        steps = (("expand", "relu"), ("depthwise", "relu"), ("project", ""))
        for step, activation in steps if number else steps[1:]:
            layer = f"{row}.{step}"
            names += [(f"{row}_{step}", f"{layer}.conv"), (f"{row}_{step}_BN", f"{layer}.norm")]
            names += [(f"{row}_{step}_{activation}", layer)] if activation else []
        names += [(f"{row}_add", f"{row}.add")] if number in residual else []
    names += [("Conv_1", "Conv_1.conv"), ("Conv_1_bn", "Conv_1.norm"), ("out_relu", "Conv_1")]
    return [*names, ("global_average_pooling2d", "global_average_pooling"), ("Logits", "Logits")]


def test_every_layer_is_counted_where_keras_has_it() -> None:
    """Their number is its place in the list, the input being the first: the pooling is 151, as in MATLAB."""
    architecture = leannet.architecture("mobilenet_v2")
    assert list(listed(architecture)) == ["input", *(path for _, path in keras_names())]
    assert translated(architecture, "151") == "global_average_pooling"
    for number in ("0", "1", "153"):
        with pytest.raises(LeannetError, match=f"layer {number}: expected 2 to 152, counting input, convolution"):
            translated(architecture, number)


def test_every_name_finds_its_module() -> None:
    """A bare convolution's name is that of the whole layer here; all others mean what they mean there."""
    network = leannet.create("mobilenet_v2", classes=3)
    modules = dict(network.named_modules())
    for number, (name, path) in enumerate(keras_names(), start=2):
        assert network.layer(str(number)) is modules[path]
        assert network.layer(name) is modules[path.removesuffix(".conv")], name


def test_what_is_no_layer_here_says_why() -> None:
    network = leannet.create("mobilenet_v2_debug", classes=3)
    with pytest.raises(LeannetError, match=r"softmax and the output are no rows; .*Logits"):
        network.layer("Logits_softmax")
    with pytest.raises(LeannetError, match=r"has no layer 'block_1_expnd_BN'; nearest: block_1\.expand"):
        network.layer("block_1_expnd_BN")


@pytest.mark.parametrize("name", sorted(name for name in FAMILIES if name.endswith("_debug")))
def test_numbers_reach_every_layer_of_every_family(name: str) -> None:
    network = leannet.create(name)
    modules = dict(network.named_modules())
    assert all(path in modules for path in list(listed(network.architecture))[1:])


def test_maps_of_a_normalization_by_its_name() -> None:
    """ReLU6 of the normalization's maps are the layer's."""
    network = leannet.create("mobilenet_v2_debug", classes=3).eval()
    image = draw("disc", 1, 40)
    by_name = {name: activations(network, [image], name)[0].maps for name in ("bn_Conv1", "Conv1_relu", "4")}
    assert by_name["bn_Conv1"].min() < 0
    relu6 = torch.nn.functional.relu6(torch.from_numpy(by_name["bn_Conv1"])).numpy()
    assert (relu6 == by_name["Conv1_relu"]).all()
    assert (by_name["4"] == by_name["Conv1_relu"]).all()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("input_1", "the input is no layer; the first: Conv1"),
        ("block_1_pad", "padding is no layer"),
        ("ClassificationLayer_Logits", "the classes before softmax: Logits"),
        ("block_1_add", r"block_1 has no sum; its output: block_1\.project"),
        ("block_1_project_relu", r"block_1\.project has no activation"),
        ("Logits_BN", "Logits has no normalization"),
    ],
)
def test_a_name_without_a_layer_is_refused(name: str, reason: str) -> None:
    with pytest.raises(LeannetError, match=f"layer '{name}': .*{reason}"):
        leannet.create("mobilenet_v2_debug", classes=3).layer(name)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("block_1_expand", "layer block_1_expand is block_1.expand with its normalization and activation; "
         "block_1.expand.conv is the convolution alone"),
        ("block_1_expand_relu", "layer block_1_expand_relu is block_1.expand after its activation"),
        ("block_1_project_BN", "layer block_1_project_BN is block_1.project.norm"),
        ("block_1.expand", None),
        ("block_2_add", None),
        ("global_average_pooling", None),
        ("predictions", "layer predictions is Logits"),
    ],
)  # fmt: skip
def test_what_a_translated_name_means_is_one_line(name: str, line: str | None) -> None:
    network = leannet.create("mobilenet_v2_debug", classes=3)
    assert meaning(network.architecture, name, find(network, name).path) == line
