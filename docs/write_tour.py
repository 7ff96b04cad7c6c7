"""Runs docs/tour.ipynb and writes what its cells show into it. Run: make tour

Jupyter is not needed; what is written is what it would show.
"""

import json
import os
import tempfile
from pathlib import Path

from snippets.notebook import run_cells

TOUR = Path(__file__).with_name("tour.ipynb")


def main() -> None:
    """Writes the notebook anew, with its outputs."""
    notebook = json.loads(TOUR.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        outputs = run_cells(notebook)
        os.chdir(TOUR.parent)
    code_cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, shown) in enumerate(zip(code_cells, outputs, strict=True), start=1):
        cell["execution_count"] = number
        cell["outputs"] = [output | ({"execution_count": number} if "data" in output else {}) for output in shown]
    TOUR.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{TOUR.name}: {len(code_cells)} cells, {TOUR.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
