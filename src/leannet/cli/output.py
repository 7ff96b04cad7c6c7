"""How verbs print: aligned tables and JSON on standard output, nothing else there; and how they fail."""

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

from leannet import launcher

NARROWEST = 18  # letters of a column whose cells are wrapped
SHORTEST = 10  # letters of a column in a table that still does not fit
WHOLE = 12  # letters of the longest word that is never broken, as an engine's name
LINE = 80  # letters of a line of sentences
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
    headers: Sequence[str],
    lines: Sequence[Sequence[Any]],
    left: int = 1,
    words_last: bool = False,
    optional: Sequence[str] = (),
    wrapped: str | None = None,
    wide: bool = False,
) -> list[str]:
    """Aligned columns, the first `left` of them and, with `words_last`, the last one to the left.

    Where the terminal is narrower (80 columns where there is none), the cells of the column `wrapped` take several
    lines, and the columns `optional` are left out, the first one first, which is said below. Where that is not enough,
    the widest cells take several lines. wide: none of this. Returns the headers of the columns left out.
    """
    room = 1 << 30 if wide else shutil.get_terminal_size().columns
    cells = [[str(cell) for cell in line] for line in (headers, *lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    shown = list(range(len(headers)))
    column = headers.index(wrapped) if wrapped is not None else None
    least = list(widths)
    if column is not None:
        least[column] = min(widths[column], max(len(headers[column]), NARROWEST))
    omitted = []
    for header in optional:
        if _total(least, shown) <= room:
            break
        shown.remove(headers.index(header))
        omitted.append(header)
    if column is not None:  # it takes what the others leave
        widths[column] = max(least[column], min(widths[column], room - _total(widths, shown) + widths[column]))
    texts = {*range(left), *([len(headers) - 1] if words_last else [])}
    _narrow(widths, shown, cells, texts, room)
    for number, line in enumerate(cells):
        parts = {column: textwrap.wrap(line[column], widths[column]) or [""] for column in shown
                 if len(line[column]) > widths[column]}  # fmt: skip
        for row in range(max([1, *map(len, parts.values())])):
            aligned = []
            for column in shown:
                values = parts.get(column, [line[column]])
                text = values[row] if row < len(values) else ""
                aligned.append(text.ljust(widths[column]) if column in texts else text.rjust(widths[column]))
            print("  ".join(aligned).rstrip())
        if number == 0:
            print("  ".join("-" * widths[column] for column in shown))
    if omitted:
        print(textwrap.fill(f"left out: {', '.join(omitted)}; --wide shows all columns", max(room, 80)))
    return omitted


def print_text(text: str, indent: str = "") -> None:
    """Sentences, in lines of 80 letters, or of a narrower terminal's; words, paths and commands stay whole.

    indent: what the second line and those after it begin with.
    """
    room = min(LINE, shutil.get_terminal_size().columns)
    print(textwrap.fill(text, room, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False))


def _narrow(
    widths: list[int], shown: Sequence[int], cells: Sequence[Sequence[str]], texts: set[int], room: int
) -> None:
    """Makes the widest columns narrower until all fit, and breaks no number and no short word."""
    least = []
    for column, width in enumerate(widths):
        words = (len(word) for line in cells for word in line[column].split())
        least.append(min(width, max([SHORTEST, *(each for each in words if column not in texts or each <= WHOLE)])))
    while _total(widths, shown) > room:
        candidates = [column for column in shown if widths[column] > least[column]]
        if not candidates:
            return
        widths[max(candidates, key=lambda column: widths[column])] -= 1


def _total(widths: Sequence[int], columns: Sequence[int]) -> int:
    return sum(widths[column] for column in columns) + 2 * (len(columns) - 1)
