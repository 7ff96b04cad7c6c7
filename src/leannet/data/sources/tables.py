"""Tables of text that name image files: CSV with any usual delimiter, and JSON lines."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leannet.data.dataset import LeftOut
from leannet.data.sources.columns import BOXES, IMAGE_COLUMNS, LABEL_COLUMNS, column, find, plain, split_column
from leannet.data.sources.finding import Files
from leannet.data.sources.listing import Listing, Paths, ReadingOptions
from leannet.data.sources.splits import plain_split, splits_among
from leannet.errors import LeannetError

DELIMITERS = (",", ";", "\t", "|")
CSV_SUFFIXES = {".csv", ".tsv"}
JSON_SUFFIXES = {".jsonl", ".ndjson"}
TABLE_SUFFIXES = CSV_SUFFIXES | JSON_SUFFIXES
ONE_HOT = {"0", "1", "0.0", "1.0", "True", "False"}

Row = tuple[int, dict[str, Any]]  # number of its line, cells by column


@dataclass(frozen=True)
class _Table:
    path: Path
    header: list[str]
    rows: list[Row]
    surplus: list[int]  # lines with cells after the last column


def read_header_of(path: Path) -> list[str]:
    """The columns of a table. Raises LeannetError if it is not text."""
    return _read(path).header


def open_table(path: Path, options: ReadingOptions, split: str | None = None) -> Listing:
    """The images that a table lists, with paths relative to its own folder.

    split: of all its images, if the table's name says so; otherwise a column may hold it, or the first folder of paths.
    Lines without an image or a label are counted and left out.
    Raises LeannetError for a table without the accepted columns, which it lists, and for a table of boxes.
    """
    table = _read(path)
    image, label = _image_and_label(table, options)
    if not table.rows:
        raise LeannetError(f"{path}: expected a line for each image below the header, found none")
    _check_boxes(table, image)
    others = [name for name in table.header if name not in {image, label}]
    by_column = split_column([cells for _, cells in table.rows], others)
    if split is not None and by_column is not None and set(by_column[1].values()) != {split}:
        splits_in_column = ", ".join(sorted(set(by_column[1].values())))
        raise LeannetError(
            f"{path}: its file name says {split}, but its column {by_column[0]} says {splits_in_column}; rename the "
            "file, or remove the column"
        )
    if split is None and by_column is None:
        _check_split(table)
    files, paths = Files(path), list[Path]()
    listing = Listing(str(path), [], [], [], Paths(paths))
    no_image: list[str] = []
    no_label: list[str] = []
    labels: list[Any] = []
    for number, cells in table.rows:
        name, value = cells.get(image), cells.get(label)
        name = str(name) if isinstance(name, int) and not isinstance(name, bool) else name
        if not isinstance(name, str) or not name:
            no_image.append(f"{path.name} line {number}")
        elif value is None or value == "":
            no_label.append(f"{path.name} line {number}")
        else:
            listing.names.append(name)
            labels.append(value)
            listing.splits.append(by_column[1].get(cells.get(by_column[0])) if by_column and split is None else split)
    by_path = _splits_of_paths(listing.names) if not any(listing.splits) else {}
    for i, name in enumerate(listing.names):
        if by_path:
            listing.splits[i] = by_path[_first_folder(name)]
        paths.append(files(name, listing.splits[i]))
    listing.labels = labels
    listing.left_out = [
        LeftOut("line", "without an image", tuple(no_image)),
        LeftOut("line", "without a label", tuple(no_label)),
    ]
    listing.remarks = [*_choice(path, table.header, image, label), *files.remarks]
    if by_column and split is None and plain(by_column[0]) != "split":
        listing.remarks.append(f"{path.name}: splits are read from the column {by_column[0]}")
    if by_path:
        listing.remarks.append(f"{path.name}: splits are read from the first folder of its paths")
    if table.surplus:
        lines = "line" if len(table.surplus) == 1 else "lines"
        listing.remarks.append(
            f"{path.name}: {len(table.surplus):,} {lines} with more cells than the header; the extra cells are not "
            f"read: {', '.join(map(str, table.surplus[:3]))}{', ...' if len(table.surplus) > 3 else ''}"
        )
    return listing


def _image_and_label(table: _Table, options: ReadingOptions) -> tuple[str, str]:
    path, header = table.path, table.header
    try:
        image = column(path, header, IMAGE_COLUMNS, options.image_column, "--image-column", options.strict)
    except LeannetError as error:
        if (path.parent / (header or [""])[0]).is_file():
            raise LeannetError(f"{path}, line 1: expected a header such as path,label, found an image") from None
        raise error
    try:
        label = column(path, header, LABEL_COLUMNS, options.label_column, "--label-column", options.strict)
    except LeannetError as error:
        one_hot_columns = [name for name in header if {str(cells.get(name)) for _, cells in table.rows} <= ONE_HOT]
        if len(one_hot_columns) > 1:
            raise LeannetError(
                f"{path}: expected one column of labels, found one for each class ({', '.join(one_hot_columns[:3])}, "
                "...): several labels per image are not supported"
            ) from None
        raise error
    for name in (image, label):
        if header.count(name) > 1:
            raise LeannetError(f"{path}: expected one column named {name}, found {header.count(name)}")
    return image, label


def _check_split(table: _Table) -> None:
    """Raises LeannetError for a column named split that holds something else."""
    name = next((name for name in table.header if plain(name) == "split"), None)
    for number, cells in table.rows:
        word = cells.get(name) if name else None
        if word and (not isinstance(word, str) or plain_split(word) is None):
            raise LeannetError(
                f"{table.path}, line {number}: expected a split of train, validation or test, found '{word}'"
            )


def _check_boxes(table: _Table, image: str) -> None:
    """Raises LeannetError for a detection set, which has a line per box."""
    names = {plain(name) for name in table.header}
    images = [cells.get(image) for _, cells in table.rows]
    if any(box_columns <= names for box_columns in BOXES) and len(set(map(str, images))) < len(images):
        raise LeannetError(
            f"{table.path}: this is a detection set (several boxes per image), which leannet does not read yet; "
            "expected a line for each image"
        )


def _splits_of_paths(names: Sequence[str]) -> dict[str, str]:
    """The split of each first folder of paths, if all of them name one."""
    folders = {_first_folder(name) for name in names}
    splits = splits_among(folders)
    return splits if len(set(splits.values())) > 1 and splits.keys() == folders else {}


def _first_folder(name: str) -> str:
    head, slash, _ = name.replace("\\", "/").removeprefix("./").partition("/")
    return head if slash else ""


def _choice(path: Path, header: list[str], image: str, label: str) -> list[str]:
    """A remark on the chosen columns, if others were possible."""
    known = [name for name in header if plain(name) in IMAGE_COLUMNS or plain(name) in LABEL_COLUMNS]
    return [f"{path.name}: read by its columns {image} and {label}"] if len(known) > 2 else []


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
    if text[:4].lower() == "sep=":  # Excel's note of its delimiter, which is detected anyway
        text = text.split("\n", 1)[-1]
    tables, first_error = [], ""
    for delimiter in [delimiter for delimiter in DELIMITERS if delimiter in text.split("\n", 1)[0]] or DELIMITERS[:1]:
        try:
            tables.append(_cells(text, delimiter))
        except csv.Error as error:
            first_error = first_error or str(error)
    if not tables:
        raise LeannetError(f"{path}: not readable as CSV: {first_error} (a quote that is not closed?)")
    # The delimiter that gives both columns; of several such, the one that gives most columns.
    best = max(tables, key=lambda table: _fitness(table[0][1] if table else []))
    if not best:
        return _Table(path, [], [], [])
    header = [cell.strip() for cell in best[0][1]]
    while header and not header[-1]:
        header.pop()
    rows, surplus = [], []
    for number, cells in best[1:]:
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if any(cells[len(header) :]):
            surplus.append(number)
        rows.append((number, dict(zip(header, cells, strict=False))))
    return _Table(path, header, rows, surplus)


def _cells(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
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
            cells = json.loads(line)
        except ValueError as error:
            raise LeannetError(f"{path}, line {number}: not readable as JSON: {error}") from None
        if not isinstance(cells, dict):
            raise LeannetError(f"{path}, line {number}: expected an object of image and label, found {line[:40]}")
        header |= dict.fromkeys(cells)
        rows.append((number, {k: v.strip() if isinstance(v, str) else v for k, v in cells.items()}))
    return _Table(path, list(header), rows, [])
