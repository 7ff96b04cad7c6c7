"""CSV and JSON lines as people write them, each against the same eight images."""

import json
from pathlib import Path

import pytest

from leannet.data.scan import scan
from leannet.data.sources import ReadingOptions, open_dataset
from leannet.errors import LeannetError
from tests.data.sources.making import folder, image_counts, left_out_by_reason

ROWS = [(f"{kind}/{number}.png", kind) for kind in ("cat", "dog") for number in range(4)]


def written(sign: str, header: str = "path,label", rows: list[tuple[str, str]] = ROWS) -> str:
    return "\n".join([header.replace(",", sign), *(sign.join(row) for row in rows)])


WAYS = {
    "plain": ("x.csv", written(",").encode()),
    "semicolons": ("x.csv", written(";").encode()),
    "tabs in a csv": ("x.csv", written("\t").encode()),
    "bars": ("x.csv", written("|").encode()),
    "tsv": ("x.tsv", written("\t").encode()),
    "an ending in capitals": ("X.CSV", written(",").encode()),
    "a byte order mark": ("x.csv", b"\xef\xbb\xbf" + written(",").encode()),
    "Excel's Unicode text": ("x.csv", written("\t").encode("utf-16")),
    "spaces in the header": ("x.csv", written(",", "path, label").encode()),
    "spaces around cells": ("x.csv", written(",", rows=[(f" {a}", f" {b}  ") for a, b in ROWS]).encode()),
    "an empty tail": ("x.csv", (written(",") + "\n,\n\n,,\n").encode()),
    "backslashes": ("x.csv", written(",", rows=[(a.replace("/", "\\"), b) for a, b in ROWS]).encode()),
    "quotes": ("x.csv", written(",", rows=[(f'"{a}"', f'"{b}"') for a, b in ROWS]).encode()),
    "line ends of Windows": ("x.csv", written(",").replace("\n", "\r\n").encode()),
    "other columns": ("x.csv", "\n".join(["id,path,label,", *(f"7,{a},{b}," for a, b in ROWS)]).encode()),
    "no endings": ("x.csv", written(",", "image_id,label", [(a[:-4], b) for a, b in ROWS]).encode()),
    "JSON lines": ("x.jsonl", "\n".join(json.dumps({"file_name": a, "label": b}) for a, b in ROWS).encode()),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_a_table(tmp_path: Path, way: str) -> None:
    name, data = WAYS[way]
    folder(tmp_path, ("cat", "dog"))
    (tmp_path / name).write_bytes(data)
    dataset = open_dataset(str(tmp_path / name))
    assert image_counts(dataset) == {(None, "cat"): 4, (None, "dog"): 4}
    assert len(scan(dataset).dataset) == 8
    assert not left_out_by_reason(dataset)


@pytest.mark.parametrize(
    "image", ["filepath", "image_path", "filename", "file_name", "image_id", "Image", "Picture", "File Path"]
)
@pytest.mark.parametrize("label", ["label", "class", "class_name", "category", "Class-Name"])
def test_the_usual_names_of_columns(tmp_path: Path, image: str, label: str) -> None:
    folder(tmp_path, ("cat", "dog"))
    (tmp_path / "x.csv").write_text(written(",", f"{image},{label}"))
    assert image_counts(open_dataset(str(tmp_path / "x.csv"))) == {(None, "cat"): 4, (None, "dog"): 4}


def test_columns_that_are_asked_for(tmp_path: Path) -> None:
    folder(tmp_path, ("cat", "dog"))
    path = tmp_path / "x.csv"
    path.write_text(written(",", "where,what"))
    with pytest.raises(LeannetError) as error:
        open_dataset(str(path))
    assert "image, img, path, filepath" in str(error.value)
    assert "found where, what" in str(error.value)
    options = ReadingOptions("where", "what")
    assert image_counts(open_dataset(str(path), options)) == {(None, "cat"): 4, (None, "dog"): 4}
    with pytest.raises(LeannetError, match="--label-column no: no such column; the columns are where, what"):
        open_dataset(str(path), ReadingOptions("where", "no"))


def test_missing_cells_are_counted_by_line(tmp_path: Path) -> None:
    folder(tmp_path, ("cat", "dog"))
    lines = ["cat/0.png,", "cat/1.png,NaN", ",dog,extra", "cat/2.png,null", "dog/0.png"]
    (tmp_path / "x.csv").write_text("\n".join([written(","), *lines]))
    dataset = open_dataset(str(tmp_path / "x.csv"))
    assert image_counts(dataset) == {(None, "cat"): 4, (None, "dog"): 4}
    assert left_out_by_reason(dataset) == {
        "line without an image": ("x.csv line 12",),
        "line without a label": ("x.csv line 10", "x.csv line 14"),
        "image without a label": ("cat/1.png", "cat/2.png"),
    }
    assert dataset.remarks == ("x.csv: 1 line with more cells than the header; the extra cells are not read: 12",)


def test_whole_floats_are_numbers_in_the_order_of_numbers(tmp_path: Path) -> None:
    folder(tmp_path, ("cat",), each=8)
    rows = [(f"cat/{number}.png", f"{label}.0") for number, label in enumerate((0, 1, 2, 10, 0, 1, 2, 10))]
    (tmp_path / "x.csv").write_text(written(",", rows=rows))
    assert open_dataset(str(tmp_path / "x.csv")).classes == ("0", "1", "2", "10")
    (tmp_path / "x.csv").write_text(written(",", rows=[*rows[:-1], ("cat/7.png", "1.5")]))
    assert "1.5" in open_dataset(str(tmp_path / "x.csv")).classes  # names such as versions


@pytest.mark.parametrize("several", ["cat|dog", "cat;dog", "['cat', 'dog']", '{"id": 1}'])
def test_several_labels_an_image_are_refused_by_that_name(tmp_path: Path, several: str) -> None:
    folder(tmp_path, ("cat", "dog"))
    cell = several.replace('"', '""')
    (tmp_path / "x.csv").write_text(written(",") + f'\ncat/0.png,"{cell}"')
    with pytest.raises(LeannetError, match="several labels per image"):
        open_dataset(str(tmp_path / "x.csv"))


def test_a_list_in_json_lines_is_no_label(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"image": "a.png", "labels": [1, 2]}))
    with pytest.raises(LeannetError, match="several labels per image"):
        open_dataset(str(tmp_path / "x.jsonl"))


def test_hidden_labels_of_a_test_split(tmp_path: Path) -> None:
    folder(tmp_path, ("cat",), each=8)
    lines = [
        "path,label,split",
        *(f"cat/{n}.png,{n % 2 if n < 6 else -1},{'train' if n < 6 else 'test'}" for n in range(8)),
    ]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    dataset = open_dataset(str(tmp_path / "x.csv"))
    assert image_counts(dataset) == {("train", "0"): 3, ("train", "1"): 3}
    assert left_out_by_reason(dataset) == {
        "image of the test split, whose labels are hidden (-1)": ("cat/6.png", "cat/7.png")
    }


def test_minus_one_is_a_class_where_it_is_one_of_two(tmp_path: Path) -> None:
    folder(tmp_path, ("cat",), each=4)
    (tmp_path / "x.csv").write_text(written(",", rows=[(f"cat/{n}.png", str(2 * (n % 2) - 1)) for n in range(4)]))
    assert open_dataset(str(tmp_path / "x.csv")).classes == ("-1", "1")


def test_a_table_beside_its_images(tmp_path: Path) -> None:
    """A folder of loose images, and a list of them: as competitions and ImageFolder's metadata have it."""
    folder(tmp_path / "kaggle", ("train",), each=8)
    folder(tmp_path / "kaggle", ("test",), each=3, first=20)
    lines = ["image_id,label", *(f"{number}.png,{number % 2}" for number in range(8))]
    (tmp_path / "kaggle" / "train.csv").write_text("\n".join(lines))
    (tmp_path / "kaggle" / "sample_submission.csv").write_text("id,value\n1,2\n")
    dataset = open_dataset(str(tmp_path / "kaggle"))
    assert image_counts(dataset) == {(None, "0"): 4, (None, "1"): 4}
    assert len(left_out_by_reason(dataset)["image that no table lists"]) == 3
    assert "train.csv: images were found in train/" in dataset.remarks

    for split, first in (("train", 0), ("test", 50)):
        folder(tmp_path / "hub", (split,), each=4, first=first)
        rows = [json.dumps({"file_name": f"{first + n}.png", "label": "xy"[n % 2]}) for n in range(4)]
        (tmp_path / "hub" / split / "metadata.jsonl").write_text("\n".join(rows))
    assert image_counts(open_dataset(str(tmp_path / "hub"))) == {(s, k): 2 for s in ("train", "test") for k in "xy"}


@pytest.mark.parametrize("place", ["images", "train/train"])
def test_the_folder_of_the_images_is_found(tmp_path: Path, place: str) -> None:
    folder(tmp_path / place, ("img",), each=8)
    lines = ["id,image_id,breed", *(f"{n},{n},{'xy'[n % 2]}" for n in range(8))]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    for file in (tmp_path / place / "img").iterdir():
        file.rename(tmp_path / place / file.name)
    dataset = open_dataset(str(tmp_path), ReadingOptions(label_column="breed"))
    assert image_counts(dataset) == {(None, "x"): 4, (None, "y"): 4}
    assert len(scan(dataset).dataset) == 8
    assert f"labels.csv: images were found in {place}/" in dataset.remarks


def test_a_table_beside_class_folders_is_named(tmp_path: Path) -> None:
    folder(tmp_path, ("cat", "dog"))
    (tmp_path / "x.csv").write_text(written(","))
    assert open_dataset(str(tmp_path)).remarks == (
        f"x.csv lists image labels too; to read it instead, give its path: {tmp_path / 'x.csv'}",
    )


def test_a_table_without_a_header_is_named(tmp_path: Path) -> None:
    folder(tmp_path, ("cat", "dog"))
    (tmp_path / "x.csv").write_text("\n".join(",".join(row) for row in ROWS))
    with pytest.raises(LeannetError, match="line 1: expected a header such as path,label, found an image"):
        open_dataset(str(tmp_path / "x.csv"))


def test_equal_names_in_the_folders_of_two_splits(tmp_path: Path) -> None:
    """An image is looked for in the folder of its own split; where none is said, the table is refused."""
    for split, first in (("train", 0), ("val", 50)):
        folder(tmp_path / "images", (split,), each=4, first=first)
        for number, file in enumerate(sorted((tmp_path / "images" / split).iterdir())):
            file.rename(file.with_name(f"same{number}.png"))
        lines = ["filename,label", *(f"same{n}.png,{'xy'[n % 2]}" for n in range(4))]
        (tmp_path / f"{split}.csv").write_text("\n".join(lines))
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {(split, kind): 2 for split in ("train", "validation") for kind in "xy"}
    assert len(set(scan(dataset).digests)) == 8
    (tmp_path / "val.csv").rename(tmp_path / "all.csv")
    with pytest.raises(LeannetError, match=r"same0.png exists in images/train/ and images/val/"):
        open_dataset(str(tmp_path / "all.csv"))


def test_a_first_image_that_is_missing_hides_no_other(tmp_path: Path) -> None:
    folder(tmp_path, ("a", "b"), each=4)
    for file in (tmp_path / "b").iterdir():
        file.rename(file.with_name(f"b{file.name}"))
    lines = ["path,label", "gone.png,x", *(f"{n}.png,x" for n in range(4)), *(f"b{n}.png,y" for n in range(4))]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    scanned = scan(open_dataset(str(tmp_path / "x.csv")))
    assert len(scanned.dataset) == 8
    assert [image.name for image in scanned.broken] == ["gone.png"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("phase", ("train", "test")), ("data set", ("train", "test")), ("anything", ("Train", "holdout")),
        ("is_valid", ("False", "True")), ("partition", ("training", "validation")),
    ],
)  # fmt: skip
def test_columns_that_say_the_splits(tmp_path: Path, name: str, words: tuple[str, str]) -> None:
    folder(tmp_path, ("a",), each=8)
    lines = [f"path,label,{name}", *(f"a/{n}.png,{'xy'[n % 2]},{words[n // 4]}" for n in range(8))]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    dataset = open_dataset(str(tmp_path / "x.csv"))
    assert dataset.splits.count("train") == 4
    assert None not in dataset.splits
    assert any(f"splits are read from the column {name}" in remark for remark in dataset.remarks)


def test_paths_that_say_the_splits(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 50)):
        folder(tmp_path / split, ("x", "y"), each=2, first=first)
    rows = [f"{s}/{k}/{f + n}.png,{k}" for s, f in (("train", 0), ("test", 50)) for k in "xy" for n in range(2)]
    (tmp_path / "x.csv").write_text("\n".join(["path,label", *rows]))
    assert image_counts(open_dataset(str(tmp_path / "x.csv"))) == {(s, k): 2 for s in ("train", "test") for k in "xy"}


WRONG = {
    "boxes": ("filename,class,xmin,ymin\na/0.png,x,1,2\na/0.png,y,3,4\n", "this is a detection set"),
    "one column per class": ("filename,x,y\na/0.png,1,0\na/1.png,0,1\n", "several labels per image"),
    "two columns of one name": ("path,label,label\na/0.png,1,2\n", "expected one column named label, found 2"),
    "a quote that is open": ('path,label\n"a/0.png,x\na/1.png,y\n', "a quote that is not closed"),
}


@pytest.mark.parametrize("case", WRONG)
def test_tables_that_would_be_read_wrong(tmp_path: Path, case: str) -> None:
    text, words = WRONG[case]
    folder(tmp_path, ("a",))
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(LeannetError, match=words):
        open_dataset(str(tmp_path / "x.csv"))


def test_two_tables_of_a_split_and_one_that_contradicts_its_name(tmp_path: Path) -> None:
    folder(tmp_path / "images", ("img",), each=8)
    for name in ("train", "train_folds"):
        (tmp_path / f"{name}.csv").write_text("path,label\nimages/img/0.png,x\nimages/img/1.png,y\n")
    with pytest.raises(LeannetError, match=r"one for each split, found 2 \(train.csv, train_folds.csv\)"):
        open_dataset(str(tmp_path))
    (tmp_path / "train_folds.csv").unlink()
    (tmp_path / "test.csv").write_text("path,label\nimages/img/2.png,x\n")
    (tmp_path / "train.csv").write_text("path,label,split\nimages/img/0.png,x,train\nimages/img/1.png,y,test\n")
    with pytest.raises(LeannetError, match="its file name says train, but its column split says test, train"):
        open_dataset(str(tmp_path))


def test_names_that_may_be_one_are_said(tmp_path: Path) -> None:
    folder(tmp_path, ("a",), each=8)
    labels = ["Cat", "cat", "01", "1", "cafe\u0301", "caf\u00e9", "dog", "NA"]
    (tmp_path / "x.csv").write_text("\n".join(["path,label", *(f"a/{n}.png,{w}" for n, w in enumerate(labels))]))
    dataset = open_dataset(str(tmp_path / "x.csv"))
    assert dataset.classes == ("01", "1", "Cat", "caf\u00e9", "cat", "dog")
    assert dataset.remarks == ("class names that may mean the same class: 01 and 1, Cat and cat",)
    assert left_out_by_reason(dataset) == {"image without a label": ("a/7.png",)}
