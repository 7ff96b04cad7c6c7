"""Blocks from outside: as good as leannet's own, refused where they are impossible, never imported from a file."""

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch
from pydantic import ConfigDict

from leannet.checkpoint import load, save
from leannet.cost import count
from leannet.diagrams import draw
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.network import build
from leannet.preprocessing import Preprocessing
from leannet.rows import (
    INPUT,
    KINDS,
    Add,
    Architecture,
    BlockBase,
    Conv,
    GlobalPool,
    Input,
    InvertedResidual,
    Linear,
    Node,
    RowBase,
    RowError,
    Shape,
    Width,
    register,
)
from leannet.zoo import architecture


class Inverted(BlockBase):
    """What an inverted residual is, written anew by a user."""

    kind: Literal["inverted_of_mine"] = "inverted_of_mine"
    out_channels: Width
    """Channels of the output."""
    expansion_channels: Width
    """Channels in the middle."""
    stride: int = 1
    """Step in pixels."""
    residual: bool = False
    """Whether the input is added."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        if self.residual and shapes[0].channels != self.out_channels:
            raise RowError("residual", "needs equal widths")
        fields = self.model_dump(exclude={"kind", "name", "inputs", "shares"})
        return InvertedResidual(name="same", **fields).expand(*shapes)


class Nothing(BlockBase):
    """Stands for no rows."""

    kind: Literal["nothing"] = "nothing"

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        return ()


@pytest.fixture(autouse=True)
def _fresh_kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(KINDS)
    yield
    KINDS.clear()
    KINDS.update(before)


def _mine() -> Architecture:
    """MobileNetV2's debug form, its blocks replaced by the user's where they have an expansion."""
    fields = {"name", "out_channels", "expansion_channels", "stride", "residual"}

    def as_mine(node: Node) -> list[RowBase] | None:
        if isinstance(node.row, InvertedResidual) and node.row.expansion_channels is not None:
            return [Inverted(**node.row.model_dump(include=fields))]
        return None

    return architecture("mobilenet_v2_debug").rewrite(as_mine)


def test_an_own_block_is_counted_built_and_run_as_the_block_it_imitates(tmp_path: Path) -> None:
    register(Inverted)
    mine, theirs = _mine(), architecture("mobilenet_v2_debug")
    assert sum(isinstance(row, Inverted) for row in mine.rows) == 2
    assert count(mine).layers == count(theirs).layers
    torch.manual_seed(0)
    network = build(mine).eval()
    other = build(theirs).eval()
    other.load_state_dict(network.state_dict())
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(images), other(images))
    assert len(draw(mine, rows=["block_1"]).panels) == 1
    assert mine.edit("block_1", stride=1).shapes["block_1"].height == 16

    again = Architecture.from_json(mine.to_json())
    assert again == mine
    assert pickle.loads(pickle.dumps(mine)) == mine
    assert Architecture.model_validate_json(mine.model_dump_json()) == mine
    header = Header(
        architecture=mine,
        classes=tuple(map(str, range(10))),
        preprocessing=Preprocessing(height=32, width=32),
    )
    save(tmp_path / "mine.safetensors", network, header)
    loaded, origin = load(tmp_path / "mine.safetensors")
    assert origin.architecture == mine
    with torch.no_grad():
        assert torch.equal(loaded(images), network(images))


def test_without_it_its_json_and_checkpoints_say_what_to_import(tmp_path: Path) -> None:
    register(Inverted)
    text = _mine().to_json()
    assert json.loads(text)["modules"] == {"inverted_of_mine": Inverted.__module__}
    header = Header(
        architecture=_mine(), classes=tuple(map(str, range(10))), preprocessing=Preprocessing(height=32, width=32)
    )
    save(tmp_path / "mine.safetensors", build(_mine()), header)
    del KINDS["inverted_of_mine"]
    advice = f"it is registered by the module {Inverted.__module__}: import that first"
    with pytest.raises(LeannetError, match="no kind of row is called 'inverted_of_mine' here") as error:
        Architecture.from_json(text, "mine.json")
    assert advice in str(error.value)
    assert str(error.value).startswith("mine.json: row 'block_1' (3 of 8) and 1 more, field 'kind': ")
    with pytest.raises(LeannetError, match=r"mine\.safetensors, architecture: row") as error:
        load(tmp_path / "mine.safetensors")
    assert advice in str(error.value)
    with pytest.raises(ValueError, match="is of the class Inverted, which is not registered"):
        _mine()


def test_what_a_file_calls_a_module_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dangerous.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("dangerous", "dangerous; import os", "\x1b[31mred", 5, ["dangerous"]):
        data = {"name": "x", "modules": {"foreign": name}, "rows": [{"kind": "foreign", "name": "a"}]}
        with pytest.raises(LeannetError, match="no kind of row is called 'foreign'") as error:
            Architecture.from_dict(data)
        assert ("module dangerous:" in str(error.value)) == (name == "dangerous")
        assert "\x1b" not in str(error.value)
    assert not (tmp_path / "ran").exists()
    assert "dangerous" not in sys.modules


def test_registering_twice_and_anew_is_allowed_another_class_of_the_kind_is_not() -> None:
    assert register(register(Inverted)) is Inverted
    anew = type("Inverted", (Inverted,), {"__module__": Inverted.__module__, "__qualname__": "Inverted"})
    register(anew)
    assert KINDS["inverted_of_mine"] is anew
    with pytest.raises(ValueError, match="make the row again where the class was defined anew"):
        _mine()
    other = type("Other", (Inverted,), {"__module__": "elsewhere", "__qualname__": "Other"})
    with pytest.raises(LeannetError, match=r"register elsewhere\.Other: .*\.Inverted has the kind 'inverted_of_mine'"):
        register(other)


def _block(**body: object) -> type[BlockBase]:
    """A block class as at the top of a module, with something of its own."""
    annotations = {"kind": Literal["odd"], **body.pop("annotations", {})}  # type: ignore[dict-item]
    namespace = {
        "__module__": "somewhere",
        "__qualname__": "Odd",
        "__annotations__": annotations,
        "kind": "odd",
        **body,
    }
    return type("Odd", (Nothing,), namespace)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (lambda: Conv, "expected a subclass of leannet.rows.BlockBase"),
        (lambda: "conv", "expected a subclass of leannet.rows.BlockBase, found 'conv'"),
        (lambda: Nothing(name="a"), "expected a subclass of leannet.rows.BlockBase"),
        (lambda: BlockBase, "expected a method expand"),
        (lambda: _block(annotations={"kind": str}), "expected a field kind"),
        (lambda: _block(annotations={"kind": Literal["odd", "even"]}), "expected a field kind"),
        (lambda: _block(annotations={"kind": Literal["Odd One"]}, kind="Odd One"), "expected a kind of small letters"),
        (lambda: _block(annotations={"kind": Literal["conv"]}, kind="conv"), "has the kind 'conv' already"),
        (lambda: _block(model_config=ConfigDict(frozen=False)), "rows are frozen"),
        (lambda: _block(model_config=ConfigDict(extra="allow")), "rows are frozen and refuse unknown fields"),
        (lambda: _block(annotations={"widths": list[int]}), "field 'widths' may be changed in place"),
        (lambda: _block(annotations={"widths": tuple[dict[str, int], ...]}), "field 'widths' may be changed"),
        (lambda: _block(annotations={"widths": set[int] | None}), "field 'widths' may be changed"),
        (lambda: _block(__qualname__="make.<locals>.Odd"), "expected a class at the top of a module"),
    ],
)
def test_what_cannot_be_a_row_is_refused(block: object, says: str) -> None:
    before = dict(KINDS)
    with pytest.raises(LeannetError, match=says):
        register(block())  # type: ignore[operator]
    assert before == KINDS


def test_a_block_that_expands_to_nothing_is_refused_in_a_table() -> None:
    register(Nothing)
    with pytest.raises(ValueError, match=r"row 'a' .*'nothing' expands to no rows here"):
        Architecture(name="x", rows=(Nothing(name="a"),))


MODULE = '''
from typing import Literal
from leannet.rows import INPUT, Add, BlockBase, Conv, register

@register
class Twice(BlockBase):
    """x + conv(x)."""

    kind: Literal["twice"] = "twice"

    def expand(self, *shapes):
        return (Conv(name="conv", out_channels=shapes[0].channels), Add(name="add", inputs=("conv", INPUT)))
'''
READ = """
import multiprocessing, sys
from leannet.rows import Architecture
def shapes(network):
    return network.shapes["a"].channels, type(network.rows[0]).__module__
if __name__ == "__main__":
    import twice
    network = Architecture.load("twice.json")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(*pool.apply(shapes, (network,)))
"""


def test_a_process_that_imports_the_module_reads_it_and_spawned_workers_follow(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(MODULE)
    (tmp_path / "read.py").write_text(READ)
    rows = [{"kind": "twice", "name": "a"}]
    data = {"name": "x", "input": {"channels": 5, "height": 4, "width": 4}, "rows": rows}
    (tmp_path / "twice.json").write_text(json.dumps(data))
    done = subprocess.run([sys.executable, "read.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "twice"]
    word = [sys.executable, "-m", "leannet"]
    known = subprocess.run(
        [*word, "--import", "twice", "count", "twice.json", "--json"], cwd=tmp_path, capture_output=True, check=True
    )
    assert json.loads(known.stdout)["params"] == 25
    for words, says in (
        (["count", "twice.json"], "for a block of your own import its module first"),
        (["--import", "thrice", "count", "twice.json"], "--import thrice: no module of this name in "),
        (
            ["--import", "twice.py", "count", "twice.json"],
            "expected the name of a module, found a file; give --import twice",
        ),
    ):
        refused = subprocess.run([*word, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert says in refused.stderr


def test_own_blocks_stand_in_other_blocks_and_beside_other_rows() -> None:
    register(Inverted)
    fields = {"out_channels": 8, "expansion_channels": 16}
    network = Architecture(
        name="x",
        input=Input(channels=8, height=8, width=8),
        rows=(
            Inverted(name="a", **fields, residual=True),
            Inverted(name="b", **fields, inputs=(INPUT,)),
            Inverted(name="c", **fields, shares="b", inputs=("a",)),
            Add(name="sum", inputs=("a", "b", "c")),
            GlobalPool(name="pool"),
            Linear(name="Logits", out_channels=2),
        ),
    )
    assert count(network).params == count(network.only("Logits")).params
    assert Architecture.from_json(network.to_json()) == network
    with pytest.raises(LeannetError, match="field 'residual': needs equal widths"):
        network.edit("a", out_channels=9)
