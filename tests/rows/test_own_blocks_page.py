"""The page on own blocks, run exactly as it stands."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from leannet.errors import LeannetError
from leannet.header import read_header
from leannet.rows import KINDS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "own_blocks.md"


@pytest.fixture(scope="module")
def snippets() -> ModuleType:
    """docs/run_snippets.py, which runs what pages print."""
    spec = importlib.util.spec_from_file_location("run_snippets", DOCS / "run_snippets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_snippets"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_does_what_it_says(snippets: ModuleType, tmp_path: Path) -> None:
    folder = snippets.Folder(tmp_path)
    lines = list(snippets.lines_of(PAGE))
    assert sum(line.is_python for line in lines) == 3
    assert {line.text.split()[3] for line in lines if not line.is_python} == {
        "rows", "count", "draw", "train", "evaluate", "export",
    }  # fmt: skip
    printed = {}
    for line in lines:
        code, printed[line.number] = snippets._run(folder, line)
        assert code == 0, f"{line.text}\n{printed[line.number]}"
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert (tmp_path / "mine.json").read_text() == shown
    assert (tmp_path / "block_1.svg").read_text() == (DOCS / "figures" / "draw_own_block.svg").read_text()
    assert (tmp_path / "runs" / "mine" / "model.onnx").exists()
    last = list(printed.values())[-1]
    assert "ConvLayer" in last
    assert int(last.split()[-1]) > 0

    # Here nobody has imported the module.
    assert "squeeze_shuffle" not in KINDS
    with pytest.raises(LeannetError) as error:
        read_header(tmp_path / "runs" / "mine")
    expected = " ".join(re.findall(r"\n    (.*)", PAGE.read_text().split("says\nso:\n")[1].split("\n## ")[0]))
    assert str(error.value) == expected.replace("runs/mine", str(tmp_path / "runs" / "mine"))
    without_hint = json.loads(shown)
    del without_hint["modules"]
    (tmp_path / "mine.json").write_text(json.dumps(without_hint))
    code, text = folder.run("leannet --import my_blocks count mine.json --json")
    assert (code, json.loads(text)["name"]) == (0, "mine")
