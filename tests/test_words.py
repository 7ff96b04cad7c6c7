"""One word for one thing, and it is the field's. Words that leannet used before do not come back."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RETIRED = (
    "artefact",
    "licence",
    "sureness",
    "Judging",
    "Standing",
    "as_bytes",
    "Taught",
    "in_first",
    "labels to doubt",
)
READ = {".py", ".md", ".html", ".j2", ".js", ".css", ".svg", ".ipynb"}
# What older files and command lines are read by.
KNOWS_THEM = ROOT / "src" / "leannet" / "retired.py"


def _texts() -> list[Path]:
    files = [ROOT / "README.md"]
    for folder in ("src", "docs"):
        files += [path for path in (ROOT / folder).rglob("*") if path.suffix in READ or path.name == "LICENSE"]
    return [path for path in files if path != KNOWS_THEM]


@pytest.mark.parametrize("word", [*RETIRED, "picture"])
def test_a_retired_word_stays_away(word: str) -> None:
    flags = re.IGNORECASE if word.islower() else re.NOFLAG
    pattern = re.compile(re.escape(word), flags)
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in _texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert lines == []


def test_all_that_people_read_is_looked_at() -> None:
    names = {path.suffix for path in _texts()}
    assert names >= READ - {".ipynb"}
    assert len(_texts()) > 250
