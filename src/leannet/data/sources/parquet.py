"""Parquet tables in Hugging Face's layout: an image column, a label column, class names in the schema."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leannet.data.dataset import LeftOut
from leannet.data.sources.columns import IMAGE_COLUMNS, LABEL_COLUMNS, column, find, has_columns, split_column
from leannet.data.sources.listing import Listing, ReadingOptions
from leannet.errors import LeannetError


@dataclass(frozen=True)
class _Column:
    """Reads the images of one file. Paths in it are relative to the file's own folder."""

    cells: Any  # pyarrow.ChunkedArray
    folder: Path

    def __call__(self, index: int) -> bytes | Path:
        value = self.cells[index].as_py()
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        return self.folder / value if isinstance(value, str) else bytes(value or b"")


@dataclass(frozen=True)
class _Schema:
    path: Path
    columns: list[str]
    features: dict[str, Any]  # Hugging Face's description of the columns
    class_names: str  # leannet's own key: separated by commas


def is_image_table(path: Path, options: ReadingOptions) -> bool:
    """Whether a Parquet file lists labelled images. Raises LeannetError if it is not a Parquet file."""
    schema = _schema(path)
    by_type = {feature.get("_type") for feature in schema.features.values() if isinstance(feature, dict)}
    return has_columns(schema.columns, options) or {"Image", "ClassLabel"} <= by_type


def open_parquet(path: Path, options: ReadingOptions, split: str | None, prefix: str = "") -> Listing:
    """The images of one file. prefix: put before the name of each row.

    Raises LeannetError for a file without these columns, or whose columns hold something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(path)
    image = _column(schema, IMAGE_COLUMNS, options.image_column, "--image-column", "Image", options.strict)
    label = _column(schema, LABEL_COLUMNS, options.label_column, "--label-column", "ClassLabel", options.strict)
    try:
        table = pq.ParquetFile(path).read(columns=[image, label])
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    cells = table.column(image)
    if len(table) and not _holds_images(cells.type):
        raise LeannetError(
            f"{path}: expected the column '{image}' to hold bytes or paths of images, found {cells.type}"
        )
    labels = table.column(label)
    if _is_list(labels.type):
        raise LeannetError(
            f"{path}: expected one label per image in '{label}', found several labels per image ({labels.type})"
        )
    names = [f"{prefix}row {number}" for number in range(len(table))]
    listing = Listing(
        f"{path}",
        names,
        labels.to_pylist(),
        [split] * len(names),
        _Column(cells, path.parent),
        _class_names(schema, label),
    )
    by_column = _splits(path, schema, {image, label}) if split is None else None
    if by_column is not None:
        name, values, splits = by_column
        listing.splits = [splits.get(value) for value in values]
        listing.remarks.append(f"{path.name}: splits are read from the column {name}")
    return listing


def _splits(path: Path, schema: _Schema, other_columns: set[str]) -> tuple[str, list[Any], dict[Any, str]] | None:
    """The column that holds the splits, its values, and the split of each value."""
    import pyarrow.parquet as pq
    import pyarrow.types as types

    schema_types = pq.read_schema(path)
    candidates = [
        name
        for name in schema.columns
        if name not in other_columns
        and (types.is_string(schema_types.field(name).type) or types.is_boolean(schema_types.field(name).type))
    ]
    columns = {name: pq.ParquetFile(path).read(columns=[name]).column(name).to_pylist() for name in candidates}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    by_column = split_column(rows, candidates) if rows else None
    return (by_column[0], columns[by_column[0]], by_column[1]) if by_column else None


def not_image_tables(paths: list[Path], root: Path) -> LeftOut:
    """Parquet files that do not list labelled images."""
    return LeftOut("Parquet file", "without columns of image and label", tuple(str(p.relative_to(root)) for p in paths))


def _schema(path: Path) -> _Schema:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    metadata = schema.metadata or {}
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        class_names = metadata.get(b"class_names", b"").decode()
    except (ValueError, AttributeError):
        features, class_names = {}, ""
    return _Schema(path, schema.names, features if isinstance(features, dict) else {}, class_names)


def _unreadable(path: Path, error: Exception) -> LeannetError:
    return LeannetError(f"{path}: not readable as Parquet: {' '.join(str(error).split())[:120]}")


def _column(schema: _Schema, known: tuple[str, ...], asked_for: str | None, flag: str, kind: str, strict: bool) -> str:
    """The column by name; without a known name, the only one that Hugging Face's features call an image or a class."""
    if asked_for is None and find(schema.columns, known) is None:
        typed = [
            name
            for name, feature in schema.features.items()
            if isinstance(feature, dict) and feature.get("_type") == kind and name in schema.columns
        ]
        if len(typed) == 1:
            return typed[0]
    return column(schema.path, schema.columns, known, asked_for, flag, strict)


def _holds_images(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return "bytes" in kind.names or "path" in kind.names
    return any(
        check(kind) for check in (types.is_binary, types.is_large_binary, types.is_string, types.is_large_string)
    )


def _is_list(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _class_names(schema: _Schema, label: str) -> tuple[str, ...]:
    feature = schema.features.get(label, {})
    names = feature.get("names") if isinstance(feature, dict) else None
    if names:
        return tuple(map(str, names))
    return tuple(schema.class_names.split(",")) if schema.class_names else ()
