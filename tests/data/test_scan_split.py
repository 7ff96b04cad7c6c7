"""Broken images are found before training; splits go by content; batches are the same with any number of workers."""

import hashlib
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from leannet.data.augment import Augment, random_box
from leannet.data.dataset import Dataset
from leannet.data.images import prepare, read
from leannet.data.loader import Batches, Loader, PreparedDataset, mean_and_std, normalize
from leannet.data.scan import scan
from leannet.data.sources import open_dataset
from leannet.data.split import parse_ratio, split_dataset
from leannet.errors import LeannetError
from leannet.preprocessing import Preprocessing
from tests.conftest import draw_folder

SMALL = Preprocessing(height=16, width=16, crop_ratio=1.0)


def test_broken_images_are_listed_and_left_out(shapes: Path) -> None:
    (shapes / "disc" / "empty.png").write_bytes(b"")
    (shapes / "disc" / "words.jpg").write_text("not an image")
    whole = (shapes / "disc" / "0.png").read_bytes()
    (shapes / "square" / "cut.png").write_bytes(whole[: len(whole) // 2])
    scanned = scan(open_dataset(str(shapes)))
    assert len(scanned.dataset) == 24
    assert {f.name: bool(f.problem) for f in scanned.broken} == {
        "disc/empty.png": True,
        "disc/words.jpg": True,
        "square/cut.png": True,
    }
    assert any("3 files cannot be read" in line for line in scanned.lines())


def test_too_little_to_learn_from(shapes: Path) -> None:
    for file in sorted((shapes / "square").iterdir())[1:]:
        file.write_bytes(b"broken")
    with pytest.raises(LeannetError, match=r"class 'square' has 1 image \(11 could not be read"):
        scan(open_dataset(str(shapes)))
    for file in (shapes / "disc").iterdir():
        file.write_bytes(b"broken")
    for file in (shapes / "square").iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(LeannetError, match="found none"):
        scan(open_dataset(str(shapes)))


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def _labelled(counts: list[int]) -> tuple[Dataset, list[str]]:
    labels = np.repeat(np.arange(len(counts)), counts)
    names = tuple(f"p{n}" for n in range(len(labels)))
    classes = tuple(f"c{n}" for n in range(len(counts)))
    splits = (None,) * len(labels)
    return Dataset("drawn", "here", classes, names, labels, splits, lambda i: b""), [_digest(n) for n in names]


@settings(max_examples=60)
@given(st.lists(st.integers(2, 60), min_size=2, max_size=5), st.integers(0, 5), st.booleans())
def test_split_is_a_stratified_partition(counts: list[int], seed: int, three: bool) -> None:
    images, digests = _labelled([max(n, 3) for n in counts] if three else counts)
    ratio = (0.6, 0.2, 0.2) if three else (0.8, 0.2)
    split = split_dataset(images, digests, ratio, seed)
    splits = [split.train, split.validation] + ([split.test] if three else [])
    all_indices = np.sort(np.concatenate(splits))
    assert all_indices.tolist() == list(range(len(images)))
    for label, total in Counter(images.labels.tolist()).items():
        for indices, share in zip(splits, ratio, strict=True):
            assert abs((images.labels[indices] == label).sum() - share * total) <= 1.5


def test_split_follows_content_not_names() -> None:
    images, digests = _labelled([30, 30])
    before = split_dataset(images, digests, (0.8, 0.2), seed=1)
    order = np.random.default_rng(0).permutation(60)
    after = split_dataset(images.keep(order), [digests[i] for i in order], (0.8, 0.2), seed=1)
    assert {digests[i] for i in before.train} == {digests[order[i]] for i in after.train}
    assert before.digests == after.digests
    other = split_dataset(images, digests, (0.8, 0.2), seed=2)
    assert other.digests["all"] == before.digests["all"]
    assert other.digests["train"] != before.digests["train"]


def test_equal_copies_stay_on_one_side() -> None:
    images, digests = _labelled([40, 40])
    digests = [_digest(f"same {n // 2}") for n in range(80)]
    split = split_dataset(images, digests, (0.75, 0.25), seed=0)
    both = {digests[i] for i in split.train} & {digests[i] for i in split.validation}
    assert not both
    assert sorted([*split.train, *split.validation]) == list(range(80))
    assert 15 <= len(split.validation) <= 25


def test_the_datas_own_splits_are_kept_and_a_test_split_never_touched() -> None:
    images, digests = _labelled([10, 10])
    splits = tuple(("train", "validation", "test")[n % 3] for n in range(20))
    presplit = Dataset(**{**images.__dict__, "splits": splits})
    own = split_dataset(presplit, digests, None, 0)
    assert own.ratio is None
    for name in ("train", "validation", "test"):
        assert getattr(own, name).tolist() == [i for i, split in enumerate(splits) if split == name]
    halves = split_dataset(presplit, digests, (0.5, 0.5), 0)
    assert set(halves.test) == {i for i, split in enumerate(splits) if split == "test"}
    with pytest.raises(LeannetError, match="a test split of its own"):
        split_dataset(presplit, digests, (0.6, 0.2, 0.2), 0)


@pytest.mark.parametrize("text", ["80", "80:0", "a:b", "1:2:3:4", "-1:2", ""])
def test_a_ratio_that_is_none(text: str) -> None:
    with pytest.raises(LeannetError, match=r"expected train:validation"):
        parse_ratio(text)


def test_batches_are_the_same_whatever_the_workers(shapes: Path) -> None:
    dataset = scan(open_dataset(str(shapes))).dataset
    train = PreparedDataset(dataset, SMALL, Augment(), seed=3)
    batches = Batches(np.arange(24), 7, range(2), seed=3, training=True)
    in_process = [[t.clone() for t in batch] for batch in Loader(train, batches, workers=0)]
    by_workers = [[t.clone() for t in batch] for batch in Loader(train, batches, workers=2)]
    for batch_in_process, batch_by_workers in zip(in_process, by_workers, strict=True):
        for a, b in zip(batch_in_process, batch_by_workers, strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(in_process[0][0], in_process[4][0])


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 1))
def test_an_epoch_has_every_image_once_and_no_batch_of_one(count: int, size: int, start: int) -> None:
    whole = list(Batches(np.arange(count), size, range(2), training=True))
    shown = [index for batch in whole[: len(whole) // 2] for index, _ in batch]
    assert len(shown) == len(set(shown))
    assert len(shown) >= count - 1
    assert all(len(batch) > 1 for batch in whole) or size == 1 or count == 1
    assert list(Batches(np.arange(count), size, range(2), training=True, start=start)) == whole[start:]
    validated = [index for batch in Batches(np.arange(count), size) for index, _ in batch]
    assert validated == list(range(count))


@given(st.integers(4, 40), st.integers(2, 9), st.integers(1, 30), st.integers(0, 3), st.integers(0, 29))
def test_short_epochs_go_on_with_the_images_in_their_order(
    count: int, size: int, steps: int, epoch: int, start: int
) -> None:
    """The batches are those of whole passes one after the other, also where a run goes on in mid-epoch."""
    start %= steps
    passes = Batches(np.arange(count), size, range(200), seed=3, training=True)
    expected = list(passes)[: 4 * steps]
    short = Batches(np.arange(count), size, range(4), seed=3, training=True, steps=steps)
    assert short.per_epoch == steps
    assert list(short)[: len(expected)] == expected
    resumed = Batches(np.arange(count), size, range(epoch, 4), seed=3, training=True, start=start, steps=steps)
    assert len(resumed) == len(list(resumed)) == (4 - epoch) * steps - start
    assert list(resumed)[: len(expected)] == expected[epoch * steps + start :]
    for number, batch in enumerate(expected):
        assert len(batch) // short.parts(number, 8) >= min(2, len(batch))


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.05, 1), st.integers(0, 10_000))
def test_random_crops_lie_in_the_image(width: int, height: int, least: float, seed: int) -> None:
    preprocessing = Preprocessing(height=32, width=48)
    box = random_box((width, height), preprocessing, Augment(crop=least), np.random.default_rng(seed))
    assert box is not None
    left, top, right, bottom = box
    assert -1e-6 <= left < right <= width + 1e-6
    assert -1e-6 <= top < bottom <= height + 1e-6


def test_zscore_of_the_training_split(shapes: Path) -> None:
    dataset = scan(open_dataset(str(shapes))).dataset
    plain = PreparedDataset(dataset, SMALL.model_copy(update={"mean": (0, 0, 0), "std": (1, 1, 1)}))
    all_images = torch.cat([images for images, _, _ in Loader(plain, Batches(np.arange(24), 5), 0)])
    values = normalize(all_images, plain.preprocessing).double()
    mean, std = mean_and_std(plain, range(24), workers=0)
    torch.testing.assert_close(torch.tensor(mean), values.mean((0, 2, 3)).float(), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.tensor(std), values.std((0, 2, 3), correction=0).float(), atol=1e-5, rtol=0)


def test_of_many_images_some_are_measured(shapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = PreparedDataset(scan(open_dataset(str(shapes))).dataset, SMALL)
    whole = mean_and_std(plain, range(24), workers=0)
    monkeypatch.setattr("leannet.data.loader.MEASURED", 12)
    some = mean_and_std(plain, range(24), workers=0)
    assert some == mean_and_std(plain, range(24), workers=0) != whole
    draw = np.sort(np.random.default_rng(0).choice(24, 12, replace=False))
    assert some == mean_and_std(plain, draw, workers=0)


def test_threads_read_what_one_reads(shapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shapes / "disc" / "broken.png").write_bytes(b"no image")
    monkeypatch.setattr("leannet.data.scan.PART", 4)
    scans = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr("leannet.data.scan.WORTH_THREADS", seconds)
        scans.append(scan(open_dataset(str(shapes))))
    one, other = scans
    assert one.digests == other.digests
    assert one.dataset.names == other.dataset.names
    assert one.sizes == other.sizes
    assert one.broken == other.broken != ()


def test_equal_images_of_two_classes_are_named_and_on_one_side(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "d", each=20, kinds=("disc", "square", "star"))
    for number in range(8):
        data = (root / "disc" / f"{number}.png").read_bytes()
        (root / "square" / f"copy{number}.png").write_bytes(data)
        (root / "star" / f"{number}_copy.png").write_bytes(
            data if number < 4 else (root / "star" / "0.png").read_bytes()
        )
    scanned = scan(open_dataset(str(root)))
    assert len(scanned.several) == 8
    assert scanned.several[0] == ("disc/0.png", "square/copy0.png", "star/0_copy.png")
    assert "20 images have the same bytes and different labels" in " ".join(scanned.lines())
    for seed in range(20):
        for ratio in (None, (0.5, 0.5), (0.6, 0.2, 0.2)):
            split = split_dataset(scanned.dataset, scanned.digests, ratio, seed)
            sides = [{scanned.digests[i] for i in indices} for indices in (split.train, split.validation, split.test)]
            assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
            assert sum(map(len, (split.train, split.validation, split.test))) == len(scanned.dataset)
        for fold in (1, 2, 3):
            split = split_dataset(scanned.dataset, scanned.digests, None, seed, (fold, 3))
            assert not {scanned.digests[i] for i in split.train} & {scanned.digests[i] for i in split.validation}


def test_a_split_of_the_data_gives_up_training_images_that_have_another_label_later(tmp_path: Path) -> None:
    draw_folder(tmp_path / "train", each=6)
    draw_folder(tmp_path / "val", each=4, first=20)
    draw_folder(tmp_path / "test", each=4, first=40)
    (tmp_path / "val" / "square" / "x.png").write_bytes((tmp_path / "train" / "disc" / "0.png").read_bytes())
    (tmp_path / "test" / "disc" / "x.png").write_bytes((tmp_path / "val" / "square" / "20.png").read_bytes())
    (tmp_path / "test" / "disc" / "y.png").write_bytes((tmp_path / "train" / "disc" / "1.png").read_bytes())
    scanned = scan(open_dataset(str(tmp_path)))
    split = split_dataset(scanned.dataset, scanned.digests, None, 0)
    assert [scanned.dataset.names[i] for i in split.dropped] == ["train/disc/0.png", "val/square/20.png"]
    assert (len(split.train), len(split.validation), len(split.test)) == (11, 8, 10)


def test_two_copies_are_a_class_without_a_validation_image(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "d", each=6)
    (root / "star").mkdir()
    for number in range(2):
        (root / "star" / f"{number}.png").write_bytes((root / "disc" / "0.png").read_bytes() + b" ")
    scanned = scan(open_dataset(str(root)))
    with pytest.raises(LeannetError, match="class 'star' has no"):
        split_dataset(scanned.dataset, scanned.digests, None, 0)


def deep(path: Path, values: list[list[int]], kind: str) -> None:
    """A grey image of 16 bits: a PNG, or a TIFF of signed numbers, which Pillow reads and cannot write."""
    array = np.array(values, dtype=kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "<u2":
        Image.fromarray(array).save(path.with_suffix(".png"))
        return
    height, width = array.shape
    data = array.tobytes()
    tags = ((256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, height))
    tags += ((279, len(data)), (339, 2))
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path.with_suffix(".tif").write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + b"\0" * 4)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([200, 90], "<u2", (0, 255)),
        ([1000, 3800], "<u2", (0, 4095)),
        ([16000, 3], "<u2", (0, 16383)),
        ([60000, 0], "<u2", (0, 65535)),
        ([-1000, 3071], "<i2", (-1000, 3071)),
        ([0, 700], "<i2", (0, 1023)),
    ],
)
def test_scans_of_more_than_8_bits_get_one_range(
    tmp_path: Path, values: list[int], kind: str, expected: tuple[int, int]
) -> None:
    for name in ("sick", "well"):
        for number in range(3):
            deep(tmp_path / name / str(number), [[values[0], values[1]], [0, number + (name == "sick")]], kind)
    scanned = scan(open_dataset(str(tmp_path)))
    assert (scanned.high_bit_depth, scanned.grey_range) == (6, expected)
    assert (
        f"6 images have more than 8 bits per pixel: {expected[0]} becomes black and {expected[1]} white"
        in scanned.lines()
    )
    low, high = expected
    preprocessing = Preprocessing(height=2, width=2, color="L", grey_range=expected, resize="squash")
    expected_pixels = (np.array([values[0], values[1], 0, 1]) - low) * 255 // (high - low)
    source = scanned.dataset.reader(0)
    assert isinstance(source, Path)
    assert prepare(read(source), preprocessing).ravel().tolist() == expected_pixels.tolist()
