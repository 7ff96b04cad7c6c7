"""Built networks against other implementations, against themselves, and against torch."""

import pytest
import torch
import torch.nn.functional as F

import leannet
from leannet.blocks.layers import ConvLayer
from leannet.errors import LeannetError
from leannet.network import build, folded, subnetwork, zero_init_residual
from leannet.rows import (
    Add,
    Architecture,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    Input,
    Linear,
    Multiply,
    Norm,
    Output,
    Pool,
    Shuffle,
)
from leannet.rows.finding import VALUES
from leannet.rows.gating import has_gates
from leannet.tasks import finds_boxes
from leannet.zoo import FAMILIES, architecture
from tests.conftest import in_full, lively


def _odd_resolution(name: str) -> int:
    """An odd size that the network takes, small enough for a quick test."""
    for resolution in (33, 65, 97, 129, 193):
        try:
            architecture(name, 0.5, resolution)
        except LeannetError:
            continue
        return resolution
    raise AssertionError(name)


def _first(outputs: torch.Tensor | dict[str, torch.Tensor]) -> torch.Tensor:
    return next(iter(outputs.values())) if isinstance(outputs, dict) else outputs


@pytest.mark.parametrize("name", in_full(sorted(FAMILIES)))
def test_properties_of_every_network(name: str) -> None:
    torch.manual_seed(0)
    resolution = _odd_resolution(name)
    network = leannet.create(name, width=0.5, resolution=resolution, classes=4, in_channels=2)
    flattens = not any(isinstance(row, GlobalPool) for row in network.architecture.rows)
    images = torch.randn(3, 2, resolution, resolution + (0 if flattens else 2))
    network.train()
    outputs = network(images)
    sum(out.square().sum() for out in (outputs.values() if isinstance(outputs, dict) else [outputs])).backward()
    unmoved = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert unmoved == [] or has_gates(network.architecture)  # what is skipped learns nothing
    network.eval()
    with torch.no_grad():
        together = _first(network(images))
        (_, *shape) = together.shape
        assert shape == ([VALUES, 100, 1] if finds_boxes(network.architecture) else [4])
        assert torch.equal(together, _first(network(images)))
        alone = torch.cat([_first(network(image[None])) for image in images])
    # Fresh branches that are added make values large, and their rounding; gates of fresh maps too.
    is_large = name.startswith(("mobileone", "ghostnet_v2"))
    tolerance = 1e-2 * float(together.abs().max()) if is_large else 1e-5
    if finds_boxes(network.architecture):
        tolerance = 1e-4 * resolution  # the edges of boxes, in pixels
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=tolerance)


def test_a_layer_is_found_by_either_spelling() -> None:
    network = leannet.create("mobilenet_v2", width=0.35)
    project = network.layer("expanded_conv.project")
    assert network.layer("expanded_conv_project") is project
    assert network.layer("block_3").get_submodule("expand") is network.layer("block_3.expand")
    with pytest.raises(LeannetError, match=r"no layer 'block_3.expnd'; nearest: block_3.expand"):
        network.layer("block_3.expnd")


@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 8, 13])
def test_same_padding_is_tensorflows(kernel: int, stride: int, size: int) -> None:
    """SAME: ceil(size / stride) outputs, and of the zeros the odd one after (tensorflow.nn, notes on padding)."""
    row = Conv(name="c", out_channels=1, kernel=kernel, stride=stride, padding="same")
    arch = Architecture(name="x", input=Input(channels=1, height=size, width=size), rows=(row,))
    network = build(arch)
    image = torch.randn(1, 1, size, size)
    out = -(-size // stride)
    zeros = max((out - 1) * stride + kernel - size, 0)
    before = zeros // 2
    weight = network.layer("c").conv.weight[0, 0]
    expected = torch.zeros(out, out)
    for i in range(out):
        for j in range(out):
            for y in range(kernel):
                for x in range(kernel):
                    row_at, column_at = i * stride + y - before, j * stride + x - before
                    if 0 <= row_at < size and 0 <= column_at < size:
                        expected[i, j] += weight[y, x] * image[0, 0, row_at, column_at]
    torch.testing.assert_close(network(image)[0, 0], expected)


@pytest.mark.parametrize("op", ["max", "average"])
@pytest.mark.parametrize("padding", ["same", "symmetric", "valid", 1])
@pytest.mark.parametrize("ceil", [False, True])
def test_pools_by_hand(op: str, padding: str | int, ceil: bool) -> None:
    """Padding is neither the largest nor part of a mean."""
    size, kernel, stride = 8, 3, 2
    row = Pool(name="p", op=op, kernel=kernel, stride=stride, padding=padding, ceil=ceil)  # type: ignore[arg-type]
    arch = Architecture(name="x", input=Input(channels=1, height=size, width=size), rows=(row,))
    image = torch.randn(1, 1, size, size)
    result = build(arch)(image)[0, 0]
    before = {"same": 0, "symmetric": 1, "valid": 0}.get(padding, padding)  # type: ignore[arg-type]
    for i in range(result.shape[0]):
        for j in range(result.shape[1]):
            top, left = i * stride - before, j * stride - before
            seen = image[0, 0, max(top, 0) : top + kernel, max(left, 0) : left + kernel]
            torch.testing.assert_close(result[i, j], seen.max() if op == "max" else seen.mean())
    assert tuple(result.shape) == tuple(arch.shapes["p"][1:])


def test_shared_rows_run_the_same_weights() -> None:
    conv = Conv(name="a", out_channels=3, kernel=3, norm=Norm())
    again = Conv(name="b", out_channels=3, kernel=3, norm=Norm(), shares="a")
    arch = Architecture(
        name="x", input=Input(height=9, width=9), rows=(conv, again, Add(name="sum", inputs=("a", "b")))
    )
    network = build(arch).eval()
    assert {key.split(".")[0] for key in network.state_dict()} == {"a"}
    image = torch.randn(1, 3, 9, 9)
    once = network.layer("a")(image)
    torch.testing.assert_close(network(image), once + network.layer("a")(once))


def test_several_outputs_come_by_name() -> None:
    arch = architecture("mobilenet_v2_debug").only("Conv1", "block_2")
    network = build(arch)
    out = network(torch.zeros(1, 3, 32, 32))
    assert {name: tuple(value.shape) for name, value in out.items()} == {
        "Conv1": (1, 32, 16, 16),
        "block_2": (1, 16, 8, 8),
    }


def test_vectors_and_images_have_the_shapes_of_their_rows() -> None:
    """A vector is (N, C, 1, 1) between rows, so that it adds, scales and is convolved as its row says."""
    rows = (
        Conv(name="c", out_channels=6),
        GlobalPool(name="gap"),
        Linear(name="l", out_channels=6),
        Add(name="sum", inputs=("gap", "l")),
        Multiply(name="scaled", inputs=("c", "sum")),
        Flatten(name="flat"),
        Conv(name="again", out_channels=5),
        Dropout(name="drop", rate=0.5),
    )
    arch = Architecture(name="x", input=Input(height=8, width=8), rows=rows)
    network = build(arch).eval()
    assert network(torch.zeros(8, 3, 8, 8)).shape == (8, 5)
    assert arch.head == "again"
    assert build(arch.only("scaled"))(torch.zeros(8, 3, 8, 8)).shape == (8, 6, 8, 8)


def test_an_exact_path_comes_before_another_spelling() -> None:
    rows = (Conv(name="a", out_channels=3), Conv(name="a_conv", out_channels=3))
    network = build(Architecture(name="x", input=Input(height=4, width=4), rows=rows))
    assert isinstance(network.layer("a.conv"), torch.nn.Conv2d)
    assert network.layer("a_conv") is network.get_submodule("a_conv")


@pytest.mark.parametrize("name", ["train", "steps", "architecture", "run"])
def test_a_row_name_that_torch_uses_is_refused(name: str) -> None:
    arch = Architecture(name="x", input=Input(height=4, width=4), rows=(Linear(name=name, out_channels=2),))
    with pytest.raises(LeannetError, match="torch modules use this name"):
        build(arch)


def test_activations_against_their_formulas() -> None:
    """MobileNetV3, section 5.2: h-sigmoid is ReLU6(x + 3) / 6, and h-swish x times that."""
    from leannet.blocks import activation_module

    x = torch.linspace(-6, 6, 1001)
    formulas = {
        "linear": x,
        "relu": x.clamp(min=0),
        "relu6": x.clamp(0, 6),
        "swish": x / (1 + torch.exp(-x)),
        "h_swish": x * (x + 3).clamp(0, 6) / 6,
        "sigmoid": 1 / (1 + torch.exp(-x)),
        "h_sigmoid": (x + 3).clamp(0, 6) / 6,
        "tanh": torch.tanh(x),
    }
    for name, expected in formulas.items():
        torch.testing.assert_close(activation_module(name)(x.clone()), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(("channels", "groups"), [(12, 3), (8, 2), (20, 5), (6, 6)])
def test_a_shuffle_is_undone_by_the_one_with_groups_swapped(channels: int, groups: int) -> None:
    rows = (Shuffle(name="there", groups=groups), Shuffle(name="back", groups=max(channels // groups, 2)))
    image = torch.randn(2, channels, 3, 3)
    arch = Architecture(name="x", input=Input(channels=channels, height=3, width=3), rows=rows)
    if channels // groups > 1:
        assert torch.equal(build(arch)(image), image)
    once = build(arch.only("there"))(image)
    order = [group * (channels // groups) + i for i in range(channels // groups) for group in range(groups)]
    assert torch.equal(once, image[:, order])


def test_a_grouped_convolution_is_its_dense_form_with_zeros() -> None:
    row = Conv(name="c", out_channels=6, kernel=3, groups=3)
    network = build(Architecture(name="x", input=Input(channels=9, height=5, width=5), rows=(row,)))
    weight = network.layer("c").conv.weight
    dense = torch.zeros(6, 9, 3, 3)
    for group in range(3):
        dense[2 * group : 2 * group + 2, 3 * group : 3 * group + 3] = weight[2 * group : 2 * group + 2]
    image = torch.randn(2, 9, 5, 5)
    torch.testing.assert_close(network(image), F.conv2d(image, dense, padding=1))


@pytest.mark.parametrize("name", ["mobilenet_v2_debug", "mobilenet_v3_small", "resnet_debug", "shufflenet_v2_residual"])
def test_residual_branches_that_add_nothing_at_first(name: str) -> None:
    """Each sum is then its shortcut, whatever the branch computes."""
    network = leannet.create(name, resolution=64, classes=3).eval()
    zero_init_residual(network)
    sums = [node.path for node in network.architecture.layers if isinstance(node.row, Add)]
    assert sums
    seen: dict[str, tuple[torch.Tensor, ...]] = {}
    for path in sums:
        network.layer(path).register_forward_hook(
            lambda module, inputs, output, path=path: seen.update({path: (*inputs, output)})
        )
    network(torch.randn(2, 3, 64, 64))
    for path in sums:
        _, shortcut, total = seen[path]
        assert torch.equal(total, network.layer(path).activation(shortcut)), path


@pytest.mark.parametrize("name", sorted(name for name in FAMILIES if name.endswith("debug")))
def test_folding_batch_norm_changes_no_output(name: str) -> None:
    network = lively(leannet.create(name, classes=3))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = torch.randn(2, 3, network.architecture.input.height, network.architecture.input.width)
    copied = folded(network)
    with torch.no_grad():
        expected, outputs = _first(network(x)), _first(copied(x))
    torch.testing.assert_close(outputs, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    layers = [module for module in copied.modules() if isinstance(module, ConvLayer)]
    assert layers
    assert not any(isinstance(layer.norm, torch.nn.BatchNorm2d) for layer in layers)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_subnetwork_takes_over_weights_that_it_shared() -> None:
    rows = (
        Conv(name="conv", out_channels=4, kernel=3, norm=Norm()),
        GlobalPool(name="pool"),
        Linear(name="helper", out_channels=3),
        Linear(name="classes", inputs=("pool",), out_channels=3, shares="helper"),
    )
    outputs = (Output(row="classes"), Output(row="helper", role="auxiliary"))
    table = Architecture(name="shared", input=Input(height=8, width=8), rows=rows, outputs=outputs)
    network = lively(build(table)).eval()
    smaller = subnetwork(network, table.without_auxiliary())
    assert list(smaller.architecture.shapes) == ["conv", "pool", "classes"]
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(smaller(x), network(x))
