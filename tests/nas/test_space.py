"""Search spaces: candidates are edits of a base, and what covers a space has every row of it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.nas.space import Space, Stage
from leannet.nas.spaces import read_space, space_of, stages_of
from leannet.rows import Architecture
from leannet.rows.blocks import InvertedResidual
from leannet.runtime.row_probes import row_key
from leannet.zoo import architecture

BASE = architecture("cifar_mobilenet_v2")
SPACE = space_of(BASE)
WIDE = space_of(BASE, activation=("relu6", "h_swish"), skip=(True, False), resolution=(24, 32))


def test_stages_are_those_of_the_paper() -> None:
    """MobileNetV2, table 2: the repetitions n of each line that expands, 2 to 7."""
    assert [len(rows) for rows in stages_of(architecture("mobilenet_v2"))] == [2, 3, 4, 3, 3, 1]
    assert [len(rows) for rows in stages_of(architecture("mnasnet_b1"))] == [3, 3, 3, 2, 4, 1]


def test_a_stage_that_adds_what_is_before_it_is_as_wide() -> None:
    """FBNet-C's first block adds the stem."""
    space = space_of(architecture("fbnet_c"))
    assert [bool(stage.width) for stage in space.stages] == [False] + [True] * (len(space.stages) - 1)
    space.architecture(space.random(np.random.default_rng(0)))


def test_the_base_is_a_candidate_of_its_own_space() -> None:
    options = {name: of[-1] for name, of in SPACE.decisions}
    options |= {name: 3 for name, _ in SPACE.decisions if name.endswith(".kernel")}
    options |= {name: 0 for name, _ in SPACE.decisions if name.endswith(".squeeze")}
    assert SPACE.architecture(SPACE.candidate(options)).rows == BASE.rows
    for space in (SPACE, WIDE):
        base = space.as_base()  # two widths may be the same number of channels
        assert base is not None
        assert space.architecture(base).rows == BASE.rows
    assert space_of(BASE, kernel=(5, 7)).as_base() is None
    assert space_of(BASE, resolution=(24, 28)).as_base() is None


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_candidate_is_what_it_chooses(seed: int) -> None:
    """Every decision, read back from the rows."""
    space = WIDE
    candidate = space.random(np.random.default_rng(seed))
    chosen = space.options(candidate)
    assert space.candidate(chosen) == candidate
    rows = space.architecture(candidate)
    assert Architecture.from_json(rows.to_json()) == rows
    assert rows.input.shape == (3, chosen["resolution"], chosen["resolution"])
    for number, stage in enumerate(space.stages, start=1):
        names = [row.name for row in rows.rows if row.name in stage.rows]
        assert names == list(stage.rows[: int(chosen.get(f"stage_{number}.depth", len(stage.rows)))])
        for name in names:
            node = rows.graph.by_path[name]
            row, reads = node.row, node.in_shapes[0].channels
            assert isinstance(row, InvertedResidual)
            assert row.expansion_channels is not None
            assert row.kernel == chosen[f"stage_{number}.kernel"]
            assert row.activation == chosen[f"stage_{number}.activation"]
            expected = float(chosen[f"stage_{number}.expansion"]) * reads
            assert abs(row.expansion_channels - expected) <= max(4, 0.1 * expected)
            squeezed = float(chosen[f"stage_{number}.squeeze"]) * row.expansion_channels
            assert (row.squeeze_channels is None) == (squeezed == 0)
            assert row.squeeze_channels is None or abs(row.squeeze_channels - squeezed) <= max(8, 0.1 * squeezed)
            assert row.residual == (name != names[0] and chosen.get(f"stage_{number}.skip", True))
            assert row.out_channels % 8 == 0


def test_what_covers_a_space_has_every_row_of_it() -> None:
    space = space_of(architecture("cifar_mobilenet_v2", 0.5), resolution=(24, 32))
    keys = {row_key(node.row, node.in_shapes) for rows in space.covering() for node in rows.graph.nodes}
    draw = np.random.default_rng(0)
    for _ in range(20):
        nodes = space.architecture(space.random(draw)).graph.nodes
        assert {row_key(node.row, node.in_shapes) for node in nodes} <= keys


def test_all_candidates_cost_between_the_smallest_and_the_largest() -> None:
    least, most = (count(SPACE.architecture(each)) for each in (SPACE.smallest, SPACE.largest))
    draw = np.random.default_rng(1)
    for _ in range(20):
        each = count(SPACE.architecture(SPACE.random(draw)))
        assert least.macs <= each.macs <= most.macs
        assert least.params <= each.params <= most.params


def test_an_expansion_of_one_has_no_convolution_before_it() -> None:
    space = space_of(BASE, expansion=(1, 6))
    row = space.architecture(space.smallest).row("block_1")
    assert isinstance(row, InvertedResidual)
    assert row.expansion_channels is None


def test_a_space_is_a_file(tmp_path: Path) -> None:
    text = """
name = "mine"
base = "cifar_mobilenet_v2:0.5"

[[stages]]
rows = ["block_1", "block_2"]
kernel = [3, 5]
depth = [1, 2]
"""
    file = tmp_path / "space.toml"
    file.write_text(text)
    space = read_space(str(file))
    assert [name for name, _ in space.decisions] == ["stage_1.depth", "stage_1.kernel"]
    assert space.size == 4
    (tmp_path / "space.json").write_text(space.model_dump_json())
    assert read_space(str(tmp_path / "space.json")).architecture((0, 1)) == space.architecture((0, 1))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"block_2"', '"block_22"', "no row 'block_22'; nearest: block_2"),
        ('["block_1", "block_2"]', '["block_2", "block_1"]', "so that it can be left out"),
        ('"block_1"', '"Conv1"', "expected inverted residuals, found row 'Conv1'"),
        ("[1, 2]", "[1, 3]", "at most the 2 rows, found 3"),
        ("[3, 5]", "[3, 4]", "expected odd sizes"),
        ("[3, 5]", "[3, 3]", "expected different options"),
        ("kernel", "kernels", "kernels"),
        ("[[stages]]", "[[stages", "as TOML or JSON"),
    ],
)
def test_a_space_that_is_none_says_why(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = 'name = "a"\nbase = "cifar_mobilenet_v2"\n[[stages]]\nrows = ["block_1", "block_2"]\nkernel = [3, 5]\n'
    file = tmp_path / "space.toml"
    file.write_text((text + "depth = [1, 2]\n").replace(old, new))
    with pytest.raises(LeannetError, match=says.replace("[", r"\[")) as error:
        Space.load(file)
    assert "space.toml" in str(error.value)


def test_stages_stand_as_the_rows_do() -> None:
    """What a stage reads is as wide as the one before it makes it."""
    stages = (Stage(rows=("block_3",), kernel=(3, 5)), Stage(rows=("block_1",), kernel=(3, 5)))
    with pytest.raises(ValueError, match="stage 2: expected stages in the order of the base's rows"):
        Space(name="a", base=BASE, stages=stages)


def test_rows_are_in_one_stage_only() -> None:
    stage = Stage(rows=("block_1",), kernel=(3, 5))
    with pytest.raises(ValueError, match="is in another stage too"):
        Space(name="a", base=BASE, stages=(stage, stage))


def test_what_is_no_candidate_is_refused() -> None:
    with pytest.raises(LeannetError, match="expected a candidate of"):
        SPACE.architecture((0, 0))
    with pytest.raises(LeannetError, match="expected one of 3, 5, found 7"):
        SPACE.candidate(SPACE.options(SPACE.largest) | {"stage_1.kernel": 7})
    with pytest.raises(LeannetError, match="has no decision 'colour'"):
        SPACE.candidate({"colour": 1})
    with pytest.raises(LeannetError, match="expected inverted residuals"):
        space_of(architecture("squeezenet_1_1"))
