"""Where pictures come from: class folders, split folders, Parquet, CSV, and the built-in digits.

All become one thing, `Pictures`: names, labels, the part each belongs to, and a function that reads one.
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.data.picture_list import PARTS, Pictures
from leannet.data.pictures import SUFFIXES
from leannet.data.shards import open_shards
from leannet.errors import LeannetError

IMAGE_COLUMNS = ("image", "img", "picture", "file_name", "path", "filename", "file")
LABEL_COLUMNS = ("label", "labels", "class", "fine_label", "category", "target")
DETECTION_SUFFIX = "detection sets are not read yet; for classification expected class/picture.jpg"


@dataclass(frozen=True)
class _Files:
    paths: list[Path]

    def __call__(self, index: int) -> Path:
        return self.paths[index]


@dataclass(frozen=True)
class _Arrays:
    arrays: NDArray[np.uint8]

    def __call__(self, index: int) -> NDArray[np.uint8]:
        return self.arrays[index]


@dataclass(frozen=True)
class _Column:
    cells: Any  # pyarrow.ChunkedArray of bytes
    folder: Path

    def __call__(self, index: int) -> bytes | Path:
        value = self.cells[index].as_py()
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        return self.folder / value if isinstance(value, str) else bytes(value or b"")


def open_pictures(where: str) -> Pictures:
    """Recognises what `where` is and lists its pictures; none is read yet.

    Looks in this order: the word `digits`, a Parquet file, a CSV, a WebDataset shard, a folder of Parquet files, one of
    shards (and of no pictures), a detection set (not read yet), split folders, class folders.
    Raises LeannetError that says what was expected and what was found.
    """
    if where == "digits":
        return _digits()
    path = Path(where)
    if not path.exists():
        raise LeannetError(
            f"{where}: no such file or folder; expected a folder of class folders, Parquet, CSV or 'digits'"
        )
    if path.is_file():
        if path.suffix == ".parquet":
            return _parquet(where, [path])
        if path.suffix in {".csv", ".tsv"}:
            return _csv(path)
        if path.suffix == ".tar":
            return _shards(where, [path])
        raise LeannetError(
            f"{where}: expected a folder, a .parquet, .csv or .tar file, found a {path.suffix or 'plain'} file"
        )
    tables = sorted(path.rglob("*.parquet"))
    if tables:
        return _parquet(where, tables)
    shards = sorted(p for p in path.rglob("*.tar") if p.is_file() and not _is_hidden(p.relative_to(path)))
    if shards and not [p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES]:
        return _shards(where, shards)
    if (path / "Annotations").is_dir() or (path / "annotations").is_dir():
        raise LeannetError(f"{where}: this is a detection set, and {DETECTION_SUFFIX}")
    return _folder(path)


def _shards(where: str, paths: list[Path]) -> Pictures:
    return open_shards(where, paths)


def _folder(root: Path) -> Pictures:
    splits = {d: PARTS[d.name.lower()] for d in _folders(root) if d.name.lower() in PARTS and _folders(d)}
    if "train" not in splits.values():
        splits = {}
    tops: dict[Path, str | None] = {**splits} if splits else {root: None}
    paths: list[Path] = []
    words: list[str] = []
    parts: list[str | None] = []
    ignored: list[str] = []
    for top, part in tops.items():
        for folder in _folders(top):
            files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not _is_hidden(p.relative_to(folder))]
            found = [file for file in files if file.suffix.lower() in SUFFIXES]
            others = [file for file in files if file.suffix.lower() not in SUFFIXES] if found else [folder]
            paths += found
            words += [folder.name] * len(found)
            parts += [part] * len(found)
            ignored += [file.relative_to(root).as_posix() for file in others]
    classes = sorted(set(words))
    index = {name: number for number, name in enumerate(classes)}
    labels = [index[word] for word in words]
    if not paths:
        loose = [p for p in root.iterdir() if p.suffix.lower() in SUFFIXES]
        there = f"{len(loose)} pictures outside any class folder" if loose else "no picture"
        raise LeannetError(f"{root}: expected class folders of pictures (class/*.jpg), found {there}")
    kind = "split folders of class folders" if splits else "class folders"
    names = tuple(p.relative_to(root).as_posix() for p in paths)
    return Pictures(
        kind, str(root), tuple(classes), names, np.array(labels), tuple(parts), _Files(paths), tuple(ignored)
    )


def _folders(path: Path) -> list[Path]:
    return sorted(d for d in path.iterdir() if d.is_dir() and not d.name.startswith("."))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _csv(path: Path) -> Pictures:
    delimiter = "\t" if path.suffix == ".tsv" else ","
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            header, lines = reader.fieldnames or [], list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise LeannetError(f"{path}: not readable as CSV in UTF-8: {error}") from None
    image, label = _column(path, header, IMAGE_COLUMNS), _column(path, header, LABEL_COLUMNS)
    split = next((name for name in header if name.lower() in {"split", "part", "set"}), None)
    for number, line in enumerate(lines, start=2):
        if not line[image] or not line[label] or (split and not line[split]):
            wanted = "a picture, a label and a split" if split else "a picture and a label"
            raise LeannetError(
                f"{path}, line {number}: expected {wanted}, found {', '.join(filter(None, line.values()))}"
            )
    if not lines:
        raise LeannetError(f"{path}: expected a line for each picture below the header, found none")
    classes = sorted({line[label] for line in lines})
    index = {name: number for number, name in enumerate(classes)}
    parts = tuple(_part(line[split], path) if split else None for line in lines)
    return Pictures(
        "CSV of path and label",
        str(path),
        tuple(classes),
        tuple(line[image] for line in lines),
        np.array([index[line[label]] for line in lines]),
        parts,
        _Files([path.parent / line[image] for line in lines]),
    )


def _parquet(where: str, paths: list[Path]) -> Pictures:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables, parts = [], []
    for path in paths:
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise LeannetError(f"{path}: not readable as Parquet: {' '.join(str(error).split())[:120]}") from None
        tables.append(table)
        # The Hugging Face layout: train-00000-of-00002.parquet, or a folder named after the part.
        word = path.stem.split("-")[0].lower()
        parts += [PARTS.get(word, PARTS.get(path.parent.name.lower())) if len(paths) > 1 else None] * len(table)
    first = tables[0]
    image = _column(paths[0], first.column_names, IMAGE_COLUMNS)
    label = _column(paths[0], first.column_names, LABEL_COLUMNS)
    try:
        table = pa.concat_tables([t.select([image, label]) for t in tables])
    except (pa.ArrowException, KeyError) as error:
        raise LeannetError(f"{where}: its Parquet files have different columns: {error}") from None
    values = table.column(label).to_pylist()
    if not values:
        raise LeannetError(f"{where}: expected a row for each picture, found none")
    if None in values:
        raise LeannetError(f"{where}: picture {values.index(None)} has no label")
    classes = _class_names(first.schema.metadata or {}, label)
    if classes and all(isinstance(value, int) for value in values):
        known, labels = classes, np.array(values)
        if labels.min() < 0 or labels.max() >= len(known):
            raise LeannetError(
                f"{where}: labels run from {labels.min()} to {labels.max()}, there are {len(known)} class names"
            )
    elif all(isinstance(value, int) for value in values):
        numbers = sorted(set(values))
        known = tuple(str(number) for number in numbers)
        labels = np.searchsorted(numbers, values).astype(np.int64)
    else:
        known = tuple(sorted({str(value) for value in values}))
        index = {name: number for number, name in enumerate(known)}
        labels = np.array([index[str(value)] for value in values])
    names = tuple(f"row {number}" for number in range(len(values)))
    cells = table.column(image)
    if not _holds_pictures(cells.type):
        raise LeannetError(
            f"{where}: expected the column '{image}' to hold bytes or paths of pictures, found {cells.type}"
        )
    return Pictures("Parquet", where, known, names, labels, tuple(parts), _Column(cells, paths[0].parent))


def _holds_pictures(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return "bytes" in kind.names or "path" in kind.names
    return any(
        check(kind) for check in (types.is_binary, types.is_large_binary, types.is_string, types.is_large_string)
    )


def _class_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    if b"huggingface" in metadata:
        features = json.loads(metadata[b"huggingface"]).get("info", {}).get("features", {})
        names = features.get(label, {}).get("names")
        if names:
            return tuple(names)
    if b"class_names" in metadata:
        return tuple(metadata[b"class_names"].decode().split(","))
    return ()


def _column(path: Path, header: Iterable[str], wanted: tuple[str, ...]) -> str:
    names = {name.lower(): name for name in header}
    for name in wanted:
        if name in names:
            return names[name]
    raise LeannetError(f"{path}: expected a column named {' or '.join(wanted[:3])}, found {', '.join(names.values())}")


def _part(word: str, path: Path) -> str:
    if word.lower() not in PARTS:
        raise LeannetError(f"{path}: expected a split of train, validation or test, found '{word}'")
    return PARTS[word.lower()]


def _digits() -> Pictures:
    from sklearn.datasets import load_digits

    digits = load_digits()
    arrays = np.round(digits.images * (255 / 16)).astype(np.uint8)
    names = tuple(f"digit {number}" for number in range(len(arrays)))
    classes = tuple(str(digit) for digit in range(10))
    labels = digits.target.astype(np.int64)
    return Pictures("scikit-learn's digits", "digits", classes, names, labels, (None,) * len(arrays), _Arrays(arrays))
