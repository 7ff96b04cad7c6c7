"""How verbs print: aligned tables and JSON on standard output, nothing else there; and how they fail."""

import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from leannet import launcher

MISTAKE, STOPPED = 2, 130  # exit statuses: what the user can mend, and Ctrl-C

_objects: list[bool] = []  # an item for each JSON object that was printed


def print_json(data: object) -> None:
    """One JSON object on standard output. Characters that its encoding lacks are escaped, so nothing is lost."""
    text = json.dumps(data, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(data)
    print(text)
    _objects.append(True)


def begin_output() -> None:
    """Forgets what an earlier call in this process has printed."""
    _objects.clear()


def print_failure(message: str) -> None:
    """With --json, the object that stands for a result that there is none of; not after another object."""
    flags = sys.argv[1:]
    if "--" in flags:  # behind it are names
        flags = flags[: flags.index("--")]
    if "--json" in flags and not _objects:
        print_json({"error": message})


def fail(message: str, status: int = MISTAKE) -> NoReturn:
    """Ends the program with one line on standard error. Of several processes that fail together, one says it."""
    first, is_own = launcher.first_failure(message)
    if is_own:
        print_failure(message)
        print(f"leannet: {message}", file=sys.stderr, flush=True)
    launcher.note_failure(f"leannet: {first}")
    sys.exit(status)


def print_table(
    headers: Sequence[str], lines: Sequence[Sequence[Any]], left: int = 1, words_last: bool = False
) -> None:
    """Aligned columns, the first `left` of them and, with `words_last`, the last one to the left."""
    cells = [[str(cell) for cell in line] for line in (headers, *lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headers))]
    for number, line in enumerate(cells):
        aligned = (
            cell.ljust(width) if column < left or (words_last and column == len(headers) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join(aligned).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
