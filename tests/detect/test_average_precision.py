"""Average precision against pycocotools, and by hand."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from leannet.data.sources import open_dataset
from leannet.data.truths import Truths
from leannet.detect.average_precision import Detections, average_precision
from leannet.errors import LeannetError

CLASSES = ("a", "b", "c")


def _truths(boxes: list[list[float]], labels: list[int], crowd: list[bool] | None = None) -> Truths:
    return Truths(
        np.array(boxes, float).reshape(-1, 4), np.array(labels, int), np.array(crowd or [False] * len(labels), bool)
    )


def _found(boxes: list[list[float]], scores: list[float], labels: list[int]) -> Detections:
    return Detections(np.array(boxes, float).reshape(-1, 4), np.array(scores, float), np.array(labels, int))


def _by_pycocotools(found: list[Detections], truths: list[Truths]) -> np.ndarray:
    """Its twelve statistics."""

    def objects(of_images: list[Truths] | list[Detections]) -> list[dict[str, float | list[float]]]:
        return [
            {
                "image_id": image,
                "category_id": int(each.labels[n]),
                "bbox": [*map(float, box[:2]), *map(float, box[2:] - box[:2])],
                "area": float((box[2:] - box[:2]).prod()),
                **(
                    {"iscrowd": int(each.is_crowd[n])} if isinstance(each, Truths) else {"score": float(each.scores[n])}
                ),
            }
            for image, each in enumerate(of_images)
            for n, box in enumerate(each.boxes)
        ]

    content = {
        "images": [{"id": n} for n in range(len(truths))],
        "categories": [{"id": n} for n in range(3)],
        "annotations": [{"id": n, **each} for n, each in enumerate(objects(truths), start=1)],
    }
    return _statistics(content, objects(found))


def _statistics(content: dict[str, Any], answers: list[Any]) -> np.ndarray:
    """pycocotools' twelve, of what a COCO file holds."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = content
        truth.createIndex()
        evaluated = COCOeval(truth, truth.loadRes(answers), "bbox")
        evaluated.evaluate()
        evaluated.accumulate()
        evaluated.summarize()
    return np.asarray(evaluated.stats)


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_equals_pycocotools(seed: int) -> None:
    draw = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(6):  # some without an object, some without an answer
        number = int(draw.integers(0, 5))
        corners = draw.uniform(0, 200, (number, 2))
        boxes = np.concatenate((corners, corners + draw.uniform(5, 130, (number, 2))), axis=1)
        labels = draw.integers(0, 3, number)
        truths.append(Truths(boxes, labels, draw.random(number) < 0.25))
        copies = int(draw.integers(0, 3)) if number else 0
        near = np.repeat(boxes, copies, axis=0) + draw.normal(0, 6, (number * copies, 4))
        said = np.where(draw.random(len(near)) < 0.8, np.repeat(labels, copies), draw.integers(0, 3, len(near)))
        found.append(Detections(near, draw.random(len(near)).round(1), said))  # scores with ties
    found[0] = _found([[0, 0, 10, 10]], [0.4], [0])
    theirs = _by_pycocotools(found, truths)
    ours = average_precision(found, truths, CLASSES)
    mine = [ours.ap, ours.ap50, ours.ap75, *ours.by_size.values()]
    np.testing.assert_allclose(np.nan_to_num(mine, nan=-1), theirs[:6], atol=1e-12)
    np.testing.assert_allclose(np.nan_to_num(ours.recall, nan=-1), theirs[8], atol=1e-12)


def test_a_file_says_the_same_to_both(tmp_path: Path) -> None:
    """Ids with gaps, classes in another order, crowds, areas that are not those of the boxes, an empty image."""
    draw, images = np.random.default_rng(3), [7, 3, 12]
    (tmp_path / "annotations").mkdir()
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": [
        {"id": 90, "name": "b"}, {"id": 4, "name": "a"}, {"id": 17, "name": "c"}]}  # fmt: skip
    for place, number in enumerate(images):
        Image.new("RGB", (300, 200)).save(tmp_path / f"{number}.png")
        content["images"].append({"id": number, "file_name": f"{number}.png", "width": 300, "height": 200})
        for n in range(0 if place == 1 else 9):
            left, top, width, height = (draw.uniform(1, 140, 4) * (1, 0.6, 1, 0.6)).round(2).tolist()
            content["annotations"].append({
                "id": 100 * number + n, "image_id": number, "category_id": (90, 4, 17)[n % 3], "iscrowd": int(n == 4),
                "bbox": [left, top, width, height], "area": round(width * height * 0.6, 2)})  # fmt: skip
    (tmp_path / "annotations" / "instances.json").write_text(json.dumps(content))
    dataset = open_dataset(str(tmp_path))
    assert dataset.classes == ("a", "c", "b")
    ids, found, answers = (4, 17, 90), [], list[Any]()
    truths = dataset.sized([(300, 200)] * 3).truths or ()
    for number, each in zip(images, truths, strict=True):
        boxes = np.concatenate((each.boxes + draw.normal(0, 3, each.boxes.shape), [[1, 1, 50, 50]]))
        labels, scores = np.append(each.labels, 0), draw.random(len(boxes))
        found.append(Detections(boxes, scores, labels))
        answers += [{"image_id": number, "category_id": ids[label], "score": float(score),
                     "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]}
                    for box, score, label in zip(boxes, scores, labels, strict=True)]  # fmt: skip
    ours, theirs = average_precision(found, truths, dataset.classes), _statistics(content, answers)
    assert 0 < ours.ap < 1
    np.testing.assert_allclose(np.nan_to_num([ours.ap, ours.ap50, ours.ap75, *ours.by_size.values()], nan=-1),
                               theirs[:6], atol=1e-12)  # fmt: skip


def test_by_hand() -> None:
    truths = [_truths([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 0]), _truths([], [])]
    right, wrong = [0, 0, 10, 10], [50, 50, 60, 60]
    assert (
        average_precision(
            [_found([right, [20, 0, 30, 10]], [0.9, 0.8], [0, 0]), _found([], [], [])], truths, CLASSES
        ).ap
        == 1
    )
    half = average_precision([_found([right], [0.9], [0]), _found([], [], [])], truths, CLASSES)
    assert half.ap50 == pytest.approx(51 / 101)  # recall 0 to 0.5
    assert half.recall == 0.5
    first_wrong = average_precision([_found([right], [0.5], [0]), _found([wrong], [0.9], [0])], truths, CLASSES)
    assert first_wrong.ap50 == pytest.approx(0.5 * 51 / 101)  # it comes before the right one, in an image without any
    assert np.isnan(half.by_class["b"][0])  # there is none


def test_nothing_found_and_nothing_to_find() -> None:
    nothing = average_precision([_found([], [], [])], [_truths([[0, 0, 9, 9]], [1])], CLASSES)
    assert (nothing.ap, nothing.recall) == (0, 0)
    assert np.isnan(average_precision([_found([], [], [])], [_truths([], [])], CLASSES).ap)


def test_a_crowd_is_neither_right_nor_wrong() -> None:
    truths = [_truths([[0, 0, 10, 10], [20, 20, 60, 60]], [0, 0], [False, True])]
    found = [_found([[20, 20, 30, 30], [30, 30, 50, 50], [0, 0, 10, 10]], [0.9, 0.8, 0.7], [0, 0, 0])]
    assert average_precision(found, truths, CLASSES).ap == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_answers_that_are_no_numbers_are_refused(value: float) -> None:
    truths = [_truths([[0, 0, 9, 9]], [0])]
    with pytest.raises(LeannetError, match="expected finite answers, found a box of"):
        average_precision([_found([[value, 0, 9, 9]], [0.5], [0])], truths, CLASSES)
    with pytest.raises(LeannetError, match="expected finite answers, found a score of"):
        average_precision([_found([[0, 0, 9, 9]], [value], [0])], truths, CLASSES)
