"""decisions.csv: of a network with gates, what each decided for each validation image."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leannet.errors import LeannetError
from leannet.evaluation.skipped import Decisions
from leannet.files import write_whole

WORDS = {1: "1", 0: "0", -1: ""}  # -1: not asked
CODES = {word: code for code, word in WORDS.items()}


def write_decisions(path: Path, names: Sequence[str], decisions: Decisions) -> None:
    """The name of each image, and a column for each row that decides."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", *decisions])
    for name, *taken in zip(names, *decisions.values(), strict=True):
        writer.writerow([name, *(WORDS[int(each)] for each in taken)])
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))


def read_decisions(path: Path) -> tuple[list[str], Decisions]:
    """The names of images, and what each row decided of them. Raises LeannetError for a broken file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = list(csv.reader(file)) or [[]]
        columns = [[CODES[word] for word in column] for column in zip(*(line[1:] for line in lines), strict=True)]
        names = [line[0] for line in lines]
    except OSError as error:
        raise LeannetError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error, ValueError, KeyError, IndexError):
        columns, header, names = [], [], []
    if header[:1] != ["path"] or len(columns) != len(header) - 1 or not columns:
        raise LeannetError(f"{path}: expected decisions as training writes them, a line an image, found something else")
    return names, {name: np.array(column, np.int8) for name, column in zip(header[1:], columns, strict=True)}
