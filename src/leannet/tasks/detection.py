"""The task of a detector: the objects in an image, each with a class, a score and a box."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import Dataset
from leannet.data.placing import place
from leannet.detect.average_precision import (
    AveragePrecision,
    Detections,
    average_precision,
    check_finite,
    check_installed,
)
from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.sections import BoxSummary
from leannet.tasks.task import Floats, Task

COLUMNS = ("path", "class", "score", "left", "top", "right", "bottom")
LEAST = 0.01  # the score below which what was found is not written
MOST = 100  # objects of an image, as COCO counts them
FIRST = 10  # of an image's objects, which a comparison leaves out last
ANOTHER = 0.1  # of the input's longer side, or of a score: what is so far from an object is another one
SHOWN = 0.3  # the score from which on an object is shown


@dataclass(frozen=True)
class Found:
    """An object that was found. box: left, top, right, bottom in pixels of the image. score: 0 to 1."""

    label: str
    score: float
    box: tuple[float, float, float, float]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"class": self.label, "score": self.score, "box": list(self.box)}


@dataclass(frozen=True)
class FoundObjects:
    """The objects of one image, the likeliest first. size: the image's width and height in pixels. least: the score
    from which on people are shown an object."""

    path: str
    size: tuple[int, int]
    objects: tuple[Found, ...]
    least: float = SHOWN

    def from_score(self, score: float | None) -> "FoundObjects":
        """Those of such a score or more, all of which are shown; None: the same."""
        if score is None:
            return self
        return replace(self, objects=tuple(each for each in self.objects if each.score >= score), least=score)

    @property
    def likely(self) -> tuple[Found, ...]:
        """Those that people are shown."""
        return tuple(each for each in self.objects if each.score >= self.least)

    @property
    def counted(self) -> tuple[str, ...]:
        """The classes of those."""
        return tuple(each.label for each in self.likely)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        width, height = self.size
        return {"path": self.path, "width": width, "height": height, "objects": [x.to_dict() for x in self.objects]}

    def line(self) -> str:
        """For a terminal: those that are likely, with their boxes."""
        words = (f"{x.label} {100 * x.score:.0f} % [{', '.join(f'{edge:.0f}' for edge in x.box)}]" for x in self.likely)
        return f"{self.path}: {'  '.join(words) or 'nothing'}"


@dataclass(frozen=True)
class BoxScores:
    """A detector on some images. counts: objects of each class, crowds aside."""

    images: int
    counts: dict[str, int]
    precision: AveragePrecision

    @property
    def objects(self) -> int:
        """How many there are to find."""
        return sum(self.counts.values())

    @property
    def rank(self) -> tuple[float, ...]:
        """What the best epoch has most of: AP, and of equal ones AP at an IoU of 0.5."""
        return self.precision.ap, self.precision.ap50

    @property
    def loss(self) -> float:
        """What AP lacks: where no object is to be found nothing."""
        return 0.0 if math.isnan(self.precision.ap) else 1 - self.precision.ap

    @property
    def accuracy(self) -> float:
        """AP at an IoU of 0.5."""
        return 0.0 if math.isnan(self.precision.ap50) else self.precision.ap50

    @property
    def logged(self) -> dict[str, float]:
        return {"validation_ap": _known(self.precision.ap) or 0.0, "validation_ap50": self.accuracy}

    def summary(self) -> BoxSummary:
        """The figures of all classes together."""
        figures = {name: _known(getattr(self.precision, name)) for name in ("ap", "ap50", "ap75", "recall")}
        return BoxSummary(images=self.images, objects=self.objects, **figures)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON; None where there is no object to find."""
        precision = self.precision
        figures = {name: _known(getattr(precision, name)) for name in ("ap", "ap50", "ap75", "recall")}
        figures |= {f"ap_{size}": _known(value) for size, value in precision.by_size.items()}
        per_class = [
            {"name": name, "objects": self.counts[name], "ap": _known(ap), "ap50": _known(ap50)}
            for name, (ap, ap50) in precision.by_class.items()
        ]
        return {"images": self.images, "objects": self.objects, **figures, "per_class": per_class}

    def line(self) -> str:
        """As people quote it."""
        if not self.objects:
            return f"no object to find in {self.images:,} images"
        ap50, ap = 100 * self.precision.ap50, 100 * self.precision.ap
        return f"AP50 {ap50:.1f} %, AP {ap:.1f} % of {self.objects:,} objects in {self.images:,} images"

    def short(self) -> str:
        """In a line of an epoch."""
        return "validation AP50 {validation_ap50:.1%}, AP {validation_ap:.1%}".format(**self.logged).replace("%", " %")

    def _repr_markdown_(self) -> str:
        """For a notebook: the figures, and a line a class."""
        from leannet.notebook import markdown_table

        lines = [
            (name, *(f"{100 * value:.1f} %" for value in values), self.counts[name])
            for name, values in self.precision.by_class.items()
        ]
        return f"{self.line()}\n\n{markdown_table(('class', 'AP', 'AP50', 'objects'), lines)}"


@dataclass(frozen=True)
class Detection(Task):
    """Answers and outputs are (N, most, 6): left, top, right and bottom in pixels of the input, score, class."""

    name: ClassVar[Literal["classify", "detect"]] = "detect"
    trained: ClassVar[str] = "train_recall"
    same: ClassVar[str] = "same objects"
    other: ClassVar[str] = "OTHER OBJECTS"

    def joined(self, outputs: Sequence[NDArray[Any]]) -> Floats:
        """Of boxes (N, most, 4), scores (N, most) and classes (N, most); or of all in one, as torch gives it, (N, 6,
        most, 1)."""
        if len(outputs) == 1:
            return np.ascontiguousarray(outputs[0][..., 0].transpose(0, 2, 1))
        boxes, *others = (np.asarray(each, np.float32) for each in outputs)
        return np.concatenate([boxes, *(each[..., None] for each in others)], axis=2)

    def answers(self, outputs: Floats) -> Floats:
        return outputs

    def check(self, images: Dataset) -> None:
        check_installed()
        if images.truths is None:
            raise LeannetError(f"{images.where}: expected a detection set, images with boxes, found {images.kind}")

    def score(self, answers: Floats, images: Dataset) -> BoxScores:
        truths = images.truths or ()
        labels = np.concatenate([each.labels[~each.is_crowd] for each in truths]) if truths else np.empty(0, np.int64)
        counts = np.bincount(labels.astype(np.int64), minlength=len(self.classes))
        precision = average_precision(self.detections(answers, images), truths, self.classes)
        return BoxScores(len(images), dict(zip(self.classes, counts.tolist(), strict=True)), precision)

    def detections(self, answers: Floats, images: Dataset) -> list[Detections]:
        """What was found in each image, in its own pixels."""
        self.check(images)
        sizes = [each.size for each in images.truths or ()]
        return [self.detections_in(each, size) for each, size in zip(answers, sizes, strict=True) if size is not None]

    def detections_in(self, answers: Floats, size: tuple[int, int]) -> Detections:
        """What was found in an image of (width, height), in its own pixels. answers: (most, 6). Boxes of which nothing
        is in the image are none; those that are not finite stay, and are refused by whoever scores or writes them."""
        where, finite = place(size, self.preprocessing), np.isfinite(answers).all(axis=1)
        boxes = where.to_image(answers[:, :4].astype(np.float64))
        boxes[finite] = where.clipped(boxes[finite])  # infinity would become the image's edge
        seen = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) | ~finite
        return Detections(boxes[seen], answers[seen, 4], answers[seen, 5].astype(np.int64))

    def likely(self, answers: Floats, images: Dataset) -> list[Detections]:
        """The same of what people are shown."""
        return [
            Detections(each.boxes[each.scores >= SHOWN], each.scores[each.scores >= SHOWN],
                       each.labels[each.scores >= SHOWN])
            for each in self.detections(answers, images)
        ]  # fmt: skip

    def write(self, path: Path, answers: Floats, images: Dataset) -> None:
        """A line an object that was found: its image, class, score, and box in pixels of the image."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        of_images = self.detections(answers, images)
        check_finite(of_images)
        for name, each in zip(images.names, of_images, strict=True):
            for box, score, label in zip(each.boxes, each.scores, each.labels, strict=True):
                if score >= LEAST:
                    writer.writerow([name, self.classes[label], f"{score:.4f}", *(f"{edge:.1f}" for edge in box)])
        write_whole(path, text.getvalue().encode(errors="backslashreplace"))  # file names need not be text

    def answer(self, path: str, answers: Floats, size: tuple[int, int], most: int) -> FoundObjects:
        """The likeliest objects of one image. Raises LeannetError for answers that are not finite."""
        if not np.isfinite(answers).all():
            check_finite([self.detections_in(answers, size)])
        answers = answers[np.argsort(-answers[:, 4], kind="stable")]  # ties were broken by what is taken off logits
        each = self.detections_in(answers[:most], size)
        columns = each.boxes.tolist(), each.scores.tolist(), each.labels.tolist()  # all at once: twice as fast
        return FoundObjects(path, size, tuple(
            Found(self.classes[label], score, tuple(box)) for box, score, label in zip(*columns, strict=True)
            if score >= LEAST
        ))  # fmt: skip

    def most(self, top: int | None) -> int:
        return MOST if top is None else top

    def outputs_fit(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == 2 and shape[1] == len(COLUMNS) - 1

    def difference(self, outputs: Floats, recorded: Floats, tolerance: float) -> float:
        """Of scores, and of the sides of boxes over the input's longer side.

        Objects of nearly equal scores may change places, and the last ones may be others: each object is compared with
        the nearest one of its class, and what is likely at most by the tolerance more than the last one is not asked
        for, but of the first few where it is a tenth of the tolerance more. 1 where there is none of its class, and for
        answers that are not finite.
        """
        if not np.isfinite(outputs).all():
            return 1.0
        side = max(self.preprocessing.width, self.preprocessing.height)
        ordered = np.abs(np.sort(outputs[..., 4]) - np.sort(recorded[..., 4])).max(initial=0.0)
        apart = [_apart(one, other, side, tolerance) for one, other in zip(outputs, recorded, strict=True)]
        return float(max([ordered, *apart]))

    def agrees(self, outputs: Floats, recorded: Floats, tolerance: float) -> bool:
        return self.difference(outputs, recorded, tolerance) < ANOTHER


def _apart(one: Floats, other: Floats, side: int, tolerance: float) -> float:
    """How far the objects (most, 6) of two answers for an image are from each other."""
    scale = np.array([side] * 4 + [1], np.float32)
    apart = np.abs((one[:, None, :5] - other[None, :, :5]) / scale).max(axis=2)
    apart = np.where(one[:, None, 5] == other[None, :, 5], apart, 1.0)
    least = max(one[:, 4].min(initial=1.0), other[:, 4].min(initial=1.0))
    margin = np.full(len(one), tolerance)
    margin[:FIRST] /= 10
    nearest = [apart.min(axis=axis)[objects[:, 4] > least + margin] for axis, objects in ((1, one), (0, other))]
    return min(float(np.concatenate(nearest).max(initial=0.0)), 1.0)


def in_both(one: Detections, other: Detections) -> int:
    """How many objects two answers for an image have in common: of one class, and an IoU of a half or more."""
    free, number = np.ones(len(other.boxes), bool), 0
    for box, label in zip(one.boxes, one.labels, strict=True):
        overlaps = np.where(free & (other.labels == label), overlap(box, other.boxes), 0.0)
        if overlaps.size and overlaps.max() >= 0.5:
            free[overlaps.argmax()] = False
            number += 1
    return number


def within(box: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(4,), (n, 4) -> (n,): the share of one box that lies in others."""
    shared = np.clip(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0, None).prod(axis=1)
    return np.asarray(shared / max(float((box[2:] - box[:2]).prod()), 1e-9))


def overlap(box: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(4,), (n, 4) -> (n,): the IoU of one box with others."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    whole = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
    return np.asarray(shared / np.maximum(whole, 1e-9))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def read_found(path: Path, classes: Sequence[str]) -> list[tuple[str, Found]]:
    """The lines of predictions.csv, each with its image. Raises LeannetError for a broken file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LeannetError(f"{path}: cannot be read: {error}") from None
    if tuple(header) != COLUMNS:
        raise LeannetError(f"{path}: expected the columns {', '.join(COLUMNS)}, found {', '.join(header)[:80]}")
    found = []
    for number, line in enumerate(lines, start=2):
        try:
            name, label, score, *edges = line
            left, top, right, bottom = map(float, edges)
            found.append((name, Found(label, float(score), (left, top, right, bottom))))
        except ValueError:
            raise LeannetError(f"{path}:{number}: expected an object as training writes it") from None
        if label not in classes:
            raise LeannetError(f"{path}:{number}: expected a class of {', '.join(classes)[:80]}, found '{label}'")
    return found
