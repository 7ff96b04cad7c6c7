"""The algebra of tables: a rewritten, shortened or lengthened table is the network that it should be."""

import pytest
import torch

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.network import build
from leannet.rows import (
    Add,
    Architecture,
    BasicResidual,
    Conv,
    Flatten,
    Input,
    Linear,
    Node,
    Norm,
    Pool,
    RowBase,
    Shape,
    Upsample,
    parameters,
)
from leannet.zoo import FAMILIES, architecture
from tests.conftest import in_full

SMALL = [name for name in FAMILIES if name.endswith("_debug")]


def _inside(node: Node) -> list[RowBase] | None:
    return [each.row for each in node.inside] or None


@pytest.mark.parametrize("name", SMALL)
def test_blocks_written_out_are_the_same_network(name: str) -> None:
    table = architecture(name)
    flat = table
    while any(node.inside for node in flat.graph.nodes):  # blocks inside blocks
        flat = flat.rewrite(_inside)
    assert [layer.row.kind for layer in flat.layers] == [layer.row.kind for layer in table.layers]
    assert (count(flat).params, count(flat).macs) == (count(table).params, count(table).macs)
    network, written_out = build(table).eval(), build(flat).eval()
    state = network.state_dict()
    written_out.load_state_dict(dict(zip(written_out.state_dict(), state.values(), strict=True)))
    x = torch.randn(2, *table.input.shape)
    with torch.no_grad():
        torch.testing.assert_close(written_out(x), network(x), rtol=0, atol=0)


def test_a_rule_asked_for_what_is_inside_writes_out_only_the_blocks_that_it_changes() -> None:
    def with_h_swish(node: Node) -> list[RowBase] | None:
        conv = node.row
        if isinstance(conv, Conv) and conv.kernel == 3 and conv.groups == 1 and node.in_shapes[0].channels == 32:
            return [conv.model_copy(update={"activation": "h_swish"})]
        return None

    table = architecture("cifar_resnet20")
    changed = table.rewrite(with_h_swish, inside=True)
    kept = [row.name for row in changed.rows if isinstance(row, BasicResidual)]
    # The second stage reads 32 channels from its first block's second convolution to the third stage's first.
    assert kept == [name for name in (row.name for row in table.rows) if name.startswith("layer1_")] + [
        "layer3_1",
        "layer3_2",
    ]
    written = [layer.row for layer in changed.layers if isinstance(layer.row, Conv)]
    assert sum(conv.activation == "h_swish" for conv in written) == 6
    assert (count(changed).params, count(changed).macs) == (count(table).params, count(table).macs)
    assert Architecture.from_json(changed.to_json()) == changed


def test_rows_that_share_weights_are_rewritten_alike_or_not_at_all() -> None:
    first = Conv(name="a", out_channels=3, kernel=5)
    rows = (first, first.model_copy(update={"name": "b", "shares": "a"}))
    table = Architecture(name="x", input=Input(height=8, width=8), rows=rows)

    def stacked(node: Node) -> list[RowBase] | None:
        return [Conv(name=name, out_channels=3, kernel=3) for name in ("first", "second")]

    changed = table.rewrite(stacked)
    assert [(row.name, row.shares) for row in changed.rows] == [
        ("a_first", None), ("a_second", None), ("b_first", "a_first"), ("b_second", "a_second"),
    ]  # fmt: skip
    assert len(build(changed).state_dict()) == 2
    for only in "ab":
        with pytest.raises(LeannetError, match="row 'b' uses the weights of 'a': expected both rewritten, found one"):
            table.rewrite(lambda node, only=only: stacked(node) if node.path == only else None)  # type: ignore[misc]  # mypy cannot infer a default's type


def test_a_rule_gets_what_a_node_reads_by_the_names_that_blocks_use() -> None:
    table = Architecture(
        name="x",
        input=Input(channels=4, height=8, width=8),
        rows=(
            Conv(name="left", out_channels=4, inputs=("input",)),
            Conv(name="right", out_channels=4, inputs=("input",)),
            Add(name="sum", inputs=("left", "right")),
            Conv(name="last", out_channels=2),
        ),
        outputs=("sum", "last"),
    )

    def scaled_sum(node: Node) -> list[RowBase] | None:
        if not isinstance(node.row, Add):
            return None
        return [Conv(name="scaled", out_channels=4, inputs=("input_2",)), Add(name="sum", inputs=("input", "scaled"))]

    changed = table.rewrite(scaled_sum)
    assert changed.reads() == {
        "left": ("input",), "right": ("input",), "sum_scaled": ("right",), "sum_sum": ("left", "sum_scaled"),
        "last": ("sum_sum",),
    }  # fmt: skip
    assert changed.output_names == ("sum_sum", "last")
    with pytest.raises(LeannetError, match="row 'sum': expected rows from the rule, or None, found none"):
        table.rewrite(lambda node: [] if isinstance(node.row, Add) else None)


def test_without_residual_blocks_the_network_is_that_much_shallower() -> None:
    deep, shallow = architecture("cifar_resnet32"), architecture("cifar_resnet20")
    without = deep.without(*(f"layer{stage}_{block}" for stage in (1, 2, 3) for block in (1, 3)))
    assert (count(without).params, count(without).macs) == (count(shallow).params, count(shallow).macs)
    assert all(not row.inputs for row in without.rows)  # a chain stays a chain
    with pytest.raises(LeannetError, match=r"row 'layer2_0' cannot be left out: .* 16 x 16 x 32, found 32 x 32 x 16"):
        deep.without("layer2_0")
    with pytest.raises(LeannetError, match="no row 'layer9'; nearest: layer"):
        deep.without("layer9")


def test_a_row_left_out_is_replaced_in_every_reader_and_output() -> None:
    conv = Conv(name="a", out_channels=3, kernel=3)
    table = Architecture(
        name="x",
        input=Input(height=8, width=8),
        rows=(conv, conv.model_copy(update={"name": "b"}), conv.model_copy(update={"name": "c"}),
              Add(name="sum", inputs=("b", "c"))),
        outputs=("c", "sum"),
    )  # fmt: skip
    shorter = table.without("b", "c")
    assert shorter.reads() == {"a": ("input",), "sum": ("a", "a")}
    assert shorter.output_names == ("a", "sum")


def test_several_rows_are_edited_at_once_where_one_alone_would_not_fit() -> None:
    table = architecture("mobilenet_v2")
    with pytest.raises(LeannetError, match="equal widths"):
        table.edit("block_1", out_channels=32)
    wider = table.edit({"block_1": {"out_channels": 32}, "block_2": {"out_channels": 32}})
    assert wider.shapes["block_2"] == Shape(32, 56, 56)
    with pytest.raises(LeannetError, match="has no row 'block_99'; nearest: block_"):
        table.edit({"block_1": {"out_channels": 24}, "block_99": {}})


def test_rows_are_added_below() -> None:
    backbone = architecture("mobilenet_v2_debug").only("block_1")
    longer = backbone.then(Upsample(name="up"), Conv(name="map", out_channels=5), outputs=("block_1", "map"))
    assert longer.shapes["map"] == Shape(5, 2 * backbone.shapes["block_1"].height, 2 * backbone.shapes["block_1"].width)
    assert longer.output_names == ("block_1", "map")
    with pytest.raises(LeannetError, match="another row or input has this name"):
        backbone.then(Conv(name="block_1", out_channels=5))


def test_who_reads_a_layer() -> None:
    graph = architecture("cifar_resnet20").graph
    assert [node.path for node in graph.readers["input"]] == ["conv1"]
    assert [node.path for node in graph.readers["layer1_0.add"]] == ["layer1_1.conv_1", "layer1_1.add"]
    assert graph.readers["fc"] == ()
    assert graph.by_path["layer1_1"].made_by == "layer1_1.add"
    assert graph.by_path["layer1_1.conv_1"].reads == ("input",)


def test_rows_inside_a_shared_block_use_its_weights() -> None:
    block = BasicResidual(name="a", out_channels=4)
    rows = (block, block.model_copy(update={"name": "b", "shares": "a"}))
    table = Architecture(name="x", input=Input(channels=4, height=8, width=8), rows=rows)
    shares = {layer.path: layer.shares for layer in table.layers}
    assert shares == {
        "a.conv_1": None, "a.conv_2": None, "a.add": None,
        "b.conv_1": "a.conv_1", "b.conv_2": "a.conv_2", "b.add": "a.add",
    }  # fmt: skip
    flat = table.rewrite(_inside)
    assert [row.shares for row in flat.rows] == [None, None, None, "a_conv_1", "a_conv_2", "a_add"]


# What is stored


@pytest.mark.parametrize("name", in_full(FAMILIES))
def test_the_parameters_of_a_table_are_the_state_of_its_module(name: str) -> None:
    table = architecture(name)
    with torch.device("meta"):
        network = build(table)
    state = network.state_dict()
    assert {key: each.shape for key, each in table.parameters.items()} == {k: tuple(v.shape) for k, v in state.items()}
    assert list(table.parameters) == list(state)
    learned = {key for key, each in table.parameters.items() if each.learned}
    assert learned == {key for key, _ in network.named_parameters()}
    assert all(len(each.axes) == len(each.shape) for each in table.parameters.values())
    for layer in table.layers:
        for each in parameters(layer):
            sizes = dict(zip(each.axes, each.shape, strict=True))
            assert sizes.get("out", layer.out_shape.channels) == layer.out_shape.channels


def test_the_stems_of_a_table_read_the_image() -> None:
    assert architecture("mobilenet_v2").stems == ("Conv1.conv.weight",)
    rows = (
        Pool(name="smaller", op="average", kernel=2, stride=2),
        Conv(name="a", out_channels=4, norm=Norm(), inputs=("smaller",)),
        Conv(name="b", out_channels=4, inputs=("smaller",)),
        Add(name="sum", inputs=("a", "b")),
        Flatten(name="flat"),
        Linear(name="classes", out_channels=3),
    )
    assert Architecture(name="x", rows=rows).stems == ("a.conv.weight", "b.conv.weight")


def test_rows_of_a_rule_that_do_not_fit_are_refused_by_name() -> None:
    table = Architecture(
        name="x",
        input=Input(height=8, width=8),
        rows=(Conv(name="a_x", out_channels=3), Conv(name="a", out_channels=3)),
    )
    for new, words in (
        (["x", "y"], "row 'a': the rule gives a row 'a_x', and there is one already"),
        (["z"], "reads 'nothing', which is none of its own above; nearest: input"),
    ):
        rows = [Conv(name=name, out_channels=3, inputs=("nothing",) if name == "z" else ()) for name in new]
        with pytest.raises(LeannetError, match=words):
            table.rewrite(lambda node, rows=rows: rows if node.path == "a" else None)  # type: ignore[misc]  # mypy cannot infer a default's type
    with pytest.raises(LeannetError, match=r"expected fields of one row, or a mapping of rows, found both \(stride\)"):
        table.edit({"a": {}}, stride=2)
    with pytest.raises(LeannetError, match="expected at least one row to be left, found none"):
        table.without("a_x", "a")
