"""predictions.csv: one line a validation picture."""

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leannet.data.sources import Pictures
from leannet.errors import LeannetError
from leannet.files import write_whole


def write_predictions(path: Path, pictures: Pictures, probabilities: NDArray[np.float32]) -> None:
    """Name, true class, predicted class, and the probability of each class (N, classes)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "truth", "prediction", *(f"p_{name}" for name in pictures.classes)])
    for name, label, line in zip(pictures.names, pictures.labels, probabilities, strict=True):
        best = pictures.classes[int(line.argmax())]
        writer.writerow([name, pictures.classes[label], best, *(f"{value:.6g}" for value in line)])
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))  # file names need not be text


def read_predictions(path: Path) -> tuple[list[str], NDArray[np.int64], NDArray[np.float32], tuple[str, ...]]:
    """Names, labels (N,), probabilities (N, classes) and class names. Raises LeannetError for a broken file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = list(csv.reader(file))
        classes = tuple(column.removeprefix("p_") for column in header[3:])
        labels = np.array([classes.index(line[1]) for line in lines], dtype=np.int64)
        probabilities = np.array([[float(value) for value in line[3:]] for line in lines], dtype=np.float32)
        return [line[0] for line in lines], labels, probabilities.reshape(len(lines), len(classes)), classes
    except (OSError, ValueError, IndexError) as error:
        raise LeannetError(f"{path}: expected predictions as training writes them, found: {error}") from None
