"""What a width costs is known without making the rows: it equals what the counter says of them."""

import numpy as np
import pytest

from leannet.cost import count, graph
from leannet.errors import LeannetError
from leannet.rows.channels import channels
from leannet.rows.narrowing import narrowed
from leannet.shrink.choosing import Choice, check_names, choose, matching
from leannet.shrink.widths import Costs, widths
from leannet.zoo import FAMILIES, architecture

SMALL = [name for name in FAMILIES if name.endswith("_debug")]
FORMS = ["cifar_mobilenet_v2", "cifar_shufflenet_v2", "cifar_resnet20"]


@pytest.mark.parametrize("name", [*SMALL, *FORMS])
def test_costs_equal_what_is_counted_of_the_narrower_rows(name: str) -> None:
    table = architecture(name)
    tied = channels(table)
    of = widths(tied)
    costs = Costs(tied, of)
    draw = np.random.default_rng(1)
    for share in (0.0, 0.3, 0.6):
        fewer = np.array([int(share * draw.random() * len(width.groups)) for width in of], np.int64)
        removed = [int(group) for width, number in zip(of, fewer, strict=True) for group in width.groups[:number]]
        small = narrowed(tied, removed).architecture
        assert costs.of("macs", fewer) == count(small).macs
        assert costs.of("params", fewer) == count(small).params
        assert costs.of("activation_bytes", fewer) == graph(small).peak_activation_bytes
        assert [costs.channels(fewer)[place] for place in range(len(costs.paths))] == [
            layer.out_shape.channels for layer in small.layers
        ]


def test_the_size_of_a_file_is_known_to_the_byte() -> None:
    import torch

    from leannet.network import build

    table = architecture("mobilenet_v2_debug")
    tied = channels(table)
    costs = Costs(tied, widths(tied), overhead_bytes=7)
    state = build(table).state_dict()
    stored = sum(value.numel() * value.element_size() for value in state.values())
    assert costs.of("size_bytes", np.zeros(len(costs.widths), np.int64)) == stored + 7
    assert torch.int64 in {value.dtype for value in state.values()}


@pytest.mark.parametrize("ranking", ["global", "per-row"])
@pytest.mark.parametrize("name", ["cifar_mobilenet_v2", "mobilenet_v3_debug", "cifar_resnet20", "squeezenet_debug"])
def test_budgets_are_met_in_multiples_of_eight(name: str, ranking: str) -> None:
    table = architecture(name)
    tied = channels(table)
    costs = Costs(tied, widths(tied))
    scores = np.random.default_rng(0).random(tied.count)
    budgets = {"macs": 0.6 * count(table).macs, "params": 0.7 * count(table).params}
    removed = choose(costs, scores, budgets, Choice(ranking))  # type: ignore[arg-type]  # one of both
    small = narrowed(tied, removed).architecture
    assert count(small).macs <= budgets["macs"]
    assert count(small).params <= budgets["params"]
    for old, new in zip(table.layers, small.layers, strict=True):
        if old.out_shape.channels % 8 == 0:
            assert new.out_shape.channels % 8 == 0
        assert new.out_shape.channels >= 0.1 * old.out_shape.channels
    again = choose(costs, scores, budgets, Choice(ranking))  # type: ignore[arg-type]  # one of both
    assert removed == again


def test_the_lowest_scores_of_a_row_go() -> None:
    table = architecture("mobilenet_v1_debug")
    tied = channels(table)
    costs = Costs(tied, widths(tied))
    scores = np.random.default_rng(2).random(tied.count)
    removed = choose(costs, scores, {"macs": 0.5 * count(table).macs}, Choice())
    for width in costs.widths:
        gone = [group for group in width.groups if group in removed]
        left = [group for group in width.groups if group not in removed]
        assert not gone or scores[gone].max() < scores[left].min()


def test_what_saves_most_for_its_score_goes_first() -> None:
    """With equal scores the greedy choice is the one whose steps save most each, which a brute force confirms."""
    table = architecture("mobilenet_v1_debug")
    tied = channels(table)
    costs = Costs(tied, widths(tied))
    nothing = np.zeros(len(costs.widths), np.int64)
    macs = float(costs.of("macs", nothing))
    steps = [width for width in costs.widths if len(width.groups) > 8]
    savings = {}
    for place, width in enumerate(costs.widths):
        if width in steps:
            fewer = nothing.copy()
            fewer[place] = 8
            savings[place] = macs - float(costs.of("macs", fewer))
    removed = choose(costs, np.ones(tied.count), {"macs": macs - 1}, Choice(least=0.0))
    (place,) = {p for p, width in enumerate(costs.widths) if not removed.isdisjoint(width.groups.tolist())}
    assert savings[place] == max(savings.values())


def test_a_budget_below_the_floor_says_the_floor() -> None:
    table = architecture("mobilenet_v2_debug")
    tied = channels(table)
    costs = Costs(tied, widths(tied))
    with pytest.raises(LeannetError, match=r"--macs 1: expected at least [\d.]+ k, which is left when every row"):
        choose(costs, np.ones(tied.count), {"macs": 1.0}, Choice())


def test_rows_to_keep_and_rows_to_narrow() -> None:
    table = architecture("mobilenet_v2_debug")
    tied = channels(table)
    of = widths(tied)
    row = next(width.row for width in of).split(".")[0]
    assert {width.row.split(".")[0] for width in matching(of, [row], [])} == {row}
    assert row not in {path.split(".")[0] for width in matching(of, [], [row]) for path in width.makers}
    with pytest.raises(LeannetError, match="mobilenet_v2_debug has no row or layer 'blok_1'; nearest: block_1"):
        check_names(["blok_1"], table)
