"""The modules of docs/snippets, which `make docs-check` uses too."""

import sys

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))

from snippets import reading as reading
from snippets.notebook import run_cells as run_cells
from snippets.reading import files_of as files_of
from snippets.reading import lines_of as lines_of
from snippets.reading import reason_to_skip as reason_to_skip
