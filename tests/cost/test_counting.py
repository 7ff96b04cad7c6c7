"""The counter against the built module, torch's own counter, brute force, and the papers' tables."""

import json
import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from leannet.blocks.table import masked
from leannet.cost import count
from leannet.network import build
from leannet.rows import Architecture, Conv, Depthwise, GlobalPool, Input, Linear, Norm, Pool
from leannet.zoo import FAMILIES, architecture
from tests.conftest import in_full

VARIANTS = in_full(sorted(FAMILIES), (0.5, 1.0, 1.25))


@pytest.mark.parametrize(("name", "width"), VARIANTS)
def test_counted_params_and_macs_equal_the_modules(name: str, width: float) -> None:
    resolution = 32 if FAMILIES[name].resolution == 32 else 96
    arch = architecture(name, width, resolution, classes=10).without_auxiliary()  # the module runs those in training
    cost = count(arch)
    with torch.device("meta"):
        network = build(arch).eval()
        image = torch.empty(1, 3, resolution, resolution)
    assert cost.params == sum(p.numel() for p in network.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad(), masked(network):
        network(image)
    assert 2 * cost.macs == counter.get_total_flops()


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"])
def test_shapes_equal_the_modules(name: str) -> None:
    arch = architecture(name, resolution=97, classes=10)
    network = build(arch).eval()
    seen = {}
    for row in arch.rows:
        network.layer(row.name).register_forward_hook(
            lambda module, inputs, output, row=row.name: seen.__setitem__(row, tuple(output.shape[1:]))
        )
    with torch.no_grad():
        network(torch.zeros(1, 3, 97, 97))
    for row, shape in arch.shapes.items():
        assert seen[row] == tuple(shape)


def test_table_2_of_the_mobilenets_paper() -> None:
    cost = count(architecture("mobilenet_v1"))
    types = {group.name: group for group in cost.by_type()}
    macs = {name: round(100 * group.macs / cost.macs, 2) for name, group in types.items()}
    weights = {name: round(100 * group.weights / cost.total.weights, 2) for name, group in types.items()}
    assert macs == {"conv 1x1": 94.86, "depthwise 3x3": 3.06, "conv 3x3": 1.91, "fully connected": 0.18}
    assert weights == {"conv 1x1": 74.59, "depthwise 3x3": 1.06, "conv 3x3": 0.02, "fully connected": 24.33}


# Table 1 of the paper: type, stride, filter, input. The stride of the last depthwise row is 1, where it prints 2.
TABLE_1 = [
    ("conv 3x3", 2, "3 x 3 x 3 x 32", "224 x 224 x 3"),
    ("depthwise 3x3", 1, "3 x 3 x 32 dw", "112 x 112 x 32"),
    ("conv 1x1", 1, "1 x 1 x 32 x 64", "112 x 112 x 32"),
    ("depthwise 3x3", 2, "3 x 3 x 64 dw", "112 x 112 x 64"),
    ("conv 1x1", 1, "1 x 1 x 64 x 128", "56 x 56 x 64"),
    ("depthwise 3x3", 1, "3 x 3 x 128 dw", "56 x 56 x 128"),
    ("conv 1x1", 1, "1 x 1 x 128 x 128", "56 x 56 x 128"),
    ("depthwise 3x3", 2, "3 x 3 x 128 dw", "56 x 56 x 128"),
    ("conv 1x1", 1, "1 x 1 x 128 x 256", "28 x 28 x 128"),
    ("depthwise 3x3", 1, "3 x 3 x 256 dw", "28 x 28 x 256"),
    ("conv 1x1", 1, "1 x 1 x 256 x 256", "28 x 28 x 256"),
    ("depthwise 3x3", 2, "3 x 3 x 256 dw", "28 x 28 x 256"),
    ("conv 1x1", 1, "1 x 1 x 256 x 512", "14 x 14 x 256"),
    *[
        ("depthwise 3x3", 1, "3 x 3 x 512 dw", "14 x 14 x 512"),
        ("conv 1x1", 1, "1 x 1 x 512 x 512", "14 x 14 x 512"),
    ]
    * 5,
    ("depthwise 3x3", 2, "3 x 3 x 512 dw", "14 x 14 x 512"),
    ("conv 1x1", 1, "1 x 1 x 512 x 1024", "7 x 7 x 512"),
    ("depthwise 3x3", 1, "3 x 3 x 1024 dw", "7 x 7 x 1024"),
    ("conv 1x1", 1, "1 x 1 x 1024 x 1024", "7 x 7 x 1024"),
    ("global average pool", 1, "pool 7 x 7", "7 x 7 x 1024"),
    ("fully connected", 1, "1024 x 1000", "1 x 1 x 1024"),
]


def test_table_1_of_the_mobilenets_paper() -> None:
    layers = [layer for layer in count(architecture("mobilenet_v1")).layers if layer.filter]
    assert [(x.type, x.stride, x.filter, str(x.in_shape)) for x in layers] == TABLE_1


def test_the_saving_is_that_of_the_dense_convolution() -> None:
    """Equation in section 3.1: 1/N + 1/Dk^2, here against the counted dense convolution, at stride 2 too."""
    for kernel, stride, out in ((3, 1, 64), (5, 2, 24)):
        size = Input(channels=16, height=32, width=32)
        thin = Architecture(
            name="thin",
            input=size,
            rows=(Depthwise(name="dw", kernel=kernel, stride=stride), Conv(name="pw", out_channels=out)),
        )
        dense = Architecture(
            name="dense", input=size, rows=(Conv(name="c", out_channels=out, kernel=kernel, stride=stride),)
        )
        assert count(thin).layers[1].saving == pytest.approx(count(thin).macs / count(dense).macs)


def test_squeeze_excite_does_not_hide_the_saving() -> None:
    layers = {layer.path: layer for layer in count(architecture("mobilenet_v3_small")).layers}
    assert layers["block_4.project"].saving == pytest.approx(1 / 40 + 1 / 25)
    assert layers["block_4.expand"].saving is None


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_receptive_field_by_brute_force(name: str) -> None:
    """The pixels that change one output pixel, found by their gradients, are those counted."""
    size = 641
    arch = architecture(name, width=0.25, resolution=size, classes=10)
    row = arch.rows[9].name
    cut = arch.only(row)
    network = build(cut).eval()
    for module in network.modules():  # no activation may hide a path
        for child, value in list(module.named_children()):
            if isinstance(value, torch.nn.ReLU | torch.nn.ReLU6):
                setattr(module, child, torch.nn.Identity())
    image = torch.zeros(1, 3, size, size, requires_grad=True)
    out = network(image)
    out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum().backward()
    touched = (image.grad[0].abs().sum(0) > 0).nonzero()
    extent = (touched.max(0).values - touched.min(0).values + 1).tolist()
    expected = count(cut).layers[-1].receptive_field
    assert extent == [expected, expected]


def test_shared_weights_count_once_and_their_work_each_time() -> None:
    first = Conv(name="a", out_channels=3, kernel=3, norm=Norm())
    again = Conv(name="b", out_channels=3, kernel=3, norm=Norm(), shares="a")
    cost = count(Architecture(name="x", input=Input(height=8, width=8), rows=(first, again)))
    assert cost.params == 81 + 6
    assert cost.macs == 2 * 81 * 64


def test_bytes_of_a_layer_by_hand() -> None:
    rows = (
        Conv(name="c", out_channels=4, kernel=3, stride=2, bias=True),
        Pool(name="p", op="max", kernel=2, stride=2),
        GlobalPool(name="g"),
        Linear(name="l", out_channels=2),
    )
    cost = count(Architecture(name="x", input=Input(height=8, width=8), rows=rows))
    read, written, weights = 3 * 8 * 8, 4 * 4 * 4, 3 * 9 * 4 + 4
    assert cost.layers[0].bytes_moved == 4 * (read + written + weights)
    assert cost.weight_bytes == 4 * (weights + 4 * 2 + 2)


def test_counting_never_imports_torch() -> None:
    code = (
        "import sys, leannet; c = leannet.count(leannet.architecture('mobilenet_v2'));"
        "assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules), 'heavy import'; print(c.params)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3504872"


def test_count_as_plain_data_is_json() -> None:
    data = json.loads(json.dumps(count(architecture("mobilenet_v1")).to_dict()))
    assert data["params"] == 4_231_976
    assert sum(row["macs"] for row in data["by_row"]) == data["macs"]
    assert sum(layer["params"] for layer in data["layers"]) == data["params"]
