"""docs/tour.ipynb: every cell runs, and what it shows is what leannet says today."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.docs.snippets import run_cells

TOUR = json.loads((ROOT / "docs" / "tour.ipynb").read_text(encoding="utf-8"))


def shown(output: dict[str, Any]) -> Any:
    return output.get("data", output.get("text"))


def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells before training show what is committed; those after it depend on the machine in the last digits."""
    monkeypatch.chdir(tmp_path)
    outputs = run_cells(TOUR)
    committed = [cell for cell in TOUR["cells"] if cell["cell_type"] == "code"]
    training = next(number for number, cell in enumerate(committed) if "leannet.train(" in "".join(cell["source"]))
    assert training > 3
    for cell, executed in zip(committed[:training], outputs, strict=False):
        assert [shown(output) for output in cell["outputs"]] == [shown(output) for output in executed], "run: make tour"
    assert [bool(cell["outputs"]) for cell in committed] == [bool(executed) for executed in outputs]


def test_an_error_names_its_cell() -> None:
    notebook = {"cells": [{"cell_type": "code", "source": ["1 + \\\n", "  1 / 0"]}]}
    with pytest.raises(ZeroDivisionError) as raised:
        run_cells(notebook)
    assert raised.value.__notes__ == ["in the cell:\n1 + \\\n  1 / 0"]
