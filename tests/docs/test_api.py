"""docs/api.md is what the source says today."""

import importlib.util
import re

import leannet
from tests.conftest import ROOT


def test_the_page_is_up_to_date_and_has_every_public_name() -> None:
    spec = importlib.util.spec_from_file_location("write_api", ROOT / "docs" / "write_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\w+)$", text, re.M)) >= set(leannet.__all__) - {"__version__"}
    assert text == module.page(), "run: make docs"
