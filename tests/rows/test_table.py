"""The table: exact as JSON, checked when made, and wide enough for every network of the field."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leannet.errors import LeannetError
from leannet.rows import (
    Activate,
    Add,
    Architecture,
    Concat,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    Input,
    InvertedResidual,
    Linear,
    Norm,
    Pool,
    Separable,
    Shape,
    Upsample,
)
from leannet.zoo import FAMILIES, architecture
from tests.conftest import in_full


@pytest.mark.parametrize("name", in_full(sorted(FAMILIES)))
@settings(max_examples=8)
@given(
    width=st.floats(0.1, 2.5), resolution=st.integers(64, 256), classes=st.integers(1, 50), channels=st.integers(1, 4)
)
def test_json_round_trip_is_exact(name: str, width: float, resolution: int, classes: int, channels: int) -> None:
    try:
        arch = architecture(name, width, resolution, classes, channels)
    except LeannetError as error:
        assert "the smallest it takes is" in str(error)  # noqa: PT017 (only the resolution may be refused)
        return
    assert Architecture.from_json(arch.to_json()) == arch
    assert Architecture.model_validate_json(arch.model_dump_json()) == arch


def test_a_row_a_line() -> None:
    text = architecture("mobilenet_v2").to_json()
    assert sum('"kind"' in line for line in text.splitlines()) == len(architecture("mobilenet_v2").rows)


BROKEN = {
    "zero width": ({"kind": "conv", "name": "a", "out_channels": 0}, "row 'a'", "out_channels"),
    "width as text": ({"kind": "conv", "name": "a", "out_channels": "8"}, "row 'a'", "out_channels"),
    "unknown field": ({"kind": "conv", "name": "a", "out_channels": 8, "strid": 2}, "row 'a'", "strid"),
    "unknown kind": ({"kind": "convolution", "name": "a"}, "row 'a'", "kind"),
    "groups": ({"kind": "conv", "name": "a", "out_channels": 8, "groups": 2}, "row 'a'", "groups"),
    "groups of the output": ({"kind": "conv", "name": "a", "out_channels": 8, "groups": 3}, "row 'a'", "out_channels"),
    "missing input": ({"kind": "conv", "name": "a", "out_channels": 8, "inputs": ["stem"]}, "row 'a'", "inputs"),
    "one input to add": ({"kind": "add", "name": "a", "inputs": ["input"]}, "row 'a'", "inputs"),
    "stride": ({"kind": "conv", "name": "a", "out_channels": 8, "stride": 9}, "row 'a'", "stride"),
    "kernel": ({"kind": "conv", "name": "a", "out_channels": 8, "kernel": 9, "padding": "valid"}, "row 'a'", "kernel"),
    "a dot in a name": ({"kind": "conv", "name": "a.b", "out_channels": 8}, "row 'a.b'", "name"),
    "residual": ({"kind": "inverted_residual", "name": "a", "out_channels": 8, "residual": True}, "'a'", "residual"),
    "epsilon": ({"kind": "conv", "name": "a", "out_channels": 8, "norm": {"eps": 0}}, "row 'a'", "norm.eps"),
    "shares": ({"kind": "conv", "name": "a", "out_channels": 8, "shares": "b"}, "row 'a'", "shares"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_row_is_refused_by_name_and_field(case: str) -> None:
    row, name, field = BROKEN[case]
    data = {"name": "broken", "input": {"channels": 3, "height": 8, "width": 8}, "rows": [row]}
    with pytest.raises(LeannetError) as error:
        Architecture.from_json(json.dumps(data), "file.json")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("file.json")
    assert name in message
    assert f"'{field}'" in message


def test_two_rows_of_one_name_and_a_row_that_leads_nowhere() -> None:
    a, b = Conv(name="a", out_channels=4), Conv(name="b", out_channels=4, inputs=("input",))
    with pytest.raises(ValueError, match="another row or input has this name"):
        Architecture(name="x", rows=(a, a))
    with pytest.raises(ValueError, match="row 'a' leads to no output"):
        Architecture(name="x", rows=(a, b))


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(LeannetError, match="newer than this leannet reads"):
        Architecture.from_json('{"format_version": 2, "name": "x", "rows": []}')


def test_edit_changes_one_row_and_everything_follows() -> None:
    before = architecture("mobilenet_v2")
    after = before.edit("block_16", out_channels=200)
    assert after.row("block_16").out_channels == 200  # type: ignore[attr-defined]
    assert after.shapes["block_16"] == Shape(200, 7, 7)
    assert before.shapes["block_16"] == Shape(320, 7, 7)


def test_edit_that_breaks_a_later_row_names_that_row() -> None:
    with pytest.raises(LeannetError, match=r"row 'block_2'.*residual.*equal widths, found 32 in, 24 out"):
        architecture("mobilenet_v2").edit("block_1", out_channels=32)


def test_only_keeps_what_leads_to_an_output() -> None:
    cut = architecture("mobilenet_v2").only("block_3", "block_6")
    assert cut.rows[-1].name == "block_6"
    assert cut.output_names == ("block_3", "block_6")


# The design, tried on the networks that are not plain chains.


def test_a_feature_pyramid_with_a_head_shared_by_its_levels() -> None:
    backbone = architecture("mobilenet_v2", resolution=128).only("block_5", "block_12").rows
    head = Conv(name="head_4", inputs=("merged",), out_channels=16, kernel=3, norm=Norm(), activation="relu")
    pyramid = Architecture(
        name="pyramid",
        input=Input(height=128, width=128),
        rows=(
            *backbone,
            Conv(name="lateral_5", inputs=("block_12",), out_channels=16),
            Upsample(name="up", inputs=("lateral_5",)),
            Conv(name="lateral_4", inputs=("block_5",), out_channels=16),
            Add(name="merged", inputs=("lateral_4", "up")),
            head,
            head.model_copy(update={"name": "head_5", "inputs": ("lateral_5",), "shares": "head_4"}),
        ),
        outputs=("head_4", "head_5"),
    )
    assert pyramid.shapes["head_4"] == Shape(16, 16, 16)
    assert pyramid.shapes["head_5"] == Shape(16, 8, 8)
    assert Architecture.from_json(pyramid.to_json()) == pyramid


def test_sharing_needs_the_same_row_and_widths() -> None:
    a = Conv(name="a", out_channels=3, kernel=3)
    with pytest.raises(ValueError, match="field 'shares': 'a' has kernel 3, this row has 1"):
        Architecture(name="x", rows=(a, Conv(name="b", out_channels=3, kernel=1, shares="a")))
    wide = Conv(name="a", out_channels=8, kernel=3)
    with pytest.raises(ValueError, match="reads other widths"):
        Architecture(name="x", rows=(wide, Conv(name="b", out_channels=8, kernel=3, shares="a")))


def test_a_change_of_a_shared_row_changes_all_that_share_it() -> None:
    first = Conv(name="a", out_channels=3, kernel=3)
    rows = (first, *(first.model_copy(update={"name": name, "shares": "a"}) for name in "bc"))
    net = Architecture(name="x", input=Input(height=8, width=8), rows=rows)
    for name in "abc":
        assert {row.kernel for row in net.edit(name, kernel=5).rows if isinstance(row, Conv)} == {5}


def test_where_the_owner_of_weights_goes_the_first_that_shares_them_has_them() -> None:
    first = Conv(name="a", out_channels=3, kernel=3, inputs=("input",))
    rows = (first, *(first.model_copy(update={"name": name, "shares": "a"}) for name in "bc"))
    net = Architecture(name="x", input=Input(height=8, width=8), rows=rows, outputs=("a", "b", "c"))
    rest = net.only("b", "c")
    assert [(row.name, row.shares) for row in rest.rows] == [("b", None), ("c", "b")]


def test_fully_connected_rows_share_only_equal_images() -> None:
    rows = (
        Linear(name="a", out_channels=4, inputs=("input",)),
        Pool(name="pool", op="max", kernel=2, stride=2, inputs=("input",)),
        Linear(name="b", out_channels=4, shares="a"),
        Add(name="sum", inputs=("a", "b")),
    )
    with pytest.raises(ValueError, match="reads other widths"):
        Architecture(name="x", input=Input(height=8, width=8), rows=rows)


def test_a_backbone_has_no_head() -> None:
    with pytest.raises(LeannetError, match="ends in 'block_16', not in a convolution or fully connected row"):
        architecture("mobilenet_v2").only("block_16").with_classes(5)


def test_inception_with_an_auxiliary_head_that_can_be_left_out() -> None:
    net = Architecture(
        name="inception",
        input=Input(height=28, width=28),
        rows=(
            Conv(name="one", out_channels=8, inputs=("input",)),
            Conv(name="three", out_channels=8, kernel=3, inputs=("input",)),
            Pool(name="pool", op="max", kernel=3, stride=1, padding="symmetric", inputs=("input",)),
            Concat(name="mixed", inputs=("one", "three", "pool")),
            GlobalPool(name="aux_pool"),
            Linear(name="aux", out_channels=5),
            GlobalPool(name="gap", inputs=("mixed",)),
            Linear(name="Logits", out_channels=5),
        ),
        outputs=("Logits", "aux"),
    )
    assert net.shapes["mixed"].channels == 19
    assert net.head == "Logits"
    plain = net.only("Logits")
    assert {row.name for row in plain.rows} == {"one", "three", "pool", "mixed", "gap", "Logits"}


def test_a_cell_that_reads_the_two_rows_before() -> None:
    net = Architecture(
        name="cells",
        input=Input(height=16, width=16),
        rows=(
            Conv(name="stem", out_channels=8, kernel=3),
            Separable(name="cell_1", out_channels=8),
            Activate(name="relu", activation="relu", inputs=("stem",)),
            Separable(name="left", out_channels=8, kernel=5),
            Separable(name="right", out_channels=8, inputs=("cell_1",)),
            Add(name="sum", inputs=("left", "right")),
            Concat(name="cell_2", inputs=("sum", "stem")),
            Dropout(name="drop", rate=0.5),
            Flatten(name="flat"),
            Linear(name="Logits", out_channels=3),
        ),
    )
    assert net.shapes["cell_2"].channels == 16


def test_rows_inside_blocks_are_rows() -> None:
    block = InvertedResidual(name="b", out_channels=16, expansion_channels=64, squeeze_channels=16, residual=True)
    inside = [row.name for row in block.expand(Shape(16, 8, 8))]
    assert inside == ["expand", "depthwise", "squeeze_excite", "project", "add"]
