"""predictions.csv: one line a validation image."""

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import Dataset
from leannet.errors import LeannetError
from leannet.files import write_whole

FIRST = ["path", "truth", "prediction"]  # columns, before one a class
NEAR = 0.02  # how far from 1 the probabilities of an image may sum up

Predictions = tuple[list[str], NDArray[np.int64], NDArray[np.float32], tuple[str, ...]]


def write_predictions(path: Path, dataset: Dataset, probabilities: NDArray[np.float32]) -> None:
    """Name, true class, predicted class, and the probability of each class (N, classes)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FIRST, *(f"p_{name}" for name in dataset.classes)])
    for name, label, line in zip(dataset.names, dataset.labels, probabilities, strict=True):
        best = dataset.classes[int(line.argmax())]
        writer.writerow([name, dataset.classes[label], best, *(f"{value:.6g}" for value in line)])
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))  # file names need not be text


def read_predictions(path: Path) -> Predictions:
    """Names, labels (N,), probabilities (N, classes) and class names. Raises LeannetError for a broken file."""
    predictions, broken = read_whole_lines(path)
    if broken:
        raise LeannetError(
            f"{path}: expected predictions as training writes them, "
            f"found {broken} of {broken + len(predictions[0])} lines broken"
        )
    return predictions


def read_whole_lines(path: Path) -> tuple[Predictions, int]:
    """What `read_predictions` gives of the lines that are whole, and how many are broken.

    Raises LeannetError for what is no such file at all.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = [line for line in csv.reader(file) if line] or [[]]
    except FileNotFoundError:
        raise LeannetError(f"{path}: expected predictions as training writes them, found no file") from None
    except OSError as error:
        raise LeannetError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise LeannetError(f"{path}: expected predictions as training writes them, found no table of text") from None
    columns = header[len(FIRST) :]
    if header[: len(FIRST)] != FIRST or not columns or not all(column.startswith("p_") for column in columns):
        raise LeannetError(f"{path}: expected the columns {', '.join(FIRST)} and one for each class, found others")
    classes = tuple(column.removeprefix("p_") for column in columns)
    known = {name: number for number, name in enumerate(classes)}
    whole = [(line, values) for line in lines if (values := _probabilities(line, known)) is not None]
    labels = np.array([known[line[1]] for line, _ in whole], dtype=np.int64)
    probabilities = np.array([values for _, values in whole], dtype=np.float32).reshape(len(whole), len(classes))
    return ([line[0] for line, _ in whole], labels, probabilities, classes), len(lines) - len(whole)


def _probabilities(line: list[str], known: dict[str, int]) -> list[float] | None:
    """Of each class; None where the line is broken."""
    if len(line) != len(FIRST) + len(known) or not {line[1], line[2]} <= known.keys():
        return None
    try:
        values = [float(value) for value in line[len(FIRST) :]]
    except ValueError:
        return None
    return values if min(values) >= 0 and abs(sum(values) - 1) <= NEAR else None  # false for what is no number too
