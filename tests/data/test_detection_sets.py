"""A detection set from its files to a batch: objects are where augmentation has put them, and nothing is lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from leannet.data.augment import Augment
from leannet.data.images import read, read_header, to_color, upright_size
from leannet.data.loader import Batches, Loader, PreparedDataset, cached
from leannet.data.scan import scan
from leannet.data.sources.boxed import BoxedImage, Object, Problems, boxed_dataset
from leannet.data.split import split_dataset
from leannet.data.targets import CROWD, OBJECT
from leannet.errors import LeannetError
from leannet.preprocessing import Preprocessing
from tests.boxes import boxed_image

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0)}


def _images(folder: Path, number: int) -> list[BoxedImage]:
    """Rectangles of two colors on black, one each, in JPEGs of several sizes; the last image has none."""
    found = []
    for image in range(number):
        draw = np.random.default_rng(image)
        width, height = draw.integers(200, 420, 2).tolist()
        pixels, objects = np.zeros((height, width, 3), np.uint8), []
        for place, (name, color) in enumerate(COLORS.items()):
            if image == number - 1:
                break
            left = int((0.05 + 0.5 * place) * width)
            top, high = draw.integers(5, height // 3), draw.integers(height // 3, height // 2)
            box = (left, int(top), left + int(0.35 * width), int(top + high))
            pixels[box[1] : box[3], box[0] : box[2]] = color
            objects.append(Object(name, tuple(map(float, box)), f"{image}.txt:{place}"))
        path = folder / f"{image}.jpg"
        Image.fromarray(pixels).save(path, quality=95, subsampling=0)
        found.append(BoxedImage(path, path.name, None, tuple(objects), (width, height)))
    return found


def test_batches_say_where_objects_are(tmp_path: Path) -> None:
    """Drafted, cropped, mirrored, padded and cached: every object is where its color is."""
    dataset = boxed_dataset("drawn", str(tmp_path), _images(tmp_path, 6), (), Problems())
    assert dataset.classes == ("green", "red")
    assert dataset.remarks == ("6 images, 10 objects: 5 green, 5 red", "1 image has no object")
    scanned = scan(dataset)
    preprocessing = Preprocessing(height=64, width=80, resize="letterbox")
    augment = Augment(crop=0.4, flip=True, flip_vertical=True, rotate90=True, pad=4)
    plain = PreparedDataset(scanned.dataset, preprocessing)
    augmented = PreparedDataset(scanned.dataset, preprocessing, augment, seed=1)
    caches = cached(augmented, plain, sizes=scanned.sizes, formats=scanned.formats)
    seen = 0
    for prepared in (plain, augmented, *caches, *caches):
        batches = Batches(np.arange(6), batch_size=3, epochs=range(3))
        for images, targets, indices in Loader(prepared, batches, workers=0):
            assert targets.shape[0] == 3
            for image, objects, index in zip(images.numpy(), targets.numpy(), indices.tolist(), strict=True):
                there = objects[objects[:, 5] > 0]
                assert len(there) == 0 if index == 5 else len(there) <= 2
                for label, left, top, right, bottom, _ in there:
                    channel, other = (1, 0) if label == 0 else (0, 1)
                    is_there = (image[channel] > 128) & (image[other] < 100)
                    down, across = np.nonzero(is_there)
                    edges = [across.min(), down.min(), across.max() + 1, down.max() + 1]
                    np.testing.assert_allclose(edges, [left, top, right, bottom], atol=1.6)
                    seen += 1
    assert seen > 100


def test_a_split_knows_every_class_that_is_in_an_image(tmp_path: Path) -> None:
    """Though each image counts as one of its rarest class alone."""
    splits = ("train", "validation", "train", "validation", "train")
    images = [replace(image, split=split) for image, split in zip(_images(tmp_path, 5), splits, strict=True)]
    one_more = replace(images[0].objects[0], box=(1.0, 1.0, 9.0, 9.0))
    images[0] = replace(images[0], objects=(*images[0].objects, one_more))
    scanned = scan(boxed_dataset("drawn", str(tmp_path), images, (), Problems()))
    assert scanned.dataset.labels.tolist() == [0, 0, 0, 0, 1]  # green is rarer by one; the last has no object
    split = split_dataset(scanned.dataset, scanned.digests, None, 0)
    assert split.counts == {"train": [2, 2], "validation": [2, 2], "test": [0, 0]}


def test_a_crowd_is_nothing_to_learn_and_classes_are_numbered_anew(tmp_path: Path) -> None:
    images = _images(tmp_path, 2)
    crowd = Object("red", (1.0, 1.0, 50.0, 50.0), "here", is_crowd=True)
    images[0] = BoxedImage(images[0].path, "0.jpg", "train", (*images[0].objects, crowd))
    dataset = boxed_dataset("drawn", str(tmp_path), images, ("red", "green", "blue"), Problems())
    assert dataset.classes == ("red", "green")
    assert dataset.remarks[-1] == "classes without an object: blue"
    other = dataset.numbered_as(("green", "x", "red"), "a run").keep([1, 0])
    assert other.truths is not None
    assert [each.labels.tolist() for each in other.truths] == [[], [2, 0, 2]]
    sized = other.sized([read_header(image.path).size for image in reversed(images)])
    prepared = PreparedDataset(sized, Preprocessing(height=32, width=32, resize="squash"))
    _, targets, _ = prepared[1, 0]
    assert targets[:, [0, 5]].tolist() == [[2, OBJECT], [0, OBJECT], [2, CROWD]]


def test_what_the_images_say_of_objects(tmp_path: Path) -> None:
    """Beyond an image they are cut and counted, outside they are none; classes that no training image has are named."""
    path = tmp_path / "x.png"
    Image.new("RGB", (80, 60)).save(path)

    def one(split: str, *objects: Object) -> BoxedImage:
        return BoxedImage(path, f"{split}.png", split, objects)

    images = [
        one("train", Object("a", (-5, 10, 30, 70), "t:1", area=100.0), Object("a", (90, 0, 99, 9), "t:2"),
            Object("b", (0, 0, 80.4, 60), "t:3")),
        one("validation", Object("a", (1, 1, 9, 9), "v:1"), Object("c", (1, 1, 9, 9), "v:2")),
    ]  # fmt: skip
    dataset = boxed_dataset("drawn", "drawn", images, ("a", "b", "c"), Problems()).sized([(80, 60), (80, 60)])
    assert dataset.classes == ("a", "b")
    said = "\n".join(dataset.lines())
    assert "1 object of a class that no training image has ('c'): v:2" in said
    assert "1 object reaches beyond its image and is cut at its border: in train.png" in said
    assert "1 object outside the image: t:2" in said
    assert dataset.truths is not None
    np.testing.assert_array_equal(dataset.truths[0].boxes, [[0, 10, 30, 60], [0, 0, 80, 60]])
    assert dataset.truths[0].areas is not None
    np.testing.assert_array_equal(dataset.truths[0].areas, [100, 4800])
    assert dataset.truths[1].areas is None


def test_a_mosaic_has_the_objects_of_four(tmp_path: Path) -> None:
    """What is drawn in an object's color is inside one of its boxes, and most of a box is of the color."""
    images = [boxed_image(tmp_path, number) for number in range(12)]
    dataset = boxed_dataset("drawn", "drawn", images, ("blue", "red"), Problems())
    sizes = [read_header(image.path).size for image in images]
    preprocessing = Preprocessing(height=96, width=144, resize="letterbox")
    augment = Augment(crop=0.6, mosaic=1.0)
    prepared = PreparedDataset(dataset.sized(sizes), preprocessing, augment, 3, partners=np.arange(12))
    number = 0
    for epoch in range(4):
        pixels, objects, _ = prepared.__getitems__([(index, epoch) for index in range(12)])
        again, same, _ = prepared.__getitems__([(index, epoch) for index in range(12)])
        assert (pixels == again).all()
        assert (objects == same).all()
        for image, boxes in zip(pixels.permute(0, 2, 3, 1).numpy().astype(int), objects.numpy(), strict=True):
            colored = {0: image[..., 2] - image[..., 0] > 100, 1: image[..., 0] - image[..., 2] > 100}
            inside = {label: np.zeros(image.shape[:2], bool) for label in colored}
            for label, left, top, right, bottom, there in boxes:
                if there:
                    number += 1
                    rows, columns = slice(int(top), int(np.ceil(bottom))), slice(int(left), int(np.ceil(right)))
                    inside[int(label)][rows, columns] = True
                    assert colored[int(label)][rows, columns].mean() > 0.4
            for label, where in colored.items():
                # Of an object that a cut has left little of nothing is asked for.
                assert (where & ~inside[label]).sum() <= 0.02 * where.size
    assert number > 200


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_of_pixels_as_stored_are_turned_with_the_image(orientation: int, tmp_path: Path) -> None:
    """Against Pillow, which turns the image; the size that the annotations say tells which pixels they mean."""
    image = Image.new("L", (80, 60))
    image.paste(255, (10, 20, 40, 50))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    objects = (Object("a", (10, 20, 40, 50), "here"),)
    stored = BoxedImage(tmp_path / "a.png", "a.png", None, objects, size=(80, 60))
    upright = replace(stored, name="b.png", size=(60, 80))
    other = replace(stored, name="c.png", size=(800, 600))
    images = boxed_dataset("drawn", "drawn", [stored, upright, other], ("a",), Problems())
    scanned = scan(images)
    assert scanned.sizes[0] == (60, 80)
    assert scanned.dataset.truths is not None
    boxes = [each.boxes[0].tolist() for each in scanned.dataset.truths]
    with Image.open(tmp_path / "a.png") as opened:
        assert boxes[0] == list(ImageOps.exif_transpose(opened).getbbox() or ())
    assert boxes[1] == boxes[2] == [10, 20, 40, 50]
    said = scanned.lines()
    assert any(
        "1 image is turned upright by EXIF, and their boxes with them" in line and "a.png" in line for line in said
    )
    assert any("c.png (60 x 80, annotations say 800 x 600)" in line for line in said)
    assert not any("b.png" in line for line in said if "annotations" in line)


def test_a_header_says_the_upright_size_of_every_format(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for suffix in ("jpg", "png", "tiff", "webp"):
        file = tmp_path / f"a.{suffix}"
        Image.new("RGB", (80, 60)).save(file, exif=exif)
        assert upright_size(read_header(file.read_bytes())) == prepare_size(file) == (60, 80), suffix


def prepare_size(file: Path) -> tuple[int, int]:
    return to_color(read(file.read_bytes()), Preprocessing(height=1, width=1)).size


def test_rare_classes_train(tmp_path: Path) -> None:
    """One image of a class trains, whatever the seed; a class that no image to train on has is left out by name."""
    red, blue, rare = (Object(name, (1.0, 1.0, 30.0, 30.0), f"{name}:1") for name in ("red", "blue", "rare"))
    whole = _images(tmp_path, 8)
    images = [replace(each, split=None, objects=(red, blue)) for each in whole]
    images[3] = replace(images[3], objects=(red, rare))
    images[5] = replace(images[5], objects=(red, blue, Object("few", (1.0, 1.0, 9.0, 9.0), "few:1"), rare))
    for seed in range(6):
        scanned = scan(boxed_dataset("drawn", "drawn", images, (), Problems()))
        split = split_dataset(scanned.dataset, scanned.digests, None, seed)
        assert scanned.dataset.classes == ("blue", "few", "rare", "red")
        assert min(split.counts["train"]) > 0
        assert set(split.train) | set(split.validation) == set(range(8))
    own = [replace(each, split="train" if number < 4 else "validation") for number, each in enumerate(images)]
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    own[3] = replace(own[3], path=broken)
    scanned = scan(boxed_dataset("drawn", "drawn", own, (), Problems()))
    assert scanned.dataset.classes == ("blue", "red")
    (gone,) = [line for line in scanned.lines() if "'rare'" in line]
    assert "1 object of a class that no training image has" in gone
    split = split_dataset(scanned.dataset, scanned.digests, None, 0)
    assert split.counts["train"] == [3, 3]


def test_other_data_may_have_a_class_more(tmp_path: Path) -> None:
    images = _images(tmp_path, 2)
    dataset = boxed_dataset("drawn", "drawn", images, ("red", "green"), Problems())
    known = dataset.numbered_as(("x", "green"), "the network")
    assert known.truths is not None
    assert {int(label) for each in known.truths for label in each.labels} == {1}
    assert "1 object of a class that the network does not know ('red')" in known.lines()[-1]
    with pytest.raises(LeannetError, match="expected the classes of the network"):
        dataset.numbered_as(("x", "y"), "the network")
