"""Suspect labels: a case counted by hand, and errors that were planted."""

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from leannet.errors import LeannetError
from leannet.looks import suspects
from leannet.looks.suspect_labels import Suspects, ranked, thresholds
from leannet.training import cross_validate, train

# label, probabilities of a, b, c. The mean of each class's own: a 0.55, b 0.6, c 0.7.
HAND = [
    ("a1", 0, (0.80, 0.10, 0.10)),
    ("a2", 0, (0.30, 0.65, 0.05)),  # b is confident, a is not: likely b
    ("b1", 1, (0.56, 0.40, 0.04)),  # a reaches its mean, b does not: likely a
    ("b2", 1, (0.10, 0.80, 0.10)),
    ("c1", 2, (0.00, 0.30, 0.70)),
    ("c2", 2, (0.54, 0.00, 0.46)),  # a is likelier, and yet below its mean: doubtful, not likely wrong
    ("c3", 2, (0.02, 0.04, 0.94)),
]


def test_a_case_by_hand() -> None:
    names = [name for name, *_ in HAND]
    labels = np.array([label for _, label, _ in HAND])
    probabilities = np.array([p for *_, p in HAND])
    np.testing.assert_allclose(thresholds(labels, probabilities), (0.55, 0.6, 0.7))
    ranking = ranked(names, labels, probabilities, ("a", "b", "c"))
    assert [each.image for each in ranking] == ["a2", "b1", "c2", "c1", "a1", "b2", "c3"]
    np.testing.assert_allclose([each.margin for each in ranking], (-0.35, -0.16, -0.08, 0.4, 0.7, 0.7, 0.9))
    assert [each.image for each in ranking if each.likely] == ["a2", "b1"]
    assert [each.suggestion for each in ranking] == ["b", "a", "a", "b", "b", "a", "b"]
    assert [each.rank for each in ranking] == list(range(1, 8))


def test_a_class_without_a_image_is_never_confident() -> None:
    ranking = ranked(["x"], np.array([0]), np.array([[0.1, 0.9]]), ("a", "b"))
    assert (ranking[0].likely, ranking[0].suggestion, ranking[0].margin) == (False, "b", pytest.approx(-0.8))
    assert ranked([], np.empty(0, np.int64), np.empty((0, 2)), ("a", "b")) == ()


def planted(path: Path, images: int, share: float = 0.02) -> list[str]:
    """A Parquet of digits, some under another's label; the names of those."""
    digits = load_digits()
    arrays = np.round(digits.images[:images] * (255 / 16)).astype(np.uint8)
    labels = digits.target[:images].copy()
    random = np.random.default_rng(0)
    chosen = random.choice(images, round(share * images), replace=False)
    labels[chosen] = (labels[chosen] + random.integers(1, 10, len(chosen))) % 10
    cells = []
    for array in arrays:
        data = io.BytesIO()
        Image.fromarray(array).save(data, "PNG")
        cells.append({"bytes": data.getvalue()})
    pq.write_table(pa.table({"image": cells, "label": labels}), path)
    return [f"row {number}" for number in chosen]


def test_planted_errors_are_found(tmp_path: Path) -> None:
    """Of 2 % wrong labels in real digits, at least half stand in the first 5 % of the list."""
    wrong = planted(tmp_path / "digits.parquet", images=1000)
    settings = {"model": "two_layer_debug", "resolution": 16, "color": "L", "epochs": 3, "batch_size": 16}
    plain = {"augment": {"crop": 0, "flip": False}, "workers": 0, "quiet": True, "label_smoothing": 0.0}
    cross_validate(str(tmp_path / "digits.parquet"), 3, tmp_path / "folds", **settings, **plain)
    suspect_labels = suspects(tmp_path / "folds")
    assert len(suspect_labels.images) == 1000
    assert suspect_labels.coverage == "all 1,000 images, each judged by the fold that did not train on it"
    first = {each.image for each in suspect_labels.images[:50]}
    assert len(first & set(wrong)) >= len(wrong) / 2
    assert suspect_labels.is_reliable
    likely = {each.image for each in suspect_labels.images if each.likely}
    assert len(likely & set(wrong)) >= len(wrong) / 2


def test_what_a_plain_run_judges(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", model="two_layer_debug", epochs=1, quiet=True, workers=0)
    suspect_labels = suspects(run.path)
    number = run.header.split.sizes["validation"]
    assert len(suspect_labels.images) == number
    assert suspect_labels.coverage.startswith(
        f"the validation split alone, {number} of 24 images; leannet train --folds"
    )
    table = list(csv.reader((run.path / "predictions.csv").read_text().splitlines()))
    assert sorted(each.image for each in suspect_labels.images) == sorted(line[0] for line in table[1:])
    alone = suspects(run.path / "predictions.csv")
    assert alone.images == suspect_labels.images
    assert "if no network trained on them" in alone.coverage
    with pytest.raises(LeannetError, match=r"expected predictions\.csv, as leannet train leaves it"):
        suspects(tmp_path)


def test_what_the_network_agrees_with_is_not_doubted() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.505, 0.495], [0.2, 0.8], [0.52, 0.48]], np.float32)
    suspect_labels = Suspects(ranked(["a", "b", "c", "d"], labels, probabilities, ("car", "plane")), "all")
    assert [each.image for each in suspect_labels.images] == ["d", "b", "c", "a"]
    assert [each.image for each in suspect_labels.doubtful] == ["d"]
    assert suspect_labels.doubtful[0].margin < 0


def _suspects_of(errors: list[int], sizes: list[int]) -> Suspects:
    """Of each class so many images, of which the network is sure that so many are of the next class."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    probabilities = np.full((len(labels), len(sizes)), 0.02)
    for label, (wrong, first) in enumerate(zip(errors, np.cumsum([0, *sizes]), strict=False)):
        for number in range(sizes[label]):
            answer = (label + 1) % len(sizes) if number < wrong else label
            probabilities[first + number, answer] = 1 - 0.02 * (len(sizes) - 1)
    names = [str(number) for number in range(len(labels))]
    return Suspects(ranked(names, labels, probabilities, tuple("abc"[: len(sizes)])), "all")


def test_labels_are_named_only_where_the_network_can_know() -> None:
    """At most a tenth of all labels, which is what the worst of public test sets has."""
    for errors, reliable in (([4, 4], True), ([5, 4], False), ([30, 30], False)):
        suspect_labels = _suspects_of(errors, [40, 40])
        assert (suspect_labels.called_wrong, suspect_labels.is_reliable) == (sum(errors), reliable)
        assert len(suspect_labels.named) == len(suspect_labels.doubtful) == (sum(errors) if reliable else 0)
        assert len(suspect_labels.to_dict()["images"]) == len(suspect_labels.named)
        assert suspect_labels.to_dict()["likely"] == (sum(errors) if reliable else None)
        assert bool(suspect_labels.note) != reliable
    assert "takes 75 % of the images for something else" in _suspects_of([30, 30], [40, 40]).note


def test_a_class_that_the_network_does_not_know_has_no_suspects() -> None:
    """It never answers the rare class: 94 % correct, and the four images of that class are no wrong labels."""
    suspect_labels = _suspects_of([1, 4, 1], [60, 4, 40])
    assert suspect_labels.is_reliable
    assert suspect_labels.unknown_classes == {"b"}
    assert sorted(each.label for each in suspect_labels.named) == ["a", "c"]
    assert suspect_labels.note.startswith("Labels of b are not named")
