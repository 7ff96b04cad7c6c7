"""The task of a detector: boxes as answers, and average precision as their score."""

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from leannet.data.dataset import Dataset
from leannet.data.placing import place
from leannet.detect.average_precision import AveragePrecision, Detections, average_precision
from leannet.files import write_whole
from leannet.preprocessing import Preprocessing
from leannet.sections import BoxSummary
from leannet.training.task import Task

COLUMNS = ("path", "class", "score", "left", "top", "right", "bottom")
LEAST = 0.01  # the score below which what was found is not written


@dataclass(frozen=True)
class BoxScores:
    """A detector on some images."""

    images: int
    objects: int
    precision: AveragePrecision

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

    def summary(self) -> BoxSummary:
        """The figures of all classes together."""
        figures = {name: getattr(self.precision, name) for name in ("ap", "ap50", "ap75", "recall")}
        return BoxSummary(images=self.images, objects=self.objects, **figures)


@dataclass(frozen=True)
class Detection(Task):
    """The objects of an image, from a first output (N, 6, most, 1), as the row `top_boxes` gives it.

    preprocessing: how images became inputs, by which boxes find their way back.
    """

    preprocessing: Preprocessing

    def predictions(self, outputs: Tensor) -> Tensor:
        """(N, most, 6): left, top, right and bottom in pixels of the input, score, class."""
        return outputs[..., 0].transpose(1, 2).float().cpu()

    def score(self, predictions: NDArray[np.float32], dataset: Dataset) -> BoxScores:
        truths = dataset.truths or ()
        detections = self.detections(predictions, dataset)
        objects = sum(int((~each.is_crowd).sum()) for each in truths)
        return BoxScores(len(dataset), objects, average_precision(detections, truths, dataset.classes))

    def detections(self, predictions: NDArray[np.float32], dataset: Dataset) -> list[Detections]:
        """What was found in each image, in its own pixels. Raises ValueError for images whose sizes are not known."""
        if dataset.truths is None:
            raise ValueError("expected images with objects")
        detections = []
        for each, answers in zip(dataset.truths, predictions, strict=True):
            if each.size is None:
                raise ValueError("expected images whose sizes are known")
            where = place(each.size, self.preprocessing)
            boxes = where.clipped(where.to_image(answers[:, :4].astype(np.float64)))
            detections.append(Detections(boxes, answers[:, 4], answers[:, 5].astype(np.int64)))
        return detections

    def write(self, path: Path, predictions: NDArray[np.float32], dataset: Dataset) -> None:
        """A line an object that was found: its image, class, score, and box in pixels of the image."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, each in zip(dataset.names, self.detections(predictions, dataset), strict=True):
            for box, score, label in zip(each.boxes, each.scores, each.labels, strict=True):
                if score >= LEAST:
                    writer.writerow([name, dataset.classes[label], f"{score:.4f}", *(f"{edge:.1f}" for edge in box)])
        write_whole(path, text.getvalue().encode(errors="backslashreplace"))  # file names need not be text
