"""How verbs print: aligned tables and JSON on standard output, nothing else there."""

import json
from collections.abc import Sequence
from typing import Any


def print_json(data: object) -> None:
    """One JSON object on standard output."""
    print(json.dumps(data, ensure_ascii=False))


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
