"""Where mult-adds go: sums are those of `count`, shares those of MobileNets' Table 2, and no layer is hidden."""

import pytest

import leannet
from leannet.reports.costs import GROUPS, costs_by_kind, costs_by_row, pointwise_words
from leannet.zoo import FAMILIES

SOME = sorted(FAMILIES)[::7]


@pytest.mark.parametrize("name", [*SOME, "mobilenet_v2", "mobilenet_v3_large", "nasnet_a_mobile", "shufflenet_v2_se"])
def test_rows_layers_and_kinds_add_up_to_the_count(name: str) -> None:
    cost = leannet.count(leannet.architecture(name))
    rows = costs_by_row(cost, None)
    kinds = costs_by_kind(rows)
    assert [(row.name, row.params, row.macs) for row in rows] == [(g.name, g.params, g.macs) for g in cost.by_row()]
    for key in ("params", "macs", "bytes_moved"):
        assert all(sum(layer[key] for layer in row.layers) == row[key] for row in rows)
    assert sum(kind.macs for kind in kinds) == cost.macs
    assert {kind.group for kind in kinds} <= set(GROUPS)
    by_type = {group.name: group.macs for group in cost.by_type()}
    for name_of_type, macs in by_type.items():
        alike = [kind.macs for kind in kinds if kind.kind == name_of_type or kind.kind.startswith(f"{name_of_type} ")]
        if name_of_type != "conv 1x1" and "grouped" not in name_of_type and f"{name_of_type} grouped" not in by_type:
            assert sum(alike) == macs


def test_the_shares_are_those_that_the_paper_prints() -> None:
    """MobileNets, arXiv 1704.04861, Table 2: 94.86 % of the mult-adds and 74.59 % of the parameters in 1x1."""
    cost = leannet.count(leannet.architecture("mobilenet_v1"))
    assert pointwise_words(cost) == (
        "1x1 convolutions together take 94.9 % of the mult-adds and have 74.6 % of the weights."
    )
    assert pointwise_words(leannet.count(leannet.architecture("vgg16"))) == ""


def test_the_projection_of_a_block_is_seen() -> None:
    cost = leannet.count(leannet.architecture("mobilenet_v3_large"))
    row = next(row for row in costs_by_row(cost, None) if row.name == "block_4")
    layers = {layer.path: layer.macs for layer in cost.layers if layer.row == "block_4"}
    shares = {
        "conv 1x1 expand": layers["block_4.expand"],
        "depthwise 5x5": layers["block_4.depthwise"],
        "conv 1x1 squeeze-excite": sum(macs for path, macs in layers.items() if "squeeze_excite" in path),
        "conv 1x1 project": layers["block_4.project"],
    }
    expected = {kind: 100 * macs / row.macs for kind, macs in shares.items()}
    printed = {part.rsplit(" ", 2)[0]: part.rsplit(" ", 2)[1] for part in row.inside.split("; ")}
    assert printed.keys() == expected.keys()
    for kind, share in expected.items():
        assert printed[kind] == ("<1" if share < 1 else f"{share:.0f}")
