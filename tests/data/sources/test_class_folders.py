"""Class folders as people have them: every layout against what it holds."""

import os
import re
import shutil
from pathlib import Path

import pytest

from leannet.data.sources import ReadingOptions, open_dataset
from leannet.errors import LeannetError
from tests.data.sources.making import folder, image, image_counts, left_out_by_reason

LAYOUTS = {
    "kaggle": {"train": "training_set", "test": "test_set"},
    "fruits": {"train": "Training", "test": "Test"},
    "images": {"train": "train_images", "validation": "val_images"},
    "intel": {"train": "seg_train/seg_train", "test": "seg_test/seg_test"},
    "years": {"train": "train2017", "validation": "val2017"},
    "glued": {"train": "trainset", "test": "testset"},
    "of one name": {"train": "flowers-train", "validation": "flowers-valid", "test": "flowers-test"},
    "in a wrapper": {"train": "archive/data/train", "validation": "archive/data/dev"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_splits_under_another_name_are_splits(tmp_path: Path, layout: str) -> None:
    folder_by_split = LAYOUTS[layout]
    for number, path in enumerate(folder_by_split.values()):
        folder(tmp_path / path, ("cat", "dog"), first=10 * number)
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {(split, kind): 4 for split in folder_by_split for kind in ("cat", "dog")}
    assert bool(dataset.lines()) == (layout != "fruits")  # what is plain needs no words


@pytest.mark.parametrize(
    "classes",
    [("bullet_train", "test_tube"), ("train", "bus"), ("train_station", "bus_station"), ("set", "t")],
)
def test_classes_whose_names_sound_like_splits(tmp_path: Path, classes: tuple[str, ...]) -> None:
    dataset = open_dataset(str(folder(tmp_path / "d", classes)))
    assert image_counts(dataset) == {(None, kind): 4 for kind in classes}


def test_splits_inside_each_class(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        folder(tmp_path / kind, ("train",))
        folder(tmp_path / kind, ("val",), each=2, first=10)
    sizes = {("train", "cat"): 4, ("train", "dog"): 4, ("validation", "cat"): 2, ("validation", "dog"): 2}
    assert image_counts(open_dataset(str(tmp_path))) == sizes


def test_folders_that_name_class_and_split(tmp_path: Path) -> None:
    folder(tmp_path, ("cats_train", "dogs_train"))
    folder(tmp_path, ("cats_test", "dogs_test"), first=10)
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {(split, kind): 4 for split in ("train", "test") for kind in ("cats", "dogs")}


def test_splits_whose_images_have_no_class_are_refused(tmp_path: Path) -> None:
    folder(tmp_path, ("train", "test"))
    with pytest.raises(LeannetError, match=r"expected class folders of images in test and train .*CSV"):
        open_dataset(str(tmp_path))


def test_what_lies_beside_the_splits_is_counted(tmp_path: Path) -> None:
    folder(tmp_path / "seg_train" / "seg_train", ("cat", "dog"))
    folder(tmp_path / "seg_test" / "seg_test", ("cat", "dog"), first=10)
    folder(tmp_path / "seg_pred", ("seg_pred",), first=20)
    (tmp_path / "seg_train" / "x.png").write_bytes(image("cat", 40))
    dataset = open_dataset(str(tmp_path))
    assert len(dataset) == 16
    left_out = left_out_by_reason(dataset)
    assert len(left_out["image beside the split folders"]) == 4
    assert "outside" not in str(dataset.classes)
    assert sum(map(len, left_out.values())) == 5


def test_an_unlabelled_test_split_is_counted(tmp_path: Path) -> None:
    folder(tmp_path / "train", ("cat", "dog"))
    folder(tmp_path, ("test",), each=3, first=20)
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {("train", "cat"): 4, ("train", "dog"): 4}
    assert len(left_out_by_reason(dataset)["image of the test split without a class folder"]) == 3


def test_a_wrapper_is_looked_into(tmp_path: Path) -> None:
    folder(tmp_path / "flower_photos", ("daisy", "rose"))
    (tmp_path / "flower_photos" / "LICENSE.txt").write_text("x")
    (tmp_path / "__MACOSX" / "flower_photos").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "flower_photos" / "._1.png").write_bytes(b"x")
    dataset = open_dataset(str(tmp_path))
    assert dataset.classes == ("daisy", "rose")
    assert dataset.remarks == ("looked inside flower_photos, the only folder that contains folders of images",)
    assert left_out_by_reason(dataset) == {"file not named as an image": ("flower_photos/LICENSE.txt",)}


def test_where_the_depth_is_unclear_it_is_asked_for(tmp_path: Path) -> None:
    folder(tmp_path / "mammals", ("cat", "dog"))
    folder(tmp_path / "birds", ("crow", "owl"))
    with pytest.raises(LeannetError) as error:
        open_dataset(str(tmp_path))
    assert "--class-depth 1 (2 classes: birds, mammals)" in str(error.value)
    assert "--class-depth 2 (4 classes: cat, crow, dog, owl)" in str(error.value)
    assert open_dataset(str(tmp_path), ReadingOptions(class_depth=1)).classes == ("birds", "mammals")
    assert image_counts(open_dataset(str(tmp_path), ReadingOptions(class_depth=2))) == {
        (None, kind): 4 for kind in ("cat", "crow", "dog", "owl")
    }


def test_the_same_conditions_of_several_patients_are_unclear_too(tmp_path: Path) -> None:
    for number in range(2):
        folder(tmp_path / f"patient{number}", ("sick", "well"), first=10 * number)
    with pytest.raises(LeannetError, match="--class-depth 2 \\(2 classes: sick, well\\)"):
        open_dataset(str(tmp_path))


def test_folders_inside_classes_that_have_images_are_clear_and_said(tmp_path: Path) -> None:
    folder(tmp_path, ("cat", "dog"))
    folder(tmp_path / "dog", ("more",), each=2, first=50)
    folder(tmp_path / "owl", ("images",))
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {(None, "cat"): 4, (None, "dog"): 6, (None, "owl"): 4}
    assert dataset.remarks == ("images in folders inside class folders belong to the class: dog/more, owl/images",)


def test_links_are_followed_loops_end_and_dangling_ones_are_named(tmp_path: Path) -> None:
    source = folder(tmp_path / "source", ("cat", "dog", "extra"))
    data = tmp_path / "data"
    for kind in ("cat", "dog"):
        (data / kind).mkdir(parents=True)
        for file in sorted((source / kind).iterdir()):
            (data / kind / file.name).symlink_to(file)
    (data / "dog" / "more").symlink_to(source / "extra")
    (data / "dog" / "again").symlink_to(data)
    (data / "cat" / "self.png").symlink_to(data / "cat" / "self.png")
    for number in range(3):
        (data / "cat" / f"{number}.jpg").symlink_to(f"/not/mounted/{number}.jpg")
    dataset = open_dataset(str(data))
    assert image_counts(dataset) == {(None, "cat"): 4, (None, "dog"): 8}
    dangling = ("cat/0.jpg", "cat/1.jpg", "cat/2.jpg", "cat/self.png")
    assert left_out_by_reason(dataset) == {
        "link to a missing file": dangling,
        "link to a folder that contains it (a loop)": ("dog/again",),
    }


def test_numbers_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    assert open_dataset(str(folder(tmp_path, ("10", "0", "2", "1"), 2))).classes == ("0", "1", "2", "10")


def test_a_folder_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path, ("cat", "dog", "owl"))
    scandir = os.scandir

    def refuse_owl(path: Path) -> object:  # permissions do not stop root
        if Path(path).name == "owl":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("leannet.data.sources.walking.os.scandir", refuse_owl)
    dataset = open_dataset(str(tmp_path))
    assert left_out_by_reason(dataset)["folder that cannot be opened"] == ("owl",)
    assert dataset.classes == ("cat", "dog")


def test_heic_is_counted_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from leannet.data import images as module

    monkeypatch.setattr(module, "reads_heif", lambda: False)
    module.image_suffixes.cache_clear()
    folder(tmp_path, ("cat", "dog"))
    (tmp_path / "cat" / "1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "cat" / "2.txt").write_text("x")
    lines = open_dataset(str(tmp_path)).lines()
    assert lines[0].startswith("left out: 1 HEIC image that no installed package reads: cat/1.HEIC")
    assert lines[0].endswith("pip install 'leannet[heif]'")
    assert lines[1] == "left out: 1 file not named as an image: cat/2.txt"
    (tmp_path / "owl").mkdir()
    (tmp_path / "owl" / "1.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(LeannetError, match=r"class 'owl' has only HEIC images .*leannet\[heif\]"):
        open_dataset(str(tmp_path))
    module.image_suffixes.cache_clear()


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        ("test", "found test beside cat, dog"),
        ("Val", "found Val beside cat, dog"),
        ("test_set", "found test_set beside"),
    ],
)
def test_a_split_beside_classes_is_no_class(tmp_path: Path, flat: str, words: str) -> None:
    folder(tmp_path, ("cat", "dog", flat))
    with pytest.raises(LeannetError, match=words):
        open_dataset(str(tmp_path))
    assert flat in open_dataset(str(tmp_path), ReadingOptions(class_depth=1)).classes  # if somebody says so


def test_a_split_inside_the_train_folder_is_no_class_either(tmp_path: Path) -> None:
    folder(tmp_path / "train", ("cat", "dog", "val"))
    folder(tmp_path / "test", ("cat", "dog"), first=20)
    with pytest.raises(LeannetError, match="found val beside cat, dog"):
        open_dataset(str(tmp_path))


def test_what_says_that_it_has_no_labels_is_left_out(tmp_path: Path) -> None:
    folder(tmp_path, ("cat", "dog", "unlabeled"))
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {(None, "cat"): 4, (None, "dog"): 4}
    assert len(left_out_by_reason(dataset)["image in unlabeled, unlabelled by its name"]) == 4


def test_folders_that_name_class_and_split_may_lack_one(tmp_path: Path) -> None:
    folder(tmp_path, ("cats_train", "dogs_train", "cats_test"))
    assert image_counts(open_dataset(str(tmp_path))) == {
        ("train", "cats"): 4,
        ("train", "dogs"): 4,
        ("test", "cats"): 4,
    }


def test_several_sets_in_one_folder_are_refused(tmp_path: Path) -> None:
    for place in ("hospital_A", "hospital_B"):
        for split in ("train", "test"):
            folder(tmp_path / place / split, ("sick", "well"))
    for depth in (None, 1):
        with pytest.raises(LeannetError, match=r"expected one set of images, found 2, each .* the path of one of them"):
            open_dataset(str(tmp_path), ReadingOptions(class_depth=depth))


@pytest.mark.parametrize(
    "names", [("images", "masks"), ("batch1", "batch2"), ("HAM_images_part_1", "HAM_images_part_2")]
)
def test_parts_of_one_set_are_no_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder(tmp_path, names)
    with pytest.raises(LeannetError, match=f"{names[0]}, {names[1]}, which are named as parts of one set"):
        open_dataset(str(tmp_path))
    assert open_dataset(str(tmp_path), ReadingOptions(class_depth=1)).classes == names


@pytest.mark.parametrize("names", [("class_1", "class_2"), ("photo_cat", "photo_dog"), ("0", "1"), ("set", "t")])
def test_numbered_classes_are_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert open_dataset(str(folder(tmp_path, names))).classes == names


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("place", ["", "wrapper", "data/train"])
def test_the_depth_that_is_offered_gives_the_classes_that_are_promised(tmp_path: Path, place: str, depth: int) -> None:
    folder(tmp_path / place / "mammals", ("cat", "dog"))
    folder(tmp_path / place / "birds", ("crow", "owl"))
    if place.endswith("train"):
        shutil.copytree(tmp_path / place, tmp_path / "data" / "val")
    with pytest.raises(LeannetError) as error:
        open_dataset(str(tmp_path))
    promised = re.search(rf"--class-depth {depth} \(\d classes: ([\w, ]+)\)", str(error.value))
    assert promised
    assert ", ".join(open_dataset(str(tmp_path), ReadingOptions(class_depth=depth)).classes) == promised[1]


def test_annotations_beside_class_folders_do_not_make_a_detection_set(tmp_path: Path) -> None:
    folder(tmp_path / "images" / "Images", ("chihuahua", "pug"))
    (tmp_path / "annotations" / "pug").mkdir(parents=True)
    (tmp_path / "annotations" / "pug" / "0.xml").write_text("x")
    assert image_counts(open_dataset(str(tmp_path))) == {(None, "chihuahua"): 4, (None, "pug"): 4}
    folder(tmp_path / "voc", ("JPEGImages",))
    (tmp_path / "voc" / "Annotations").mkdir()
    with pytest.raises(LeannetError, match="this has annotations, but is no detection set"):
        open_dataset(str(tmp_path / "voc"))


def test_an_unlabelled_test_split_in_a_folder_of_its_own(tmp_path: Path) -> None:
    folder(tmp_path / "train", ("cat", "dog"))
    folder(tmp_path / "test", ("images",), first=20)
    dataset = open_dataset(str(tmp_path))
    assert dataset.classes == ("cat", "dog")
    assert len(left_out_by_reason(dataset)["image of the test split without a class folder"]) == 4


def test_columns_that_are_asked_for_want_a_table(tmp_path: Path) -> None:
    folder(tmp_path, ("part_1", "part_2"))
    with pytest.raises(LeannetError, match="expected a table with these columns, found none"):
        open_dataset(str(tmp_path), ReadingOptions(label_column="dx"))
    (tmp_path / "meta.csv").write_text("image_id,dx\n0,mel\n1,nv\n")
    with pytest.raises(LeannetError, match=r"if meta.csv lists the images, give --image-column and --label-column"):
        open_dataset(str(tmp_path))
    with pytest.raises(LeannetError, match=r"0 exists in part_1/ and part_2/, and nothing says which one is meant"):
        open_dataset(str(tmp_path), ReadingOptions(label_column="dx"))
    (tmp_path / "part_2" / "0.png").unlink()
    (tmp_path / "part_1" / "1.png").unlink()
    assert image_counts(open_dataset(str(tmp_path), ReadingOptions(label_column="dx"))) == {
        (None, "mel"): 1,
        (None, "nv"): 1,
    }
