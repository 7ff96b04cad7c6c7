"""What a detector is worth on the validation images, for the page of a run: curves, classes, and images with boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leannet.data.truths import Truths
from leannet.detect.average_precision import AveragePrecision, Detections, average_precision
from leannet.errors import LeannetError
from leannet.reports.images import RunImages, as_jpeg
from leannet.style import COLORS, figure, inline_svg, plain_axes
from leannet.tasks.detection import SHOWN, Found, overlap, within

OVERLAP = 0.5  # IoU from which an answer is right
SIDE = 420  # pixels of an image with boxes, at most
WORST = 12
KINDS = ("missed", "wrong", "again", "right")
MOST_CURVES = len(COLORS)


@dataclass(frozen=True)
class Judged:
    """An answer, or an object that has none. box: left, top, right, bottom in pixels of the image.

    kind: right, again (of an object that has an answer already), wrong, or missed.
    """

    kind: str
    label: str
    box: tuple[float, float, float, float]
    score: float | None = None

    @property
    def words(self) -> str:
        """For whoever points at it."""
        if self.score is None:
            return f"missed: {self.label}"
        return f"{self.kind}: {self.label} {100 * self.score:.0f} %"


@dataclass(frozen=True)
class JudgedImage:
    """A validation image: its likely answers and its objects, each judged."""

    index: int  # in the data
    name: str
    size: tuple[int, int]
    judged: tuple[Judged, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind: sum(each.kind == kind for each in self.judged) for kind in KINDS}

    @property
    def errors(self) -> int:
        """How much of it is not as it should be."""
        return len(self.judged) - self.counts["right"]


@dataclass(frozen=True)
class FoundBoxes:
    """What a detector says of the validation images that are there, and what it is worth."""

    images: tuple[JudgedImage, ...]
    precision: AveragePrecision
    counts: dict[str, int]  # of each class, the objects to find

    @property
    def kinds(self) -> dict[str, int]:
        """How many answers and objects of each kind, over all images."""
        return {kind: sum(image.counts[kind] for image in self.images) for kind in KINDS}

    @property
    def worst(self) -> list[JudgedImage]:
        """Those of most errors."""
        ordered = sorted(self.images, key=lambda image: -image.errors)
        return [image for image in ordered[:WORST] if image.errors]


def found_boxes(found: Sequence[tuple[str, Found]], images: RunImages) -> FoundBoxes:
    """What the lines of predictions.csv say, beside the objects of the validation images.

    Raises LeannetError where no validation image is there, and where faster-coco-eval is not installed.
    """
    classes = images.header.classes
    answers: dict[str, list[Found]] = {}
    for name, each in found:
        answers.setdefault(name, []).append(each)
    judged, truths, detections = list[JudgedImage](), list[Truths](), list[Detections]()
    for index in images.of_split("validation"):
        name, truth = images.dataset.names[index], images.truth(index)
        if truth is None or truth.size is None:
            continue
        of_image = answers.get(name, [])
        numbers = np.array([classes.index(each.label) for each in of_image], np.int64)
        boxes = np.array([each.box for each in of_image], np.float64).reshape(-1, 4)
        truths.append(truth)
        detections.append(Detections(boxes, np.array([each.score for each in of_image]), numbers))
        judged.append(JudgedImage(index, name, truth.size, judge(of_image, truth, classes)))
    if not judged:
        raise LeannetError("the validation images are not there any more")
    labels = np.concatenate([each.labels[~each.is_crowd] for each in truths])
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    precision = average_precision(detections, truths, classes)
    return FoundBoxes(tuple(judged), precision, dict(zip(classes, counts, strict=True)))


def judge(found: Sequence[Found], truth: Truths, classes: Sequence[str]) -> tuple[Judged, ...]:
    """The likely answers of an image, and the objects that have none, the likeliest first.

    An answer is right for the object of its class that it overlaps most, by an IoU of a half at least. One that has no
    such object, and half of which lies in a crowd of its class, is neither right nor wrong.
    """
    judged: list[Judged] = []
    taken: set[int] = set()
    labels = [classes[number] for number in truth.labels]
    for each in sorted(found, key=lambda one: -one.score):
        if each.score < SHOWN:
            continue
        box, of_class = np.array(each.box), np.array([label == each.label for label in labels], bool)
        overlaps = np.where(of_class & ~truth.is_crowd, overlap(box, truth.boxes), 0.0)
        free = [number for number in np.argsort(-overlaps) if overlaps[number] >= OVERLAP]
        if not free and (within(box, truth.boxes[of_class & truth.is_crowd]) >= OVERLAP).any():
            continue
        new = next((number for number in free if number not in taken), None)
        kind = "wrong" if not free else "again" if new is None else "right"
        if new is not None:
            taken.add(int(new))
        judged.append(Judged(kind, each.label, each.box, each.score))
    for number, (label, box) in enumerate(zip(labels, truth.boxes.tolist(), strict=True)):
        if number not in taken and not truth.is_crowd[number]:
            judged.append(Judged("missed", label, (box[0], box[1], box[2], box[3])))
    return tuple(judged)


def precision_recall(found: FoundBoxes) -> str:
    """Precision by recall at an IoU of a half, a line a class, as an <svg> element; of many classes the most
    frequent."""
    names = sorted(found.counts, key=lambda name: -found.counts[name])[:MOST_CURVES]
    with figure(5, 3.6) as drawing:
        axes = drawing.subplots()
        draw_precision_recall(axes, found, names)
        return inline_svg(drawing, "precision by recall, at an IoU of 0.5")


def draw_precision_recall(axes: Any, found: FoundBoxes, names: Sequence[str]) -> None:
    """The same on axes."""
    recall = np.linspace(0, 100, 101)
    for name, color in zip(names, COLORS, strict=False):
        values = np.asarray(found.precision.precision[name], np.float64)
        if (values > -1).any():
            axes.plot(recall, 100 * values, color=color, linewidth=1.8, label=name)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 103)
    axes.set_title("Precision by recall, IoU 0.5")
    axes.set_xlabel("recall, %")
    axes.set_ylabel("precision, %")
    plain_axes(axes)
    axes.legend(frameon=False, loc="lower left")


@dataclass(frozen=True)
class ShownImage:
    """An image with its boxes, as the page draws them: in pixels of the image."""

    name: str
    width: int
    height: int
    uri: str
    judged: tuple[Judged, ...]
    counts: dict[str, int]


def shown_images(found: FoundBoxes, images: RunImages) -> list[ShownImage]:
    """The images of most errors, as they are now."""
    shown = []
    for each in found.worst:
        image = images.image(each.index, "validation")
        if image is not None:
            shown.append(ShownImage(each.name, *each.size, as_jpeg(image, SIDE), each.judged, each.counts))
    return shown
