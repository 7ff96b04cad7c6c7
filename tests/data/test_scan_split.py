"""Broken pictures are met before training; parts are cut by content; batches are the same whatever the workers."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leannet.data.loader import Augment, Batches, Loader, PictureSet, mean_and_std, normalize, random_box
from leannet.data.picture_list import Pictures
from leannet.data.scan import scan
from leannet.data.sources import open_pictures
from leannet.data.split import parse_ratio, split
from leannet.errors import LeannetError
from leannet.preprocessing import Preprocessing

SMALL = Preprocessing(height=16, width=16, crop_ratio=1.0)


def test_broken_pictures_are_listed_and_left_out(shapes: Path) -> None:
    (shapes / "disc" / "empty.png").write_bytes(b"")
    (shapes / "disc" / "words.jpg").write_text("not a picture")
    whole = (shapes / "disc" / "0.png").read_bytes()
    (shapes / "square" / "cut.png").write_bytes(whole[: len(whole) // 2])
    found = scan(open_pictures(str(shapes)))
    assert len(found.pictures) == 24
    assert {f.name: bool(f.problem) for f in found.broken} == {
        "disc/empty.png": True,
        "disc/words.jpg": True,
        "square/cut.png": True,
    }
    assert any("3 files cannot be read" in line for line in found.lines())


def test_too_little_to_learn_from(shapes: Path) -> None:
    for file in sorted((shapes / "square").iterdir())[1:]:
        file.write_bytes(b"broken")
    with pytest.raises(LeannetError, match=r"class 'square' has 1 picture \(11 could not be read"):
        scan(open_pictures(str(shapes)))
    for file in (shapes / "disc").iterdir():
        file.write_bytes(b"broken")
    for file in (shapes / "square").iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(LeannetError, match="found none"):
        scan(open_pictures(str(shapes)))


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def _made(counts: list[int]) -> tuple[Pictures, list[str]]:
    labels = np.repeat(np.arange(len(counts)), counts)
    names = tuple(f"p{n}" for n in range(len(labels)))
    classes = tuple(f"c{n}" for n in range(len(counts)))
    parts = (None,) * len(labels)
    return Pictures("made", "made", classes, names, labels, parts, lambda i: b""), [_digest(n) for n in names]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 60), min_size=2, max_size=5), st.integers(0, 5), st.booleans())
def test_split_is_a_stratified_partition(counts: list[int], seed: int, three: bool) -> None:
    pictures, digests = _made([max(n, 3) for n in counts] if three else counts)
    ratio = (0.6, 0.2, 0.2) if three else (0.8, 0.2)
    cut = split(pictures, digests, ratio, seed)
    parts = [cut.train, cut.validation] + ([cut.test] if three else [])
    together = np.sort(np.concatenate(parts))
    assert together.tolist() == list(range(len(pictures)))
    for label, total in Counter(pictures.labels.tolist()).items():
        for part, share in zip(parts, ratio, strict=True):
            assert abs((pictures.labels[part] == label).sum() - share * total) <= 1.5


def test_split_follows_content_not_names() -> None:
    pictures, digests = _made([30, 30])
    before = split(pictures, digests, (0.8, 0.2), seed=1)
    order = np.random.default_rng(0).permutation(60)
    after = split(pictures.keep(order), [digests[i] for i in order], (0.8, 0.2), seed=1)
    assert {digests[i] for i in before.train} == {digests[order[i]] for i in after.train}
    assert before.digests == after.digests
    other = split(pictures, digests, (0.8, 0.2), seed=2)
    assert other.digests["all"] == before.digests["all"]
    assert other.digests["train"] != before.digests["train"]


def test_equal_copies_stay_on_one_side() -> None:
    pictures, digests = _made([40, 40])
    digests = [_digest(f"same {n // 2}") for n in range(80)]
    cut = split(pictures, digests, (0.75, 0.25), seed=0)
    both = {digests[i] for i in cut.train} & {digests[i] for i in cut.validation}
    assert not both


def test_the_datas_own_parts_are_kept_and_a_test_part_never_touched() -> None:
    pictures, digests = _made([10, 10])
    parts = tuple(("train", "validation", "test")[n % 3] for n in range(20))
    given_parts = Pictures(**{**pictures.__dict__, "parts": parts})
    kept = split(given_parts, digests, None, 0)
    assert kept.ratio is None
    assert [parts[i] for i in kept.validation] == ["validation"] * len(kept.validation)
    cut = split(given_parts, digests, (0.5, 0.5), 0)
    assert set(cut.test) == {i for i, part in enumerate(parts) if part == "test"}
    with pytest.raises(LeannetError, match="a test part of its own"):
        split(given_parts, digests, (0.6, 0.2, 0.2), 0)


@pytest.mark.parametrize("text", ["80", "80:0", "a:b", "1:2:3:4", "-1:2", ""])
def test_a_ratio_that_is_none(text: str) -> None:
    with pytest.raises(LeannetError, match=r"expected train:validation"):
        parse_ratio(text)


def test_batches_are_the_same_whatever_the_workers(shapes: Path) -> None:
    pictures = scan(open_pictures(str(shapes))).pictures
    train = PictureSet(pictures, SMALL, Augment(), seed=3)
    batches = Batches(np.arange(24), 7, range(2), seed=3, training=True)
    alone = [[t.clone() for t in batch] for batch in Loader(train, batches, workers=0)]
    helped = [[t.clone() for t in batch] for batch in Loader(train, batches, workers=2)]
    for one, other in zip(alone, helped, strict=True):
        for a, b in zip(one, other, strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(alone[0][0], alone[4][0])


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 1))
def test_an_epoch_has_every_picture_once_and_no_batch_of_one(count: int, size: int, start: int) -> None:
    whole = list(Batches(np.arange(count), size, range(2), training=True))
    shown = [index for batch in whole[: len(whole) // 2] for index, _ in batch]
    assert len(shown) == len(set(shown))
    assert len(shown) >= count - 1
    assert all(len(batch) > 1 for batch in whole) or size == 1 or count == 1
    assert list(Batches(np.arange(count), size, range(2), training=True, start=start)) == whole[start:]
    kept = [index for batch in Batches(np.arange(count), size) for index, _ in batch]
    assert kept == list(range(count))


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.05, 1), st.integers(0, 10_000))
def test_random_crops_lie_in_the_picture(width: int, height: int, least: float, seed: int) -> None:
    preprocessing = Preprocessing(height=32, width=48)
    box = random_box((width, height), preprocessing, Augment(crop=least), np.random.default_rng(seed))
    assert box is not None
    left, top, right, bottom = box
    assert -1e-6 <= left < right <= width + 1e-6
    assert -1e-6 <= top < bottom <= height + 1e-6


def test_zscore_of_the_training_part(shapes: Path) -> None:
    pictures = scan(open_pictures(str(shapes))).pictures
    plain = PictureSet(pictures, SMALL.model_copy(update={"mean": (0, 0, 0), "std": (1, 1, 1)}))
    every = torch.cat([images for images, _, _ in Loader(plain, Batches(np.arange(24), 5), 0)])
    values = normalize(every, plain.preprocessing).double()
    mean, std = mean_and_std(plain, range(24), workers=0)
    torch.testing.assert_close(torch.tensor(mean), values.mean((0, 2, 3)).float(), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.tensor(std), values.std((0, 2, 3), correction=0).float(), atol=1e-5, rtol=0)
