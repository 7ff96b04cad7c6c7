"""Parquet in several files: each keeps its own class names, paths and widths of numbers."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leannet.data.images import read
from leannet.data.scan import scan
from leannet.data.sources import ReadingOptions, open_dataset
from leannet.errors import LeannetError
from tests.data.sources.making import folder, image, image_counts, left_out_by_reason, table


def test_class_names_belong_to_their_file(tmp_path: Path) -> None:
    table(tmp_path / "train-0.parquet", [0, 1, 0, 1], ("cat", "dog"))
    table(tmp_path / "test-0.parquet", [1, 1, 1, 0], ("dog", "cat"), first=10)
    dataset = open_dataset(str(tmp_path))
    assert dataset.classes == ("cat", "dog")
    assert image_counts(dataset) == {("train", "cat"): 2, ("train", "dog"): 2, ("test", "cat"): 3, ("test", "dog"): 1}
    assert "the files number their classes differently: classes are matched by name" in dataset.remarks


def test_numbers_without_names_beside_a_file_with_names(tmp_path: Path) -> None:
    table(tmp_path / "train-0.parquet", [0, 1, 0, 1], ("cat", "dog"))
    table(tmp_path / "test-0.parquet", [1, 0], first=10)
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {("train", "cat"): 2, ("train", "dog"): 2, ("test", "cat"): 1, ("test", "dog"): 1}
    assert "has no class names" in dataset.remarks[0]
    table(tmp_path / "validation-0.parquet", [1, 0], ("dog", "cat"), first=20)
    with pytest.raises(LeannetError, match="expected names for its numbered classes, found none"):
        open_dataset(str(tmp_path))


def test_paths_start_at_their_own_file(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 10)):
        folder(tmp_path / split / "files", ("img",), each=4, first=first)
        paths = [f"files/img/{first + number}.png" for number in range(4)]
        pq.write_table(pa.table({"image": paths, "label": ["x", "y"] * 2}), tmp_path / split / "list.parquet")
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {(split, kind): 2 for split in ("train", "test") for kind in "xy"}
    assert len(scan(dataset).dataset) == 8
    assert len(set(scan(dataset).digests)) == 8
    assert not left_out_by_reason(dataset)


def test_widths_of_numbers_and_forms_of_images_may_differ(tmp_path: Path) -> None:
    plain = pa.table({"image": [image("cat", n) for n in range(4)], "label": pa.array([0, 1, 2, 10], pa.int8())})
    pq.write_table(plain, tmp_path / "a.parquet")
    table(tmp_path / "b.parquet", [10, 1, 0, 2])
    wide = pa.table(
        {"image": pa.array([image("cat", n) for n in range(20, 24)], pa.large_binary()), "label": [0.0, 1.0, 2.0, 10.0]}
    )
    pq.write_table(wide, tmp_path / "c.parquet")
    dataset = open_dataset(str(tmp_path))
    assert dataset.classes == ("0", "1", "2", "10")
    assert dataset.labels.tolist() == [0, 1, 2, 3, 3, 1, 0, 2, 0, 1, 2, 3]
    assert [read(dataset.reader(i)).size for i in range(12)] == [(16, 16)] * 12


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([[0], [0, 1]], "several labels per image"),
        ([{"id": 0}, {"id": 1}], "a struct of id"),
        ([0.5, 1.0], "the number 0.5"),
        ([b"\xff", b"\xfe"], "bytes that are not text"),
    ],
)
def test_what_is_no_label_is_never_made_one(tmp_path: Path, labels: list[object], words: str) -> None:
    pq.write_table(pa.table({"image": [image("cat", n) for n in range(2)], "label": labels}), tmp_path / "x.parquet")
    with pytest.raises(LeannetError, match=words):
        open_dataset(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize(
    "labels", [[0, 1, None, 1], [0.0, 1.0, float("nan"), 1.0], ["0", "1", "", "1"], ["0", "1", "NaN", "1"]]
)
def test_missing_labels_are_counted(tmp_path: Path, labels: list[object]) -> None:
    dataset = open_dataset(str(table(tmp_path / "x.parquet", labels)))
    assert image_counts(dataset) == {(None, "0"): 1, (None, "1"): 2}
    assert left_out_by_reason(dataset) == {"image without a label": ("row 2",)}


def test_minus_one_is_no_label_where_classes_have_names(tmp_path: Path) -> None:
    table(tmp_path / "train-0.parquet", [0, 1, 0, 1], ("cat", "dog"))
    table(tmp_path / "test-0.parquet", [-1, -1], ("cat", "dog"), first=10)
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {("train", "cat"): 2, ("train", "dog"): 2}
    assert len(left_out_by_reason(dataset)["image without a label"]) == 2
    table(tmp_path / "train-0.parquet", [0, 2], ("cat", "dog"))
    with pytest.raises(LeannetError, match="expected a class number below 2, the number of class names, found 2"):
        open_dataset(str(tmp_path))


def test_tables_of_something_else_do_not_take_over(tmp_path: Path) -> None:
    folder(tmp_path, ("cat", "dog"))
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "embeddings.parquet")
    dataset = open_dataset(str(tmp_path))
    assert (dataset.kind, len(dataset)) == ("class folders", 8)
    assert left_out_by_reason(dataset) == {"file not named as an image": ("embeddings.parquet",)}


def test_hidden_files_beside_are_passed_over_and_others_counted(tmp_path: Path) -> None:
    table(tmp_path / "train-0.parquet", [0, 1])
    (tmp_path / "._train-0.parquet").write_bytes(b"\0\5\26\7" * 20)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x.parquet").write_bytes(b"no")
    (tmp_path / "README.md").write_text("x")
    folder(tmp_path, ("examples",), each=2)
    dataset = open_dataset(str(tmp_path))
    assert (dataset.kind, len(dataset)) == ("Parquet", 2)
    assert left_out_by_reason(dataset) == {
        "image that no table lists": ("examples/0.png", "examples/1.png"),
        "file not named as an image": ("README.md",),
    }


def test_a_split_without_labels_is_named(tmp_path: Path) -> None:
    table(tmp_path / "train-0.parquet", [0, 1])
    pq.write_table(pa.table({"image": [image("cat", 9)]}), tmp_path / "test-0.parquet")
    assert left_out_by_reason(open_dataset(str(tmp_path))) == {
        "Parquet file without columns of image and label": ("test-0.parquet",)
    }


def test_columns_by_the_types_of_hugging_face(tmp_path: Path) -> None:
    path = table(tmp_path / "x.parquet", [0, 1, 1, 0], ("cat", "dog"))
    table_of_rows = pq.read_table(path)
    words = (
        table_of_rows.schema.metadata[b"huggingface"].replace(b'"image"', b'"scan"').replace(b'"label"', b'"finding"')
    )
    pq.write_table(
        table_of_rows.rename_columns(["scan", "finding"]).replace_schema_metadata({"huggingface": words}), path
    )
    assert image_counts(open_dataset(str(path))) == {(None, "cat"): 2, (None, "dog"): 2}
    pq.write_table(table_of_rows.rename_columns(["a", "b"]).replace_schema_metadata(None), path)
    assert open_dataset(str(path), ReadingOptions("a", "b")).labels.tolist() == np.array([0, 1, 1, 0]).tolist()


def test_rows_of_no_split_beside_splits_are_counted(tmp_path: Path) -> None:
    for name in ("train-0", "test-0", "extra-0"):
        table(tmp_path / f"{name}.parquet", [0, 1])
    dataset = open_dataset(str(tmp_path))
    assert set(dataset.splits) == {"train", "test"}
    assert left_out_by_reason(dataset) == {
        "image in no split, although others are in one": ("extra-0.parquet row 0", "extra-0.parquet row 1")
    }


def test_a_column_says_the_splits(tmp_path: Path) -> None:
    splits = ["train", "train", "test", "test"]
    rows = pa.table({"image": [image("cat", n) for n in range(4)], "label": [0, 1, 0, 1], "split": splits})
    pq.write_table(rows, tmp_path / "x.parquet")
    assert image_counts(open_dataset(str(tmp_path / "x.parquet"))) == {
        (s, k): 1 for s in ("train", "test") for k in "01"
    }


def test_what_has_no_split_is_the_train_split_where_none_is_called_so(tmp_path: Path) -> None:
    for name, first in (("000", 0), ("001", 10), ("test-0", 20)):
        table(tmp_path / f"{name}.parquet", [0, 1], first=first)
    dataset = open_dataset(str(tmp_path))
    assert image_counts(dataset) == {("train", "0"): 2, ("train", "1"): 2, ("test", "0"): 1, ("test", "1"): 1}
    assert "taken as the train split" in dataset.remarks[0]
    for name_of_folder in ("partial-train", "partial-test"):  # the folders of the hub's own conversion
        table(tmp_path / "default" / name_of_folder / "0000.parquet", [0, 1], first=30)
    assert open_dataset(str(tmp_path / "default")).splits.count("train") == 2
