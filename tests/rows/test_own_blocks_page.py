"""The page on own blocks, run exactly as it stands."""

import json
import re
from pathlib import Path

import pytest

from leannet.errors import LeannetError
from leannet.header import read_header
from leannet.rows import KINDS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "own_blocks.md"


def test_the_page_does_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(DOCS)
    from snippets.folder import Folder
    from snippets.reading import Line, files_of, lines_of

    folder = Folder(tmp_path)
    for name, text in files_of(PAGE).items():
        (tmp_path / name).write_text(text)
    lines = list(lines_of(PAGE))
    assert sum(line.is_python for line in lines) == 2
    assert {line.text.split()[3] for line in lines if not line.is_python} == {
        "rows", "count", "draw", "train", "evaluate", "export", "check",
    }  # fmt: skip
    printed = {}
    for line in lines:
        code, printed[line.number] = folder.run_line(line)
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
    code, text = folder.run_line(Line("", 0, "leannet --import my_blocks count mine.json --json", is_python=False))
    assert (code, json.loads(text)["name"]) == (0, "mine")
