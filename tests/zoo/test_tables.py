"""docs/tables is what the rows say today."""

import importlib.util

import pytest

from leannet.cost.published import MOBILENET_V1, MOBILENET_V2, MOBILENET_V3
from tests.conftest import ROOT


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "shufflenet", "others"])
def test_the_written_tables_are_up_to_date(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")  # as `python docs/write_tables.py` has it
    spec = importlib.util.spec_from_file_location("write_tables", ROOT / "docs" / "write_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "tables" / f"{name}.md").read_text() == getattr(module, name)(), "run: make docs"


def test_every_published_pair_is_there() -> None:
    pairs = {(row.width, row.resolution) for row in MOBILENET_V1}
    assert pairs == {(width, pixels) for width in (1, 0.75, 0.5, 0.25) for pixels in (224, 192, 160, 128)}
    assert len({(row.width, row.resolution) for row in MOBILENET_V2}) == 22
    assert len(MOBILENET_V3) == 6
