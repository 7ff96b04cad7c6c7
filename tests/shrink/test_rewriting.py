"""The designer's moves keep shapes and receptive fields, and cost what the papers say."""

import math

import pytest

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.network import build
from leannet.rows import Architecture, Conv, Depthwise, Input
from leannet.rows.graph import Node
from leannet.shrink.rewriting import rewrite
from leannet.zoo import FAMILIES, architecture
from tests.conftest import crossed

SMALL = [name for name in FAMILIES if name.endswith("_debug")]
FEW = ("resnet_debug", "mobilenet_v3_debug", "googlenet_debug")
CASES = crossed(SMALL, ["separable", "grouped:2", "activation:h_swish", "width:0.5", "stacked"], FEW)


def _dense(node: Node) -> bool:
    row = node.row
    return isinstance(row, Conv) and row.kernel > 1 and row.groups == 1 and "input" not in node.inputs


@pytest.mark.parametrize("name", ["cifar_resnet38", "vgg16", "alexnet", "resnet18"])
def test_separable_costs_the_formula_to_the_integer(name: str) -> None:
    """1/N + 1/k^2 of each dense convolution's mult-adds (MobileNets, section 3.1)."""
    before = architecture(name)
    after = rewrite(before, ["separable"]).architecture
    macs = 0
    for layer, cost in zip(before.layers, count(before).layers, strict=True):
        if _dense(layer):
            assert isinstance(layer.row, Conv)
            whole, rest = divmod(cost.macs * (layer.row.kernel**2 + layer.out_shape.channels),
                                 layer.row.kernel**2 * layer.out_shape.channels)  # fmt: skip
            assert rest == 0
            macs += whole
        else:
            macs += cost.macs
    assert count(after).macs == macs
    assert after.shapes[after.output_names[0]] == before.shapes[before.output_names[0]]
    assert not [layer for layer in after.layers if _dense(layer)]


@pytest.mark.parametrize(("name", "rule"), CASES)
def test_every_rule_gives_a_network_that_runs(name: str, rule: str) -> None:
    import torch

    before = architecture(name)
    squares = [layer.row for layer in before.layers if getattr(layer.row, "kernel_width", None) is None]
    if rule == "stacked" and not any(getattr(row, "kernel", 1) in {5, 7, 11} for row in squares):
        return
    if rule in {"separable", "grouped:2"} and not any(_dense(layer) for layer in before.layers):
        return
    if rule == "activation:h_swish" and "relu" not in {getattr(layer.row, "activation", "") for layer in before.layers}:
        return
    after = rewrite(before, [rule]).architecture
    assert after.shapes[after.output_names[0]] == before.shapes[before.output_names[0]]
    assert Architecture.from_json(after.to_json()) == after
    with torch.no_grad():
        outputs = build(after).eval()(torch.zeros(1, *after.input.shape))
    first = outputs if isinstance(outputs, torch.Tensor) else next(iter(outputs.values()))
    assert first.numel() == math.prod(before.shapes[before.output_names[0]])


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(5, 1, "symmetric"), (7, 2, 3), (11, 4, 2), (5, 2, "valid")])
@pytest.mark.parametrize("kind", [Conv, Depthwise])
def test_stacked_sees_as_many_pixels(kind: type, kernel: int, stride: int, padding: str | int) -> None:
    width = {"out_channels": 8} if kind is Conv else {}
    row = kind(name="large", kernel=kernel, stride=stride, padding=padding, activation="relu", **width)
    before = Architecture(name="one", input=Input(channels=4, height=33, width=33), rows=(row,))
    after = rewrite(before, ["stacked"]).architecture
    assert [layer.row.kernel for layer in after.layers] == [3] * ((kernel - 1) // 2)  # type: ignore[attr-defined]  # not every row has one
    assert after.layers[-1].out_shape == before.layers[-1].out_shape
    assert count(after).layers[-1].receptive_field == kernel == count(before).layers[-1].receptive_field


def test_grouped_divides_what_dense_convolutions_cost() -> None:
    before = architecture("cifar_resnet38")
    after = rewrite(before, ["grouped:4"]).architecture
    for layer, one, other in zip(before.layers, count(before).layers, count(after).layers, strict=True):
        assert other.macs == (one.macs // 4 if _dense(layer) else one.macs)


def test_some_rows_and_rows_to_keep() -> None:
    table = architecture("cifar_resnet20")
    only = rewrite(table, ["separable"], rows=["layer1_0"])
    assert set(only.changed) == {"layer1_0.conv_1", "layer1_0.conv_2", "layer1_0.add"}
    kept = rewrite(table, ["separable"], keep=["layer1_0"]).architecture
    assert kept.row("layer1_0") == table.row("layer1_0")
    inside = rewrite(table, ["separable"], rows=["layer1_1.conv_2"]).architecture
    assert [layer.path for layer in inside.layers if isinstance(layer.row, Depthwise)] == ["layer1_1_conv_2_depthwise"]


def test_one_after_another() -> None:
    after = rewrite(architecture("cifar_resnet20"), ["separable", "activation:relu6", "width:0.5"]).architecture
    assert after.name == "cifar_resnet20_separable_activation_relu6_width_0_5"
    assert {getattr(layer.row, "activation", "relu6") for layer in after.layers} <= {"relu6", "linear"}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["seperable"], "--rule seperable: expected one of stacked, grouped, .* nearest: separable"),
        (["grouped"], "--rule grouped: expected a number above 1"),
        (["width:2"], "--rule width:2: expected a number above 0 and below 1, found '2'"),
        (["activation:mish"], "--rule activation:mish: expected one of linear, relu"),
        (["stacked"], "--rule stacked: expected rows that it changes in cifar_resnet20, found none"),
        ([], "expected a rule"),
    ],
)
def test_mistakes(rules: list[str], message: str) -> None:
    with pytest.raises(LeannetError, match=message):
        rewrite(architecture("cifar_resnet20"), rules)
