"""What is tied goes together: a network without channels that were zero gives the same answers."""

import numpy as np
import pytest
import torch

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.network import Network, build
from leannet.rows import Add, Architecture, BasicResidual, Conv, Input, Linear, Norm, Normalize, parameters
from leannet.rows.channels import Channels, channels
from leannet.rows.narrowing import narrowed
from leannet.zoo import FAMILIES, architecture
from tests.conftest import lively

SMALL = [name for name in FAMILIES if name.endswith("_debug")]
FORMS = ["cifar_mobilenet_v2", "cifar_mobilenet_v3_small", "cifar_shufflenet_v2", "cifar_resnet20"]


def _some(tied: Channels, share: float, seed: int) -> list[int]:
    """About this share of the groups that may go, and of no layer all."""
    draw = np.random.default_rng(seed)
    left = {path: {int(group): int((groups == group).sum()) for group in np.unique(groups)} for path, groups in
            tied.written.items()}  # fmt: skip
    removed = []
    for group in draw.permutation([group for group in range(tied.count) if group not in tied.fixed]):
        of = [path for path, groups in left.items() if group in groups]
        if draw.random() < share and all(len(left[path]) > 1 for path in of):
            removed.append(int(group))
            for path in of:
                del left[path][group]
    return removed


def _zeroed(network: Network, tied: Channels, removed: list[int]) -> None:
    """Makes every channel of these groups zero, whatever the image."""
    state = network.state_dict()
    for layer in network.architecture.layers:
        if layer.shares is not None:
            continue
        gone = np.flatnonzero(np.isin(tied.written[layer.path], removed))
        for parameter in parameters(layer):
            if "out" in parameter.axes and parameter.learned:
                state[f"{layer.path}.{parameter.name}"][gone] = 0


def _check(table: Architecture, share: float, seed: int) -> Architecture:
    torch.manual_seed(seed)
    network, tied = lively(build(table)).eval(), channels(table)
    removed = _some(tied, share, seed)
    _zeroed(network, tied, removed)
    narrow = narrowed(tied, removed)
    pruned = build(narrow.architecture).eval()
    state = narrow.state({key: value.numpy() for key, value in network.state_dict().items()})
    pruned.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in state.items()})
    x = torch.randn(3, *table.input.shape)
    with torch.no_grad():
        expected, answers = network(x), pruned(x)
    assert removed
    assert count(narrow.architecture).params < count(table).params
    scale = float(expected.abs().max())
    torch.testing.assert_close(answers, expected, rtol=0, atol=1e-5 * max(scale, 1))
    assert Architecture.from_json(narrow.architecture.to_json()) == narrow.architecture
    return narrow.architecture


@pytest.mark.parametrize("name", [*SMALL, *FORMS])
def test_without_channels_that_are_zero_the_answers_are_the_same(name: str) -> None:
    narrow = _check(architecture(name), 0.5, seed=1)
    _check(narrow, 0.3, seed=2)  # and again


def test_blocks_stay_blocks_where_their_fields_say_the_new_widths() -> None:
    for name in ("mobilenet_v2_debug", "mobilenet_v3_debug", "squeezenet_debug", "cifar_shufflenet_v2"):
        table = architecture(name)
        narrow = _check(table, 0.4, seed=3)
        assert [row.kind for row in narrow.rows] == [row.kind for row in table.rows]


def test_a_residual_stage_is_tied_through_its_sums_and_says_so() -> None:
    table = architecture("cifar_resnet20")
    tied = channels(table)
    assert {path for path, _ in tied.makers[int(tied.written["conv1"][3])]} == {
        "conv1", *(f"layer1_{block}.conv_2" for block in range(3)),
    }  # fmt: skip
    why = {(tie.path, tie.why) for tie in tied.tied_with("layer1_1.conv_2")}
    assert ("layer1_1.add", "it adds them") in why
    assert all(path.startswith("layer1_") for path, _ in why)
    assert len(tied.makers[int(tied.written["layer1_1.conv_1"][0])]) == 1


def test_what_cannot_go_is_said() -> None:
    table = architecture("mobilenet_v2_debug")
    tied = channels(table)
    with pytest.raises(
        LeannetError, match=f"a channel cannot be removed: it is an output of the network, {table.head}"
    ):
        narrowed(tied, [int(tied.written[table.head][0])])
    with pytest.raises(LeannetError, match="cannot be removed: the image has it"):
        narrowed(tied, [int(tied.written["input"][0])])
    expand = sorted({int(group) for group in tied.written["block_1.expand"]})
    with pytest.raises(LeannetError, match=r"layer block_1\.expand: expected a channel to be left, found none"):
        narrowed(tied, expand)
    local = channels(architecture("googlenet"))
    assert local.fixed[int(local.written["conv1"][0])] == "norm1 normalizes each channel by its neighbors"


def test_layers_and_blocks_that_share_weights_lose_the_same_channels() -> None:
    conv = Conv(name="a", out_channels=6, kernel=3, norm=Norm(), activation="relu")
    block = BasicResidual(name="first", out_channels=6)
    rows = (
        conv,
        Normalize(name="norm"),
        conv.model_copy(update={"name": "b", "inputs": ("input",), "shares": "a"}),
        Normalize(name="again", shares="norm"),
        Add(name="sum", inputs=("norm", "again"), activation="relu"),
        block,
        block.model_copy(update={"name": "second", "shares": "first"}),
        Linear(name="classes", out_channels=3),
    )
    table = Architecture(name="shared", input=Input(height=8, width=8), rows=rows)
    for seed in range(4):
        narrow = _check(table, 0.5, seed)
        assert [row.shares for row in narrow.rows] == [row.shares for row in rows]


def test_one_filter_a_channel_written_as_groups() -> None:
    rows = (
        Conv(name="a", out_channels=8, activation="relu"),
        Conv(name="each", out_channels=8, groups=8, kernel=3, activation="relu"),
        Linear(name="classes", out_channels=3),
    )
    table = Architecture(name="grouped", input=Input(height=6, width=6), rows=rows)
    tied = channels(table)
    narrow = narrowed(tied, [int(tied.written["a"][0])])
    assert narrow.architecture.row("each").groups == 7  # type: ignore[attr-defined]  # of rows in general mypy knows no groups
    assert narrow.state({k: np.zeros(p.shape) for k, p in table.parameters.items()})["each.conv.weight"].shape[1] == 1
    for seed in range(3):
        _check(table, 0.5, seed)
