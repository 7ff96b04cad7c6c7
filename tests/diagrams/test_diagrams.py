"""Every network of the zoo, and others, as images: nothing overlaps, nothing is missing, no line goes astray."""

import csv
import io
import random
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leannet.cost import count
from leannet.diagrams import Diagram, draw, to_csv, to_dict, to_svg, typical_unit, write
from leannet.diagrams.layered import Item, Link
from leannet.diagrams.routes import lay_out
from leannet.diagrams.scene import Panel
from leannet.errors import LeannetError
from leannet.rows import (
    Add,
    Architecture,
    BlockBase,
    Concat,
    Conv,
    Input,
    InvertedResidual,
    Norm,
    Pool,
    Row,
    Upsample,
)
from leannet.zoo import FAMILIES, architecture
from tests.conftest import in_full
from tests.diagrams.geometry import faults

DIRECTIONS = ("down", "right")


def pruned() -> Architecture:
    """MobileNetV2 as a pruner leaves it: no width is round, and one of them is 1."""
    chosen, arch = random.Random(0), architecture("mobilenet_v2")
    for row in architecture("mobilenet_v2").rows:
        if isinstance(row, InvertedResidual) and row.expansion_channels:
            arch = arch.edit(row.name, expansion_channels=chosen.choice((1, 7, 101, 333, 1023)))
    return arch.edit("block_16", out_channels=317)


def pyramid() -> Architecture:
    """Two outputs at two levels, of one size joined from above, with shared weights."""
    backbone = architecture("mobilenet_v2", resolution=128).only("block_5", "block_12").rows
    head = Conv(name="head_4", inputs=("merged",), out_channels=16, kernel=3, norm=Norm(), activation="relu")
    return Architecture(
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


def any_graph(seed: int) -> Architecture:
    """Rows that read whichever rows are near above them."""
    chosen, rows, names = random.Random(seed), list[Row](), ["input"]
    for number in range(chosen.randint(2, 12)):
        near = names[-chosen.randint(1, 6) :]
        sources = tuple(chosen.choice(near) for _ in range(chosen.randint(2, 4)))
        match chosen.choice(("conv", "conv", "add", "concat", "pool")):
            case "conv":
                rows.append(Conv(name=f"conv_{number}", inputs=sources[:1], out_channels=16))
            case "pool":
                name = f"pool_{number}"
                rows.append(Pool(name=name, inputs=sources[:1], op="max", kernel=3, stride=1, padding="symmetric"))
            case "concat":
                rows.append(Concat(name=f"concat_{number}", inputs=sources))
            case _:
                fits = [
                    Conv(name=f"fit_{number}_{n}", inputs=(source,), out_channels=16)
                    for n, source in enumerate(sources)
                ]
                rows += [*fits, Add(name=f"add_{number}", inputs=tuple(fit.name for fit in fits))]
        names.append(rows[-1].name)
    read = {name for row in rows for name in row.inputs}
    ends = tuple(row.name for row in reversed(rows) if row.name not in read)
    return Architecture(name="any", input=Input(channels=16, height=32, width=32), rows=tuple(rows), outputs=ends)


def forms_of_blocks() -> list[tuple[str, str]]:
    """The first block of each form in the zoo, a form being a kind and its fields but for widths: network and row."""
    rows_by_form: dict[str, tuple[str, str]] = {}
    for name in FAMILIES:
        arch = architecture(name)
        for row in arch.rows:
            if isinstance(row, BlockBase):
                fields = row.model_dump(exclude={"name", "inputs", "norm", "eps"})
                form = {k: v for k, v in fields.items() if k in {"stride", "groups", "kernel"} or type(v) is not int}
                rows_by_form.setdefault(f"{type(row)} {form} {len({*arch.reads()[row.name]})}", (name, row.name))
    return list(rows_by_form.values())


def owners(panel: Panel) -> dict[str, str]:
    """For each row the box that stands for it."""
    return {row: box.key for box in panel.boxes for row in box.rows}


def check_whole(arch: Architecture, diagram: Diagram) -> None:
    """Every row is in one box, in order, and the edges are those of the table."""
    (panel,) = diagram.panels
    assert [row for box in panel.boxes for row in box.rows] == [row.name for row in arch.rows]
    box = {"input": "input", **owners(panel)}
    edges = [
        (box[source], box[name]) for name, sources in arch.reads().items() for source in sources if box[name] == name
    ]
    edges += [(box[name], f"{name}:end") for name in arch.output_names]
    assert sorted((edge.source, edge.target) for edge in panel.edges) == sorted(edges)


def check_inside(arch: Architecture, row: str, diagram: Diagram) -> None:
    """With all blocks opened, boxes are the layers, and the edges through frames are what the layers read."""
    (panel,) = diagram.panels
    box = owners(panel)
    layers = [layer for layer in arch.layers if layer.path.startswith(f"{row}.")]
    assert sorted(box) == sorted(layer.path for layer in layers)
    edges = {(box.get(path, "outside"), box[layer.path]) for layer in layers for path in layer.inputs}
    end_of = {frame.key: f"{frame.key}:end" for frame in panel.frames}
    into = {edge.target: edge.source for edge in panel.edges if edge.target in end_of.values()}
    comes: dict[str, list[str]] = {}
    for edge in panel.edges:
        if edge.target in end_of:
            comes.setdefault(edge.target, []).append(edge.source)

    def source_of(key: str) -> str:
        if key in end_of:
            return source_of(into[end_of[key]])
        block, _, name = key.partition(":")
        if name and block in end_of:
            return source_of(comes[block][int(name.removeprefix("input_") or 1) - 1 if "_" in name else 0])
        return "outside" if name else key

    drawn_edges = {(source_of(edge.source), edge.target) for edge in panel.edges if edge.target in set(box.values())}
    assert drawn_edges == edges


@pytest.mark.parametrize("name", in_full(FAMILIES))
def test_every_network(name: str) -> None:
    arch = architecture(name)
    for direction in DIRECTIONS:
        diagram = draw(arch, direction=direction)
        assert faults(diagram) == []
        check_whole(arch, diagram)
    expanded = draw(arch, everything=True)
    check_whole(arch, expanded)
    assert len(expanded.panels[0].boxes) == len(arch.rows) + 1


@pytest.mark.parametrize(("name", "row"), forms_of_blocks())
def test_the_inside_of_every_form_of_block(name: str, row: str) -> None:
    arch = architecture(name)
    for direction in DIRECTIONS:
        assert faults(draw(arch, rows=[row], direction=direction)) == []
        diagram = draw(arch, rows=[row], direction=direction, everything=True)
        assert faults(diagram) == []
        check_inside(arch, row, diagram)


@pytest.mark.parametrize("arch", [pruned(), pyramid()], ids=["pruned", "pyramid"])
def test_tables_that_no_paper_has(arch: Architecture) -> None:
    for direction in DIRECTIONS:
        for everything in (False, True):
            diagram = draw(arch, direction=direction, everything=everything)
            assert faults(diagram) == []
            check_whole(arch, diagram)
    for row in arch.rows:
        if isinstance(row, BlockBase):
            assert faults(draw(arch, rows=[row.name])) == []


@settings(max_examples=40)
@example(46709, "right")  # lines of which each ended where the other began
@example(46221, "down")
@example(1431, "right")
@given(st.integers(0, 10**9), st.sampled_from(DIRECTIONS))
def test_any_graph(seed: int, direction: str) -> None:
    arch = any_graph(seed)
    diagram = draw(arch, direction=direction, everything=True)  # type: ignore[arg-type]
    assert faults(diagram) == []
    check_whole(arch, diagram)


def test_side_by_side_tops_are_aligned() -> None:
    networks = [architecture(name) for name in ("nasnet_a_mobile", "mobilenet_v1", "shufflenet_v1", "mobilenet_v2")]
    for diagram in (draw(*networks), draw(*networks, units=True), draw(networks[2], rows=["stage2_1", "stage2_2"])):
        assert faults(diagram) == []
        assert len({min(box.area.top for box in panel.boxes) for panel in diagram.panels}) == 1
    below = draw(*networks, units=True, columns=3)
    assert faults(below) == []
    tops = [min(box.area.top for box in panel.boxes) for panel in below.panels]
    assert tops[0] == tops[1] == tops[2] < max(box.area.bottom for box in below.panels[0].boxes) < tops[3]
    names = [panel.name for panel in draw(*networks, units=True).panels]
    assert names == [
        "nasnet_a_mobile.cell_2",  # two equal ones a stage
        "mobilenet_v1.Conv2d_7",  # five of 512 channels
        "shufflenet_v1.stage3_2",  # seven
        "mobilenet_v2.block_7",  # three of 64 channels
    ]


def test_equal_rows_are_folded_as_the_paper_counts_them() -> None:
    """MobileNetV2, Table 2, column n, less the first of each stage, whose stride or width differs."""
    boxes = draw(architecture("mobilenet_v2")).panels[0].boxes
    repeats = [box.cost["repeats"] for box in boxes if box.kind == "inverted_residual"]
    assert repeats == [1, 1, 1, 1, 2, 1, 3, 1, 2, 1, 2, 1]
    assert sum(repeats) == 17
    tapped = architecture("resnet50").only("layer1_1", "fc")  # the middle of three equal rows is read from outside
    check_whole(tapped, draw(tapped))
    assert all(box.cost.get("repeats") != 3 or "layer1" not in box.key for box in draw(tapped).panels[0].boxes)


def test_figures_are_those_of_the_count() -> None:
    for name in ("mobilenet_v3_large", "googlenet_aux", "nasnet_a_mobile"):
        arch = architecture(name)
        cost = count(arch)
        boxes = [box for box in draw(arch).panels[0].boxes if box.rows]
        assert sum(box.cost["macs"] for box in boxes) == cost.macs
        assert sum(box.cost["params"] for box in boxes) == cost.params
    arch = architecture("mobilenet_v3_large")
    (group,) = [group for group in count(arch).by_row() if group.name == "block_4"]
    inside = draw(arch, rows=["block_4"]).panels[0]
    assert sum(box.cost["macs"] for box in inside.boxes if box.rows) == group.macs
    (frame,) = inside.frames
    assert (frame.key, frame.kind) == ("block_4.squeeze_excite", "squeeze_excite")


def test_a_residual_is_a_straight_line_beside_a_straight_trunk() -> None:
    (panel,) = draw(architecture("mobilenet_v2"), rows=["block_2"]).panels
    trunk = [edge for edge in panel.edges if edge.source != "block_2:input" or edge.target == "block_2.expand"]
    assert all(len(edge.line.points) == 2 for edge in trunk)
    (beside,) = [edge for edge in panel.edges if edge not in trunk]
    assert len(beside.line.points) == 5  # down, out, down, in
    assert beside.line.points[-1][1] == panel.boxes[-1].area.center[1]


def test_a_split_joins_two_slices_and_parts_what_it_says() -> None:
    (panel,) = draw(architecture("shufflenet_v2"), rows=["stage2_2"]).panels
    split = panel.boxes[1]
    assert split.rows == ("stage2_2.left", "stage2_2.right")
    assert [text.text for text in panel.texts if text.text == "58"][:2] == ["58", "58"]
    assert "channel shuffle, 2 groups" in [text.text for box in panel.boxes for text in box.texts]


def test_blocks_in_blocks_are_opened_where_that_stays_small() -> None:
    assert draw(architecture("nasnet_a_mobile"), rows=["cell_1"]).panels[0].frames == ()
    assert len(draw(architecture("nasnet_a_mobile"), rows=["cell_1"], everything=True).panels[0].frames) == 5
    nested = draw(architecture("mobilenet_v3_large"), rows=["block_4.squeeze_excite"])
    assert [box.key for box in nested.panels[0].boxes][1:] == [
        f"block_4.squeeze_excite.{name}" for name in ("pool", "reduce", "restore", "scale")
    ]


def test_names_of_any_length_and_letters() -> None:
    rows = (
        Conv(name="a" + "_long" * 30, out_channels=3, kernel=3),
        Conv(name="W" * 50, out_channels=12345, kernel=1),
    )
    arch = Architecture(name='<b>&"\x00\x1b 日本 é', input=Input(height=8, width=8), rows=rows)
    for direction in DIRECTIONS:
        diagram = draw(arch, direction=direction)
        assert faults(diagram) == []
        assert ElementTree.fromstring(to_svg(diagram)) is not None
    assert draw(arch).file_name == "_b_日本_é.svg"


def test_svg_is_xml_with_a_title_for_every_box_and_always_the_same() -> None:
    names = ("nasnet_a_mobile", "googlenet_aux")
    first = to_svg(draw(*map(architecture, names)))
    assert first == to_svg(draw(*map(architecture, names)))
    root = ElementTree.fromstring(first)
    space = "{http://www.w3.org/2000/svg}"
    boxes = root.findall(f".//{space}g[@tabindex]")
    assert len(boxes) == sum(len(panel.boxes) for panel in draw(*map(architecture, names)).panels)
    assert all(box[0].tag == f"{space}title" and box[0].text for box in boxes)
    assert root[0].text == "nasnet_a_mobile, googlenet_aux"
    assert "prefers-color-scheme:dark" in first
    assert "http" not in first.replace("http://www.w3.org/2000/svg", "")


def test_csv_and_json_have_a_line_a_box() -> None:
    diagram = draw(architecture("mobilenet_v3_small"), rows=["block_1"])
    (panel,) = diagram.panels
    lines = list(csv.DictReader(io.StringIO(to_csv(diagram))))
    data = to_dict(diagram)["panels"][0]
    assert len(lines) == len(panel.boxes) + len(panel.frames) == len(data["boxes"]) + len(data["frames"])
    by_box = {line["box"]: line for line in lines}
    expand = next(layer for layer in count(architecture("mobilenet_v3_small")).layers if layer.path == "block_1.expand")
    assert int(by_box["block_1.expand"]["macs"]) == expand.macs
    assert int(by_box["block_1.expand"]["out_channels"]) == expand.out_shape.channels
    assert len(data["edges"]) == len(panel.edges)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["Conv1"], "'Conv1' is a layer, with nothing inside to draw; blocks of mobilenet_v2"),
        (["block_99"], "no row 'block_99'; nearest: block_9"),
        (["block_1.squeeze"], "'block_1' has no 'squeeze' inside"),
        (["block_1.expand"], "'block_1.expand' is a layer"),
    ],
)
def test_rows_that_cannot_be_drawn(rows: list[str], message: str) -> None:
    with pytest.raises(LeannetError, match=message):
        draw(architecture("mobilenet_v2"), rows=rows)


def test_what_does_not_pair() -> None:
    two = architecture("mobilenet_v2"), architecture("shufflenet_v2")
    with pytest.raises(LeannetError, match="a row for each of 2 networks, in their order, found 1"):
        draw(*two, rows=["block_1"])
    with pytest.raises(LeannetError, match="found both"):
        draw(*two, rows=["block_1", "stage2_1"], units=True)
    with pytest.raises(LeannetError, match="two_layer has no blocks"):
        typical_unit(architecture("two_layer"))


def test_a_layout_by_hand() -> None:
    """A diamond of 40 x 20 boxes: branches side by side 22 apart, their source and their join at the middle."""
    items = [Item(key, 40, 20) for key in "abcd"]
    links = [Link("a", "b"), Link("a", "c"), Link("b", "d"), Link("c", "d", place=1)]
    layout = lay_out(items, links)
    assert {key: (spot.before, spot.start) for key, spot in layout.spots.items()} == {
        "a": (31, 0),
        "b": (0, 42),
        "c": (62, 42),
        "d": (31, 84),
    }
    assert layout.routes[0] == [(51, 20), (51, 27), (20, 27), (20, 42)]


def test_drawings_are_written_under_names_of_any_kind(tmp_path: Path) -> None:
    drawn = draw(architecture("mobilenet_v2_debug"))
    for name in ("a.svg", "a.csv", "a.png"):
        write(drawn, str(tmp_path / name))
        write(drawn, tmp_path / f"path_{name}")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"path_{name}").read_bytes()
