"""Pascal VOC, COCO and YOLO: the same boxes from each, and what is wrong said by its place."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from leannet.data.sources import open_dataset
from leannet.data.sources.boxed import BoxedImage, Object, Problems, possible
from leannet.data.sources.coco import coco_files, read_coco
from leannet.data.sources.voc import is_voc, read_voc
from leannet.data.sources.yolo import read_yolo, yolo_file
from leannet.errors import LeannetError

CLASSES = ("cat", "dog")
Truth = tuple[str, tuple[int, int, int, int]]  # class, and edges in pixels
SIZE = (80, 60)


def _image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE, (9, 9, 9)).save(path)


def _voc(root: Path, images: dict[str, list[Truth]]) -> None:
    (root / "Annotations").mkdir(parents=True)
    for name, truths in images.items():
        _image(root / "JPEGImages" / f"{name}.jpg")
        objects = "".join(
            f"<object>\n<name>{label}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
            f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>\n"
            for label, (left, top, right, bottom) in truths
        )
        size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height></size>"
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>\n{size}\n{objects}</annotation>")


def _coco(root: Path, images: dict[str, list[Truth]]) -> None:
    entries = [{"id": n, "file_name": f"{name}.jpg", "width": 80, "height": 60} for n, name in enumerate(images)]
    annotations = [
        {"id": 0, "image_id": number, "category_id": 3 + 2 * CLASSES.index(label),
         "bbox": [left, top, right - left, bottom - top]}
        for number, truths in enumerate(images.values()) for label, (left, top, right, bottom) in truths
    ]  # fmt: skip
    for name in images:
        _image(root / "pictures" / f"{name}.jpg")
    categories = [{"id": 3 + 2 * number, "name": name} for number, name in enumerate(CLASSES)]
    (root / "annotations").mkdir()
    content = {"images": entries, "annotations": annotations, "categories": categories}
    (root / "annotations" / "instances.json").write_text(json.dumps(content))


def _yolo(root: Path, images: dict[str, list[Truth]]) -> None:
    (root / "labels").mkdir(parents=True)
    (root / "data.yaml").write_text(f"path: /not/here\ntrain: images\nnames: {list(CLASSES)}\n")
    for name, truths in images.items():
        _image(root / "images" / f"{name}.jpg")
        lines = [
            f"{CLASSES.index(label)} {(left + right) / 160} {(top + bottom) / 120} "
            f"{(right - left) / 80} {(bottom - top) / 60}"
            for label, (left, top, right, bottom) in truths
        ]
        (root / "labels" / f"{name}.txt").write_text("\n".join(lines))


def _read(kind: str, root: Path) -> tuple[list[BoxedImage], Problems]:
    problems = Problems()
    if kind == "voc":
        assert is_voc(root)
        return read_voc(root, problems), problems
    if kind == "coco":
        found, classes = read_coco(root, coco_files(root), problems)
    else:
        file = yolo_file(root)
        assert file is not None
        found, classes = read_yolo(root, file, problems)
    assert classes == CLASSES
    return found, problems


_edges = st.tuples(st.integers(0, 70), st.integers(0, 50), st.integers(1, 10), st.integers(1, 10))
_truth = st.tuples(st.sampled_from(CLASSES), _edges.map(lambda e: (e[0], e[1], e[0] + e[2], e[1] + e[3])))


@given(st.lists(st.lists(_truth, max_size=4, unique=True), min_size=1, max_size=3))
@settings(max_examples=12, deadline=None)
def test_every_format_says_the_same(tmp_path_factory: pytest.TempPathFactory, truths: list[list[Truth]]) -> None:
    images = {f"picture_{number}": each for number, each in enumerate(truths)}
    writers: dict[str, Callable[[Path, dict[str, list[Truth]]], None]] = {"voc": _voc, "coco": _coco, "yolo": _yolo}
    for kind, write in writers.items():
        root = tmp_path_factory.mktemp(kind)
        write(root, images)
        found, problems = _read(kind, root)
        assert not problems.left_out
        assert [each.path.stem for each in found] == list(images)
        for image, expected in zip(found, images.values(), strict=True):
            assert [each.label for each in image.objects] == [label for label, _ in expected]
            np.testing.assert_allclose(
                image.boxes(SIZE), np.array([box for _, box in expected]).reshape(-1, 4), atol=1e-9
            )


@pytest.mark.parametrize("kind", ["voc", "coco", "yolo"])
def test_a_box_over_the_whole_image(kind: str, tmp_path: Path) -> None:
    {"voc": _voc, "coco": _coco, "yolo": _yolo}[kind](tmp_path, {"one": [("dog", (0, 0, *SIZE))]})
    (image,), _ = _read(kind, tmp_path)
    assert image.boxes(SIZE).tolist() == [[0, 0, 80, 60]]


def test_voc_lists_difficult_objects_and_parts(tmp_path: Path) -> None:
    _voc(tmp_path, {"a": [("dog", (1, 2, 30, 40))], "b": [], "c": []})
    person = (
        "<annotation>\n<object>\n<name>person</name><difficult>1</difficult>"
        "<part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></part>"
        "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object></annotation>"
    )
    (tmp_path / "Annotations" / "b.xml").write_text(person)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("b  1\nmissing\n")
    found, problems = _read("voc", tmp_path)
    assert [(each.path.stem, each.split) for each in found] == [("a", "train"), ("b", "validation")]
    (head,) = found[1].objects
    assert (head.label, head.box, head.is_crowd) == ("person", (0, 0, 20, 30), True)
    lines = [entry.line() for entry in problems.by_reason()]
    assert lines == [
        "left out: 1 image without annotations: ImageSets/Main/val.txt:2",
        "left out: 1 image that no list in ImageSets/Main names: Annotations/c.xml",
    ]
    (lists / "test.txt").write_text("a\n")
    with pytest.raises(LeannetError, match="'a' is of the train split too"):
        read_voc(tmp_path, Problems())


def test_what_is_wrong_is_said_by_file_and_line(tmp_path: Path) -> None:
    voc, yolo, coco = tmp_path / "voc", tmp_path / "yolo", tmp_path / "coco"
    dog = ("dog", (5, 5, 9, 9))
    _voc(voc, {"a": [dog, ("dog", (7, 7, 7, 9)), ("cat", (5, 5, 9, 9)), dog], "b": [], "d": []})
    (voc / "Annotations" / "b.xml").write_text("<annotation>\n<object>\n</annotation>")
    (voc / "JPEGImages" / "d.jpg").unlink()
    found, problems = _read("voc", voc)
    assert [len(each.objects) for each in found] == [2]
    assert [entry.line() for entry in problems.by_reason()] == [
        "left out: 1 object whose box has no area: Annotations/a.xml:5",
        "left out: 1 object that is the same as another of its image: Annotations/a.xml:9",
        "left out: 1 image whose annotations cannot be read (mismatched tag): Annotations/b.xml:3",
        "left out: 1 image not in JPEGImages/: Annotations/d.xml",
    ]

    _yolo(yolo, {"a": []})
    lines = ["0 0.5 0.5 0.5 0.5", "", "2 0.5 0.5 0.1 0.1", "0 0.5 0.5 0.5", "1 nan 0 1 1", "1 0 0 0 1"]
    (yolo / "labels" / "a.txt").write_text("\n".join([*lines, "0 0.1 0.1 0.4 0.1 0.2 0.6"]))
    (image,), problems = _read("yolo", yolo)
    np.testing.assert_allclose(image.boxes(SIZE), [[20, 15, 60, 45], [8, 6, 32, 36]])  # the second an outline's
    assert [entry.names for entry in problems.by_reason()] == [
        ("labels/a.txt:3",), ("labels/a.txt:4",), ("labels/a.txt:5",), ("labels/a.txt:6",)
    ]  # fmt: skip

    _coco(coco, {"a": [("dog", (1, 1, 5, 5))]})
    file = coco / "annotations" / "instances.json"
    content = json.loads(file.read_text())
    wrong = [
        {"image_id": 77},
        {"category_id": 4},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, -3, 4]},
        {"bbox": [1, 2, None, 4]},
    ]
    content["annotations"] += [{**content["annotations"][0], **each} for each in wrong]
    content["annotations"].append({**content["annotations"][0], "bbox": [0, 0, 9, 9], "ignore": 1})
    content["images"].append({"id": 5, "file_name": "gone.jpg"})
    file.write_text(json.dumps(content))
    (image,), problems = _read("coco", coco)
    assert [each.is_crowd for each in image.objects] == [False, True]
    assert sorted(name for entry in problems.by_reason() for name in entry.names) == [
        *(f"annotations/instances.json: annotations[{place}]" for place in range(1, 6)),
        "annotations/instances.json: images[1], gone.jpg",
    ]


def test_yolo_labels_and_lists_whose_images_are_gone(tmp_path: Path) -> None:
    dog = ("dog", (5, 5, 9, 9))
    _yolo(tmp_path, {"a": [dog], "b": [dog], "unlisted": [dog]})
    (tmp_path / "labels" / "gone.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text(f"train: train.txt\nnames: {list(CLASSES)}\n")
    lines = ["images/a.jpg", "", "data/images/b.jpg", "./images/never.jpg"]  # as darknet writes them, too
    (tmp_path / "train.txt").write_text("\n".join(lines))
    found, problems = _read("yolo", tmp_path)
    assert [each.name for each in found] == ["images/a.jpg", "images/b.jpg"]
    assert [entry.line() for entry in problems.by_reason()] == [
        "left out: 2 images not there: train.txt:4, labels/gone.txt"
    ]
    dataset = open_dataset(str(tmp_path))
    assert any("no annotation" in entry.line() and "unlisted" in entry.line() for entry in dataset.left_out)


def test_names_of_classes_are_a_line_each(tmp_path: Path) -> None:
    _yolo(tmp_path, {"a": [("dog", (5, 5, 9, 9))]})
    (tmp_path / "data.yaml").unlink()
    names = tmp_path / "classes.txt"
    names.write_bytes("cat\nd\xf6g\n".encode("latin-1"))
    assert len(open_dataset(str(tmp_path)).classes) == 1
    for text, message in (
        ("cat\n\ndog\n", "classes.txt:2: .* an empty line"),
        ("cat\ncat\n", "classes.txt:2: .* again"),
    ):
        names.write_text(text)
        with pytest.raises(LeannetError, match=message):
            open_dataset(str(tmp_path))


def test_what_other_programs_leave_is_no_annotation(tmp_path: Path) -> None:
    """Files that macOS and notebooks put beside others; and other spellings of what is there."""
    dog = ("dog", (5, 5, 9, 9))
    voc, coco, pets = tmp_path / "voc", tmp_path / "coco", tmp_path / "pets"
    _voc(voc, {"a": [dog], "b": [dog]})
    (voc / "Annotations" / "._a.xml").write_bytes(b"\0\5\x16\7")
    _image(voc / "JPEGImages" / ".hidden.jpg")
    lists = voc / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "valid.txt").write_text("b\n")
    found, problems = _read("voc", voc)
    assert [(each.path.stem, each.split) for each in found] == [("a", "train"), ("b", "validation")]
    assert not problems.left_out
    _coco(coco, {"a": [dog]})
    (coco / "annotations" / "._instances.json").write_bytes(b"\0\5\x16\7")
    (coco / "annotations").rename(coco / "Annotations")
    assert len(open_dataset(str(coco))) == 1
    _voc(pets, {"a": [dog]})
    (pets / "annotations").mkdir()
    (pets / "Annotations").rename(pets / "annotations" / "xmls")
    (pets / "JPEGImages").rename(pets / "images")
    assert len(open_dataset(str(pets))) == 1


def test_files_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    _coco(tmp_path, {"a": []})
    file = tmp_path / "annotations" / "instances.json"
    file.write_text('{"images": [],\n "annotations": [}')
    with pytest.raises(LeannetError, match=r"instances.json:2: expected JSON"):
        open_dataset(str(tmp_path))
    with pytest.raises(LeannetError, match=r"instances.json:2: expected JSON"):
        open_dataset(str(file))
    file.write_text('{"images": [], "annotations": [{"bbox": [1, 2, 3, 4]}]}')
    with pytest.raises(LeannetError, match=r"expected a COCO file with .*, found no categories"):
        open_dataset(str(tmp_path))
    names = tmp_path / "data.yaml"
    names.write_text("train: images\nnames: {0: a, 2: b}\n")
    with pytest.raises(LeannetError, match="expected a list of classes, or numbers from 0"):
        read_yolo(tmp_path, names, Problems())
    names.write_text("names: [a\ntrain: : x")
    with pytest.raises(LeannetError, match=r"data.yaml:\d: expected YAML"):
        read_yolo(tmp_path, names, Problems())


def test_a_crowd_is_another_thing_than_an_object_of_its_box() -> None:
    objects = [Object("a", (0, 0, 1, 1), "here"), Object("a", (0, 0, 1, 1), "there", is_crowd=True)]
    assert len(possible(objects, Problems())) == 2


def test_coco_itself_has_key_points_and_captions(tmp_path: Path) -> None:
    """Its folder of annotations as it is downloaded."""
    folder = tmp_path / "annotations"
    folder.mkdir()
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    for split in ("train2017", "val2017"):
        for kind, more in (("instances", box), ("person_keypoints", box | {"keypoints": [0] * 51})):
            content = {"images": [], "annotations": [more], "categories": []}
            (folder / f"{kind}_{split}.json").write_text(json.dumps(content))
        captions = {"images": [], "annotations": [{"id": 1, "image_id": 1, "caption": "x"}]}
        (folder / f"captions_{split}.json").write_text(json.dumps(captions))
    assert [file.name for file in coco_files(tmp_path)] == ["instances_train2017.json", "instances_val2017.json"]
    for file in folder.glob("instances_*"):
        file.unlink()
    assert len(coco_files(tmp_path)) == 2  # those of people alone


def test_a_yaml_file_that_is_none_of_a_data_set(tmp_path: Path) -> None:
    for content in ("epochs: 3", "- a", "7"):
        (tmp_path / "x.yaml").write_text(content)
        with pytest.raises(LeannetError, match=r"found a \.yaml file"):
            open_dataset(str(tmp_path / "x.yaml"))


def _one_split_broken(root: Path) -> None:
    _coco(root, {"a": [("dog", (1, 1, 9, 9))]})
    (root / "annotations" / "instances.json").rename(root / "annotations" / "train.json")
    (root / "annotations" / "val.json").write_text('{"images": [],\n')


def test_a_split_that_cannot_be_read_is_not_left_out(tmp_path: Path) -> None:
    """Else its images would be cut out of those that train."""
    _one_split_broken(tmp_path)
    with pytest.raises(LeannetError, match=r"annotations/val.json:2: expected JSON"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize("kind", ["voc", "coco", "yolo"])
def test_no_object_anywhere(kind: str, tmp_path: Path) -> None:
    {"voc": _voc, "coco": _coco, "yolo": _yolo}[kind](tmp_path, {"one": [], "two": []})
    with pytest.raises(LeannetError, match=r"expected objects, found none in 2 images"):
        open_dataset(str(tmp_path))


def test_why_nothing_can_be_read(tmp_path: Path) -> None:
    _voc(tmp_path, {"a": [], "b": []})
    for name in "ab":
        (tmp_path / "Annotations" / f"{name}.xml").write_text("<annotation>\n<object>")
    with pytest.raises(
        LeannetError, match=r"found none that can be read; left out: 2 images whose .* Annotations/a.xml"
    ):
        open_dataset(str(tmp_path))


DOG = ("dog", (10, 20, 40, 50))


def _boxes(data: Path) -> list[tuple[str, str | None, list[list[float]]]]:
    dataset = open_dataset(str(data))
    assert dataset.truths is not None
    return [(Path(name).name, split, truths.sized(SIZE).boxes.round(6).tolist())
            for name, split, truths in zip(dataset.names, dataset.splits, dataset.truths, strict=True)]  # fmt: skip


def _beside(root: Path) -> Path:
    """annotations/ and images/, as many VOC sets are shared."""
    _voc(root, {"a": [DOG]})
    (root / "Annotations").rename(root / "annotations")
    (root / "JPEGImages").rename(root / "images")
    return root


def _in_one_folder(root: Path) -> Path:
    """XML beside the images of a split, as they are exported."""
    _voc(root, {"a": [DOG]})
    (root / "train").mkdir()
    for file in (*(root / "Annotations").iterdir(), *(root / "JPEGImages").iterdir()):
        file.rename(root / "train" / file.name)
    (root / "Annotations").rmdir()
    (root / "JPEGImages").rmdir()
    return root


def _one_down(root: Path) -> Path:
    """An archive with one folder in another."""
    _yolo(root / "cells" / "cells.v1", {"a": [DOG]})
    return root


def _other_yaml(root: Path) -> Path:
    _yolo(root, {"a": [DOG]})
    (root / "data.yaml").rename(root / "cells.yaml")
    return root


def _darknet(root: Path) -> Path:
    """obj.names, and labels beside images."""
    _yolo(root, {"a": [DOG]})
    (root / "data.yaml").unlink()
    (root / "obj.names").write_text("\n".join(CLASSES))
    (root / "obj_train_data").mkdir()
    for folder in ("images", "labels"):
        for file in (root / folder).iterdir():
            file.rename(root / "obj_train_data" / file.name)
        (root / folder).rmdir()
    return root


def _below_images(root: Path) -> Path:
    """In a folder that is called as those of images are."""
    inner = root / "images" / "cells"
    _yolo(inner, {"a": [DOG]})
    for file in (inner / "labels").iterdir():
        file.rename(inner / "images" / file.name)
    return inner


def _beside_annotations(root: Path) -> Path:
    """Names relative to the file's own folder, ids that are no whole numbers in JSON."""
    _coco(root, {"a": [DOG]})
    file = root / "annotations" / "instances.json"
    content = json.loads(file.read_text())
    content["images"][0] |= {"file_name": "../pictures/a.jpg"}
    content["annotations"][0]["category_id"] = 5.0
    content["categories"][1]["id"] = 5.0
    file.write_text(json.dumps(content))
    return file


def _labels_of_coco(root: Path) -> Path:
    """labels/train.json beside images/."""
    _coco(root, {"a": [DOG]})
    (root / "annotations").rename(root / "labels")
    (root / "pictures").rename(root / "images")
    return root / "labels" / "instances.json"


def _elsewhere(root: Path) -> Path:
    """Paths of images outside the folder."""
    _coco(root / "set", {"a": [DOG]})
    file = root / "set" / "annotations" / "instances.json"
    content = json.loads(file.read_text())
    (root / "set" / "pictures" / "a.jpg").rename(root / "a.jpg")
    content["images"][0]["file_name"] = str(root / "a.jpg")
    file.write_text(json.dumps(content))
    return root / "set"


@pytest.mark.parametrize(
    "write",
    [_beside, _in_one_folder, _one_down, _other_yaml, _darknet, _below_images, _beside_annotations, _labels_of_coco,
     _elsewhere],
)  # fmt: skip
def test_layouts_that_people_have(write: Callable[[Path], Path], tmp_path: Path) -> None:
    ((name, split, boxes),) = _boxes(write(tmp_path))
    assert (name, boxes) == ("a.jpg", [[10, 20, 40, 50]])
    assert split == ("train" if write in (_in_one_folder, _one_down, _other_yaml, _below_images) else None)


def test_one_coco_file_of_two_splits(tmp_path: Path) -> None:
    """Images of one name in both: its own split says which is meant."""
    _coco(tmp_path, {"a": [DOG]})
    file = tmp_path / "annotations" / "instances.json"
    for year in ("train2017", "val2017"):
        (tmp_path / "annotations" / f"instances_{year}.json").write_bytes(file.read_bytes())
        _image(tmp_path / year / "a.jpg")
    file.unlink()
    (tmp_path / "pictures" / "a.jpg").unlink()
    assert open_dataset(str(tmp_path / "annotations" / "instances_val2017.json")).names == ("val2017/a.jpg",)
    assert open_dataset(str(tmp_path)).names == ("train2017/a.jpg", "val2017/a.jpg")


def test_a_test_split_that_an_export_only_names(tmp_path: Path) -> None:
    _yolo(tmp_path, {"a": [DOG]})
    with (tmp_path / "data.yaml").open("a") as file:
        file.write("test: ../test/images\n")
    dataset = open_dataset(str(tmp_path))
    assert dataset.names == ("images/a.jpg",)
    assert "1 test split whose images are not there: ../test/images" in dataset.lines()[-1]
    (tmp_path / "data.yaml").write_text("train: gone\nnames: [cat, dog]\n")
    with pytest.raises(LeannetError, match=r"names .*gone, which is not there"):
        open_dataset(str(tmp_path))


def test_names_of_yolo(tmp_path: Path) -> None:
    _yolo(tmp_path, {"a": [DOG]})
    names = tmp_path / "data.yaml"
    names.write_text("train: images\nnames: {'0': cat, '1': dog}\nkpt_shape: [3, 2]\n")
    with (tmp_path / "labels" / "a.txt").open("a") as file:
        file.write("\n0 0.5 0.5 0.5 0.5 0.1 0.1 0.2 0.2 0.9 0.9")
    ((_, _, boxes),) = _boxes(tmp_path)
    assert boxes == [[10, 20, 40, 50], [20, 15, 60, 45]]  # not the key points' outline
    names.write_text("train: images\nnames: [cat, cat]\n")
    with pytest.raises(LeannetError, match="every class once, found 'cat' twice"):
        open_dataset(str(tmp_path))
    names.unlink()
    with pytest.raises(LeannetError, match=r"nothing names the classes: expected data\.yaml"):
        open_dataset(str(tmp_path))


def test_lists_of_voc(tmp_path: Path) -> None:
    """Names with blanks and extensions; trainval and val without train."""
    _voc(tmp_path, {"my cat 1": [DOG], "b": [DOG], "c": [DOG]})
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("my cat 1\nb.jpg\nc\n")
    (lists / "val.txt").write_text("c\n")
    dataset = open_dataset(str(tmp_path))
    splits = dict(zip(dataset.names, dataset.splits, strict=True))
    assert splits == {f"JPEGImages/{name}.jpg": split for name, split in
                      (("my cat 1", "train"), ("b", "train"), ("c", "validation"))}  # fmt: skip


def test_a_yaml_file_beside_class_folders_is_of_something_else(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        _image(tmp_path / name / "a.jpg")
    for text in ("x: !own 3", "names: [cat, dog]", ": : ["):
        (tmp_path / "config.yaml").write_text(text)
        assert open_dataset(str(tmp_path)).truths is None
    (tmp_path / "data.yaml").write_text("names: [a\n: : x")
    with pytest.raises(LeannetError, match=r"data.yaml:\d: expected YAML"):
        open_dataset(str(tmp_path))


def test_ids_that_are_no_numbers(tmp_path: Path) -> None:
    _coco(tmp_path, {"a": [DOG]})
    file = tmp_path / "annotations" / "instances.json"
    for wrong in ("NaN", "Infinity", "1.5", "null"):
        file.write_text('{"images": [], "annotations": [], "categories": [{"id": ' + wrong + ', "name": "x"}]}')
        with pytest.raises(LeannetError, match=r"categories\[0\]: expected an id and a name"):
            open_dataset(str(tmp_path))
