"""The confusion matrix: a table with shares of rows and columns, a heat map where there are many classes, and pairs."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.reports.page import middle
from leannet.tasks.metrics import Scores

FEW, MANY = 4, 20  # up to FEW classes each cell shows all its figures; above MANY the matrix is a heat map
NARROW = 4  # letters of a name that fits above its column
PAIRS = 12
TICKS, LETTERS = 10, 13  # names beside a heat map, and of each at most
CORRECT, INCORRECT = (47, 126, 216), (222, 100, 42)  # colors that are legible on white and on black


@dataclass(frozen=True)
class Cell:
    """Images of one class with one prediction: how many, of how many of the class, of how many so predicted."""

    truth: str
    prediction: str
    images: int
    of_truth: int
    of_prediction: int

    @property
    def row(self) -> float:
        """The share of the true class."""
        return self.images / max(self.of_truth, 1)

    @property
    def column(self) -> float:
        """The share of all images with this prediction."""
        return self.images / max(self.of_prediction, 1)

    @property
    def is_correct(self) -> bool:
        return self.truth == self.prediction


def cells(scores: Scores) -> list[list[Cell]]:
    """The matrix: a line a true class, a column a predicted one."""
    numbers = range(len(scores.per_class))
    return [_cells(scores, [(truth, prediction) for prediction in numbers]) for truth in numbers]


def most_confused(scores: Scores, most: int | None = PAIRS) -> list[Cell]:
    """The commonest mistakes, of equal ones those of the smaller class first. most: None: all."""
    mistakes = np.array(scores.confusion)
    np.fill_diagonal(mistakes, 0)
    cells = _cells(scores, np.argwhere(mistakes).tolist())
    return sorted(cells, key=lambda cell: (-cell.images, -cell.row))[:most]


def _cells(scores: Scores, places: Iterable[Sequence[int]]) -> list[Cell]:
    names, counts = [c.name for c in scores.per_class], np.array(scores.confusion)
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    return [Cell(names[t], names[p], int(counts[t, p]), int(rows[t]), int(columns[p])) for t, p in places]


def shades(scores: Scores, least: int = 80) -> NDArray[np.uint8]:
    """(classes, classes, 4) RGBA: blue for correct, orange for incorrect predictions, clear where there are none.

    Opacity grows with the root of the share of the true class: one mistake of a hundred has to be seen beside a hundred
    of a hundred that are correct. least: opacity of a cell with an image, of 255.
    """
    counts = np.array(scores.confusion, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pixels = np.zeros((*counts.shape, 4), np.uint8)
    pixels[..., :3] = INCORRECT
    pixels[np.eye(len(counts), dtype=bool), :3] = CORRECT
    pixels[..., 3] = np.where(counts > 0, np.round(least + (255 - least) * np.sqrt(shares)), 0)
    return pixels


def heat_map(scores: Scores) -> dict[str, Any]:
    """For a page: the matrix as a PNG of a pixel a cell, names beside it, and what the script puts into words."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(shades(scores)).save(data, format="PNG", optimize=True)
    names = [c.name for c in scores.per_class]
    number = len(names)
    step = -(-number // TICKS)
    filled = np.argwhere(np.array(scores.confusion)).tolist()
    return {
        "png": as_uri(data.getvalue(), "png"),
        "ticks": [{"name": middle(names[i], LETTERS), "at": (i + 0.5) / number} for i in range(0, number, step)],
        "data": {"classes": names, "cells": [[t, p, scores.confusion[t][p]] for t, p in filled]},
    }


def as_uri(data: bytes, kind: str) -> str:
    """An image that lies inside the page."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
