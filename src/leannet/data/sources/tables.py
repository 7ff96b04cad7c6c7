"""Tables of text that name image files: CSV with any usual delimiter, and JSON lines."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leannet.data.picture_list import LeftOut
from leannet.data.sources.columns import IMAGE_COLUMNS, LABEL_COLUMNS, SPLIT_COLUMNS, Files, column, find, plain
from leannet.data.sources.listing import Listing, Options, Paths
from leannet.data.sources.splits import plain_split
from leannet.errors import LeannetError

DELIMITERS = (",", ";", "\t", "|")
CSV_SUFFIXES = {".csv", ".tsv"}
JSON_SUFFIXES = {".jsonl", ".ndjson"}
TABLE_SUFFIXES = CSV_SUFFIXES | JSON_SUFFIXES

Row = tuple[int, dict[str, Any]]  # number of its line, cells by column


@dataclass(frozen=True)
class _Table:
    path: Path
    header: list[str]
    rows: list[Row]
    surplus: list[int]  # lines with cells behind the last column


def read_header_of(path: Path) -> list[str]:
    """The columns of a table. Raises LeannetError where it is no text."""
    return _read(path).header


def open_table(path: Path, options: Options, split: str | None = None) -> Listing:
    """The images that a table names, from its own folder on.

    split: of all of them, where its name says so; else a column `split` does. Lines without an image or a label are
    counted and left out. Raises LeannetError for what is no such table, naming the accepted columns.
    """
    table = _read(path)
    try:
        image = column(path, table.header, IMAGE_COLUMNS, options.image_column, "--image-column")
    except LeannetError as error:
        if (path.parent / (table.header or [""])[0]).is_file():
            raise LeannetError(f"{path}, line 1: expected a header such as path,label, found an image") from None
        raise error
    label = column(path, table.header, LABEL_COLUMNS, options.label_column, "--label-column")
    if not table.rows:
        raise LeannetError(f"{path}: expected a line for each image below the header, found none")
    by_split = find(table.header, SPLIT_COLUMNS) if split is None else None
    files, places = Files(path), list[Path]()
    listing = Listing(str(path), [], [], [], Paths(places))
    no_image: list[str] = []
    no_label: list[str] = []
    labels: list[Any] = []
    for number, cells in table.rows:
        name, value = cells.get(image), cells.get(label)
        if not isinstance(name, str) or not name:
            no_image.append(f"{path.name} line {number}")
            continue
        if value is None or value == "":
            no_label.append(f"{path.name} line {number}")
            continue
        listing.names.append(name)
        labels.append(value)
        places.append(files(name))
        listing.splits.append(_split(path, number, cells.get(by_split)) if by_split else split)
    listing.labels = labels
    listing.left_out = [
        LeftOut("line", "without an image", tuple(no_image)),
        LeftOut("line", "without a label", tuple(no_label)),
    ]
    listing.remarks = [*_choice(path, table.header, image, label), *files.remarks]
    if table.surplus:
        lines = "line" if len(table.surplus) == 1 else "lines"
        listing.remarks.append(
            f"{path.name}: {len(table.surplus):,} {lines} with more cells than the header, which are not read: "
            f"{', '.join(map(str, table.surplus[:3]))}{', ...' if len(table.surplus) > 3 else ''}"
        )
    return listing


def _choice(path: Path, header: list[str], image: str, label: str) -> list[str]:
    """Which columns were taken, where others could have been."""
    known = [name for name in header if plain(name) in IMAGE_COLUMNS or plain(name) in LABEL_COLUMNS]
    return [f"{path.name}: read by its columns {image} and {label}"] if len(known) > 2 else []


def _split(path: Path, number: int, word: Any) -> str | None:
    if word is None or str(word).strip() == "":
        return None
    split = plain_split(str(word))
    if split is None:
        raise LeannetError(f"{path}, line {number}: expected a split of train, validation or test, found '{word}'")
    return split


def _read(path: Path) -> _Table:
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except OSError as error:
        raise LeannetError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise LeannetError(f"{path}: not readable as text in UTF-8 ({error}); save it as UTF-8") from None
    return _json_lines(path, text) if path.suffix.lower() in JSON_SUFFIXES else _csv(path, text)


def _csv(path: Path, text: str) -> _Table:
    try:
        tables = {sign: _cells(text, sign) for sign in DELIMITERS if sign in text.split("\n", 1)[0]}
    except csv.Error as error:
        raise LeannetError(f"{path}: not readable as CSV: {error}") from None
    # The delimiter that finds both columns, and of several the one that finds most.
    lines = max(tables.values(), key=lambda t: _fitness(t[0][1] if t else []), default=_cells(text, ","))
    if not lines:
        return _Table(path, [], [], [])
    header = [cell.strip() for cell in lines[0][1]]
    while header and not header[-1]:
        header.pop()
    rows, surplus = [], []
    for number, cells in lines[1:]:
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if any(cells[len(header) :]):
            surplus.append(number)
        rows.append((number, dict(zip(header, cells, strict=False))))
    return _Table(path, header, rows, surplus)


def _cells(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    return [(reader.line_num, cells) for cells in reader if cells]


def _fitness(header: Sequence[str]) -> tuple[bool, int]:
    known = find(header, IMAGE_COLUMNS) is not None and find(header, LABEL_COLUMNS) is not None
    return known, len(header)


def _json_lines(path: Path, text: str) -> _Table:
    header: dict[str, None] = {}
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise LeannetError(f"{path}, line {number}: not readable as JSON: {error}") from None
        if not isinstance(found, dict):
            raise LeannetError(f"{path}, line {number}: expected an object of image and label, found {line[:40]}")
        header |= dict.fromkeys(found)
        rows.append((number, {k: v.strip() if isinstance(v, str) else v for k, v in found.items()}))
    return _Table(path, list(header), rows, [])
