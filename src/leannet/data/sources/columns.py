"""Which column of a table holds the image, which the label, and which the split."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leannet.data.sources.listing import ReadingOptions
from leannet.data.sources.splits import plain_split
from leannet.errors import LeannetError
from leannet.retired import IMAGE_COLUMN

MOST_SPLITS = 12  # spellings of splits in one column

IMAGE_COLUMNS = (
    "image", "img", "path", "filepath", "file_path", "image_path", "img_path", "filename", "file_name", "image_name",
    "img_name", "image_file", "image_filename", "file", "image_id", IMAGE_COLUMN, "photo",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "class", "class_name", "classname", "category", "category_name", "fine_label", "target",
    "label_name", "class_id", "class_label",
)  # fmt: skip
SPLIT_COLUMNS = (
    "split", "subset", "set", "part", "partition", "phase", "usage", "stage", "data_split", "data_set", "dataset",
    "is_valid", "is_val", "is_test",
)  # fmt: skip
BOXES = ({"xmin", "ymin"}, {"x_min", "y_min"}, {"bbox"}, {"bboxes"}, {"boxes"})  # of detection sets


def plain(name: str) -> str:
    """A column's name as it is compared: stripped, in lower case, with `_` for spaces and dashes."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def column(
    where: object, header: Sequence[str], known: Iterable[str], asked_for: str | None, flag: str, strict: bool = True
) -> str:
    """The column to read: the one that was asked for, or the first with a known name.

    strict: whether the one that was asked for must exist. Raises LeannetError with all accepted names if there is none.
    """
    if asked_for is not None:
        if asked_for in header:
            return asked_for
        alike = [name for name in header if plain(name) == plain(asked_for)]
        if alike:
            return alike[0]
        if strict:
            raise LeannetError(f"{where}: {flag} {asked_for}: no such column; the columns are {', '.join(header)}")
    name_of_column = find(header, known)
    if name_of_column is None:
        accepted = ", ".join(known)
        raise LeannetError(
            f"{where}: expected a column named {accepted}, or {flag} NAME; found {', '.join(header) or 'no header'}"
        )
    return name_of_column


def find(header: Sequence[str], known: Iterable[str]) -> str | None:
    """The first of the known names that a header has, as the header spells it."""
    names = {plain(name): name for name in reversed(header)}
    return next((names[name] for name in known if name in names), None)


def has_columns(header: Sequence[str], options: ReadingOptions) -> bool:
    """Whether a table lists labelled images."""
    image = options.image_column in header if options.image_column else find(header, IMAGE_COLUMNS)
    label = options.label_column in header if options.label_column else find(header, LABEL_COLUMNS)
    return bool(image) and bool(label)


def split_column(rows: Sequence[Mapping[str, Any]], header: Sequence[str]) -> tuple[str, dict[Any, str]] | None:
    """The column that holds the splits, and the split of each of its values; None: there is no such column.

    It has one of the usual names, fastai's `is_valid` among them, or any name if all its values name splits and one of
    them is train.
    """
    known = [name for usual in SPLIT_COLUMNS for name in header if plain(name) == usual]
    for name in dict.fromkeys([*known, *header]):
        values = {row.get(name) for row in rows if row.get(name) not in {None, ""}}
        if not 0 < len(values) <= MOST_SPLITS:
            continue
        if plain(name).startswith("is_"):
            held_out = "test" if plain(name) == "is_test" else "validation"
            words = {"true": held_out, "1": held_out, "false": "train", "0": "train"}
            splits = {value: words.get(str(value).lower()) for value in values}
        else:
            splits = {value: plain_split(value) if isinstance(value, str) else None for value in values}
        split_of_value = {value: split for value, split in splits.items() if split is not None}
        if len(split_of_value) == len(values) and ("train" in split_of_value.values() or name in known):
            return name, split_of_value
    return None
