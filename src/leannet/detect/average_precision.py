"""Average precision of boxes, as COCO defines it, computed by faster-coco-eval.

That package is right where it is asked rightly. It takes an annotation whose id is 0 for none, one to be ignored for
one to be found, and a box that is no number for a hit; so ids are given here, from 1, what is too hard is given as a
crowd, and answers that are not finite are refused before it sees them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.data.truths import Truths
from leannet.errors import LeannetError

OVERLAPS = np.linspace(0.5, 0.95, 10)  # the IoU from which an answer counts as right
SIZES = ("all", "small", "medium", "large")  # by area: up to 32 x 32 px, up to 96 x 96 px, and larger


@dataclass(frozen=True)
class Detections:
    """What a network found in an image. boxes: (n, 4) `boxes_xyxy` in pixels. scores: (n,). labels: (n,)."""

    boxes: NDArray[np.floating]
    scores: NDArray[np.floating]
    labels: NDArray[np.integer]


@dataclass(frozen=True)
class AveragePrecision:
    """Shares of 1; NaN where there is no object to find.

    ap: the mean over classes and ten IoU from 0.5 to 0.95. recall: the most that is reached, over the same. by_size: ap
    of small, medium and large objects. by_class: class -> (ap, ap50). precision: class -> (101,), at recall 0, 0.01 to
    1 and an IoU of 0.5.
    """

    ap: float
    ap50: float
    ap75: float
    recall: float
    by_size: dict[str, float] = field(default_factory=dict)
    by_class: dict[str, tuple[float, float]] = field(default_factory=dict)
    precision: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def average_precision(
    detections: Sequence[Detections], truths: Sequence[Truths], classes: Sequence[str], most: int = 100
) -> AveragePrecision:
    """Of the `most` best answers of each image. truths: in pixels, as the answers are.

    Raises LeannetError for answers that are not finite, and where faster-coco-eval is not installed.
    """
    check_finite(detections)
    evaluated = _evaluated(detections, truths, classes, most)
    precision, recall = evaluated.eval["precision"], evaluated.eval["recall"]  # (IoU, recall, class, size, most)
    all_sizes = precision[:, :, :, 0, -1]
    return AveragePrecision(
        ap=_mean(all_sizes),
        ap50=_mean(all_sizes[0]),
        ap75=_mean(all_sizes[5]),
        recall=_mean(recall[:, :, 0, -1]),
        by_size={size: _mean(precision[:, :, :, place, -1]) for place, size in enumerate(SIZES) if place},
        by_class={
            name: (_mean(all_sizes[:, :, number]), _mean(all_sizes[0, :, number]))
            for number, name in enumerate(classes)
        },
        precision={name: all_sizes[0, :, number] for number, name in enumerate(classes)},
    )


def check_installed() -> None:
    """Raises LeannetError where faster-coco-eval is not installed."""
    try:
        import faster_coco_eval  # noqa: F401  (whether it is there)
    except ImportError:
        raise LeannetError("boxes need the package faster-coco-eval: pip install 'leannet[detect]'") from None


def check_finite(detections: Sequence[Detections]) -> None:
    """Raises LeannetError for boxes and scores that are not finite."""
    for number, each in enumerate(detections):
        for what, values in (("box", each.boxes), ("score", each.scores)):
            if not np.isfinite(values).all():
                wrong = values[~np.isfinite(values)][0]
                raise LeannetError(
                    f"image {number + 1} of {len(detections)}: expected finite answers, found a {what} of {wrong}: the "
                    "training diverged, or a file computes wrongly"
                )


def _evaluated(detections: Sequence[Detections], truths: Sequence[Truths], classes: Sequence[str], most: int) -> Any:
    check_installed()
    from faster_coco_eval import COCO, COCOeval_faster

    images = [{"id": number, "width": 0, "height": 0} for number in range(1, len(truths) + 1)]
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    annotations = [
        {"id": 0, "image_id": image, "category_id": int(label) + 1, "bbox": _width_and_height(box), "area": area,
         "iscrowd": int(is_crowd)}
        for image, each in enumerate(truths, start=1)
        for box, label, is_crowd, area in zip(each.boxes, each.labels, each.is_crowd, _areas(each), strict=True)
    ]  # fmt: skip
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    answers = [
        {"image_id": image, "category_id": int(label) + 1, "bbox": _width_and_height(box), "score": float(score)}
        for image, each in enumerate(detections, start=1)
        for box, score, label in zip(each.boxes, each.scores, each.labels, strict=True)
    ]
    truth = COCO({"images": images, "categories": categories, "annotations": annotations})
    answered = (
        truth.loadRes(answers) if answers else COCO({"images": images, "categories": categories, "annotations": []})
    )
    evaluated = COCOeval_faster(truth, answered, iouType="bbox")
    evaluated.params.maxDets = [1, 10, most]
    evaluated.evaluate()
    evaluated.accumulate()
    return evaluated


def _areas(truths: Truths) -> list[float]:
    if truths.areas is not None:
        return [float(area) for area in truths.areas]
    sides = truths.boxes[:, 2:] - truths.boxes[:, :2]
    return [float(area) for area in sides.prod(axis=1)]


def _width_and_height(box: NDArray[np.floating]) -> list[float]:
    left, top, right, bottom = (float(edge) for edge in box)
    return [left, top, right - left, bottom - top]


def _mean(values: NDArray[np.float64]) -> float:
    """Of what there is an object for; -1 marks the rest."""
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")
