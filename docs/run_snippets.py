"""Runs every command and snippet of README and docs/ as printed, on small data that it draws: `make docs-check`.

python docs/run_snippets.py [PAGE ...]     # README.md, docs/shipping.md, ...; none: all

A block is what is indented by four spaces, or fenced as sh or python. Each page has a folder of its own, with what the
pages speak of: photos/, cat.jpg, cifar10/, ... What a line needs besides is made first (NEEDS in snippets/data.py). A
block whose first line is a comment with a file's name alone, as `# prepare.py`, is that file, for its page and those
beside it. Nothing is changed but what CHANGES says (snippets/folder.py); skipped is what a visible mark says
(`# needs a GPU`, `# needs the hub`, `# needs several machines`, `# needs another environment`) and what SKIPPED says
(snippets/reading.py).
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from snippets.data import draw_data
from snippets.folder import Folder
from snippets.reading import ROOT, Line, files_of, lines_of, reason_to_skip

SIGNATURES = "api.md"  # whose blocks are no program


def run_page(page: Path, data: Path) -> list[tuple[Line, int, str]]:
    """The lines of a page that failed: exit status and what was printed."""
    failed = []
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(Path(place) / "here")
        shutil.copytree(data, folder.path, symlinks=True)
        for neighbor in (*page.parent.glob("*.md"), page):
            for name, text in files_of(neighbor).items():
                (folder.path / name).write_text(text, encoding="utf-8")
        for line in lines_of(page):
            title = f"{line.page}:{line.number}: {line.text.splitlines()[0][:90]}"
            reason = reason_to_skip(line)
            if reason:
                print(f"  skipped   {title} ({reason})", flush=True)
                continue
            began = time.perf_counter()
            code, output = folder.run_line(line)
            seconds = time.perf_counter() - began
            print(f"  {'ok' if not code else f'EXIT {code}':9} {title} ({seconds:.0f} s)", flush=True)
            if code:
                failed.append((line, code, output))
        folder.stop_server()
    return failed


def main() -> None:
    """Runs the pages that are named, or all; exits with 1 where a line of them failed."""
    docs = sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != SIGNATURES)
    docs += sorted((ROOT / "docs" / "deploying").glob("*.md"))
    pages = [ROOT / name for name in sys.argv[1:]] or [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *docs]
    failed = []
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        draw_data(data)
        for page in pages:
            print(page.relative_to(ROOT), flush=True)
            failed += run_page(page, data)
    for line, code, output in failed:
        print(f"\n{line.page}:{line.number}: exit status {code}\n{line.text}\n{output[-1500:]}")
    print(f"\n{len(failed)} of the lines failed" if failed else "\nevery line did what it says")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
