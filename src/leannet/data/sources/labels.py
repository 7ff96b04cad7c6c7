"""What is a label, and in which order classes are numbered: one rule for all formats."""

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

WHOLE = re.compile(r"^[+-]?\d+$")
WHOLE_FLOAT = re.compile(r"^([+-]?\d+)\.0*$")  # as pandas writes whole numbers beside a missing one
# What pandas reads as missing too: of R, Excel, Python and databases.
MISSING = {
    "", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    "NAN", "Null",
}  # fmt: skip
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\ufeff"))
HIDDEN = "-1"  # what publishers write where they keep the labels of a test split


class NoLabel(ValueError):
    """A value that is no label of one class, and why."""


def label_of(value: Any) -> int | str | None:
    """A label as data holds it: a whole number, or a name; None where it is missing.

    Whole floats are whole numbers; NaN, null and empty text are missing. Raises NoLabel for lists and structs, which
    are never made a class by their text, and for numbers that are not whole.
    """
    if value is None or isinstance(value, str):
        return _text(value or "")
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating | Decimal):
        if math.isnan(value):
            return None
        if not math.isfinite(value) or value != int(value):
            raise NoLabel(f"the number {value}; a class is a whole number or a name")
        return int(value)
    if isinstance(value, bytes):
        try:
            return _text(value.decode())
        except UnicodeDecodeError:
            raise NoLabel("bytes that are no text; a class is a whole number or a name") from None
    if isinstance(value, list | tuple | set | np.ndarray):
        raise NoLabel("a list: several labels an image, of which leannet learns one")
    if isinstance(value, dict):
        raise NoLabel(f"a struct of {', '.join(map(str, value)) or 'nothing'}; a class is a whole number or a name")
    raise NoLabel(f"a {type(value).__name__}; a class is a whole number or a name")


def _text(text: str) -> str | None:
    text = unicodedata.normalize("NFC", text.translate(INVISIBLE)).strip()
    if text in MISSING:
        return None
    if text[0] in "[{" and text[-1] in "]}":
        raise NoLabel(f"{text[:40]}: several labels an image, or a struct; leannet learns one label an image")
    return text


def class_names(labels: Sequence[int | str | None]) -> list[str | None]:
    """The class name of each label. Text that is all of whole floats (`1.0`) stands for whole numbers."""
    texts = {label for label in labels if isinstance(label, str)}
    if any(WHOLE_FLOAT.match(text) for text in texts) and all(
        WHOLE.match(text) or WHOLE_FLOAT.match(text) for text in texts
    ):
        whole = {text: str(int(text.split(".")[0])) for text in texts}
        return [None if label is None else whole.get(str(label), str(label)) for label in labels]
    if texts and {text.lower() for text in texts} <= {"true", "false"}:
        return [None if label is None else str(label).capitalize() for label in labels]
    return [None if label is None else str(label) for label in labels]


def alike(names: Iterable[str]) -> str:
    """A remark about class names that differ in capitals, or zeros before a number, alone; empty where none do."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[str(int(name)) if WHOLE.match(name) else name.casefold()].append(name)
    same = [" and ".join(group) for group in groups.values() if len(group) > 1]
    return f"classes that may be meant as one: {', '.join(same[:3])}" if same else ""


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in the order of their numbers: 0, 1, 2, 10 where all are whole numbers, else as text."""
    distinct = set(names)
    if all(WHOLE.match(name) for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def joined_labels(names: Iterable[str]) -> str | None:
    """A name that joins others of the same data (`cat|dog` beside `cat` and `dog`): several labels an image."""
    known = set(names)
    for name in sorted(known):
        for sign in ("|", ";", ",", " "):
            words = [word.strip() for word in name.split(sign)]
            if len(words) > 1 and set(words) <= known and (sign != " " or all(WHOLE.match(word) for word in words)):
                return name
    return None
