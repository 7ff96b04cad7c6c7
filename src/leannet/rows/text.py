"""Rows as lines of text: name, kind, the fields that are not at their defaults, and the shape of the output."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from leannet.rows.fields import Norm, Shape
from leannet.rows.layers import RowBase

HEADERS = ("row", "kind", "fields", "output")


def describe_rows(rows: Sequence[RowBase], shapes: Mapping[str, Shape]) -> list[tuple[str, str, str, str]]:
    """A line for each row, under HEADERS. shapes: of the rows' outputs, by name."""
    return [(row.name, row.kind, describe_fields_of(row), str(shapes[row.name])) for row in rows]


def describe_fields_of(row: RowBase) -> str:
    """The fields of a row that are not at their defaults, as "out_channels 24, stride 2"."""
    words = []
    for name, field in type(row).model_fields.items():
        value = getattr(row, name)
        if name not in {"kind", "name"} and value != field.get_default():
            words.append(f"{name} {_words(value)}")
    return ", ".join(words)


def align(lines: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Lines of cells as text, every column as wide as its widest cell.

    width: of the whole; the fields, the third column, are then folded where they are too long.
    """
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    if width is not None:
        others = sum(widths) - widths[2] + 2 * (len(widths) - 1)
        widths[2] = min(widths[2], max(width - others, 20))
    folded = []
    for first, second, fields, *rest in lines:
        parts = textwrap.wrap(fields, widths[2], break_long_words=False) or [""]
        folded += [(first, second, parts[0], *rest), *(("", "", part, *[""] * len(rest)) for part in parts[1:])]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in folded]


def _words(value: Any) -> str:
    if value == Norm():
        return "batch"
    if isinstance(value, Norm):
        return f"batch (eps {value.eps:g}, momentum {value.momentum:g})"
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return " + ".join(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
