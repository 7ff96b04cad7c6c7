"""The graph's depth, branches and memory, by hand and as the papers name them."""

from leannet.cost import graph
from leannet.rows import Add, Architecture, Concat, Conv, Input
from leannet.zoo import architecture


def test_a_small_graph_by_hand() -> None:
    """Two branches, one twice as long as the other, joined, then one more."""
    rows = (
        Conv(name="a", out_channels=4, inputs=("input",)),
        Conv(name="b", out_channels=4),
        Conv(name="c", out_channels=4, inputs=("input",)),
        Add(name="sum", inputs=("b", "c")),
        Concat(name="both", inputs=("sum", "input")),
        Conv(name="d", out_channels=2),
    )
    graph_cost = graph(Architecture(name="x", input=Input(height=10, width=10), rows=rows))
    assert graph_cost.sequential_depth == 3
    assert graph_cost.branches == 2
    # held at "both": input 3, sum 4, both 7 channels of 100 pixels; at "sum": input 3, b 4, c 4, sum 4
    assert graph_cost.peak_activation_bytes == 4 * 100 * (3 + 4 + 4 + 4)


def test_depths_that_the_papers_name() -> None:
    """MobileNetV1 has 28 layers (section 3.2), SqueezeNet 18 on the way through its Fire modules."""
    assert graph(architecture("mobilenet_v1")).sequential_depth == 28
    assert graph(architecture("resnet50")).sequential_depth == 50
    assert graph(architecture("resnet101")).sequential_depth == 101
    assert graph(architecture("vgg16")).sequential_depth == 16
    assert graph(architecture("squeezenet_1_0")).sequential_depth == 18
    assert graph(architecture("googlenet")).sequential_depth == 22  # section 5
    assert graph(architecture("vgg16")).branches == 1
    assert graph(architecture("googlenet")).branches >= 4


def test_a_block_by_hand() -> None:
    """A ShuffleNetV2 unit of stride 2: two ways from one input, of two and of three layers."""
    rows = architecture("shufflenet_v2")
    costs_by_row = {row.name: row for row in graph(rows).rows}
    first = next(row for row in rows.rows if row.kind == "shuffle_unit_v2")
    x = rows.shapes[rows.reads()[first.name][0]]
    out = rows.shapes[first.name]
    assert costs_by_row[first.name].branches == 2
    assert costs_by_row[first.name].sequential_depth == costs_by_row[rows.reads()[first.name][0]].sequential_depth + 3
    # Held when the last depthwise layer has run: the left half, the wide map before it, and what it made.
    assert costs_by_row[first.name].peak_activation_bytes >= 4 * (x.elements + out.elements)
    assert graph(rows).peak_activation_bytes == max(row.peak_activation_bytes for row in costs_by_row.values())
    assert [row.name for row in graph(rows).rows] == [row.name for row in rows.rows]


def test_a_row_sees_no_less_than_the_row_before() -> None:
    """A gate sees the whole image; what it scales does not, nor does the row around both."""
    rows = graph(architecture("mobilenet_v3_large")).rows
    features = [row.receptive_field for row in rows if row.name.startswith(("Conv", "expanded", "block"))]
    assert features == sorted(features)
    assert len(set(features)) > 10
