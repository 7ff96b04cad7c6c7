"""What counts as a label, and how classes are ordered: one rule for all formats."""

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

WHOLE = re.compile(r"^[+-]?\d+$")
WHOLE_FLOAT = re.compile(r"^([+-]?\d+)\.0*$")  # how pandas writes whole numbers in a column with missing values
# What pandas reads as missing, too: from R, Excel, Python and databases.
MISSING = {
    "", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    "NAN", "Null",
}  # fmt: skip
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\ufeff"))
HIDDEN = "-1"  # how publishers mark the hidden labels of a test split


class NoLabel(ValueError):
    """A value that is not a label of one class. The message says why."""


def label_of(value: Any) -> int | str | None:
    """A label as a whole number or a name; None: missing.

    Whole floats are whole numbers; NaN, null and empty text are missing. Raises NoLabel for lists and structs, whose
    text never becomes a class name, and for numbers that are not whole.
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
            raise NoLabel("bytes that are not text; a class is a whole number or a name") from None
    if isinstance(value, list | tuple | set | np.ndarray):
        raise NoLabel("a list: several labels per image; leannet learns one")
    if isinstance(value, dict):
        raise NoLabel(f"a struct of {', '.join(map(str, value)) or 'nothing'}; a class is a whole number or a name")
    raise NoLabel(f"a {type(value).__name__}; a class is a whole number or a name")


def _text(text: str) -> str | None:
    text = unicodedata.normalize("NFC", text.translate(INVISIBLE)).strip()
    if text in MISSING:
        return None
    if text[0] in "[{" and text[-1] in "]}":
        raise NoLabel(f"{text[:40]}: several labels per image, or a struct; leannet learns one label")
    return text


def class_names(labels: Sequence[int | str | None]) -> list[str | None]:
    """The class name of each label. If all text is whole floats (`1.0`), they are whole numbers."""
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
    """A remark about class names that differ only in case or leading zeros; empty: there are none."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[str(int(name)) if WHOLE.match(name) else name.casefold()].append(name)
    similar = [" and ".join(group) for group in groups.values() if len(group) > 1]
    return f"class names that may mean the same class: {', '.join(similar[:3])}" if similar else ""


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in order: numerically (0, 1, 2, 10) if all are whole numbers, else alphabetically."""
    distinct = set(names)
    if all(WHOLE.match(name) for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def joined_labels(names: Iterable[str]) -> str | None:
    """A name that joins others of the same data (`cat|dog` beside `cat` and `dog`): several labels per image."""
    known = set(names)
    for name in sorted(known):
        for separator in ("|", ";", ",", " "):
            words = [word.strip() for word in name.split(separator)]
            if (
                len(words) > 1
                and set(words) <= known
                and (separator != " " or all(WHOLE.match(word) for word in words))
            ):
                return name
    return None
