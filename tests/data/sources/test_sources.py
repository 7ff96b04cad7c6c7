"""Every way images come, recognized and read."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leannet.data.images import read
from leannet.data.scan import scan
from leannet.data.sources import open_dataset
from leannet.errors import LeannetError
from tests.conftest import draw, draw_folder


def _bytes(kind: str, seed: int) -> bytes:
    import io

    stream = io.BytesIO()
    draw(kind, seed).save(stream, "PNG")
    return stream.getvalue()


def test_class_folders(shapes: Path) -> None:
    (shapes / "disc" / "notes.txt").write_text("hello")
    (shapes / "disc" / ".hidden.png").write_bytes(b"x")
    dataset = open_dataset(str(shapes))
    assert dataset.kind == "class folders"
    assert dataset.classes == ("disc", "square")
    assert len(dataset) == 24
    assert [(entry.why, entry.names) for entry in dataset.left_out] == [("not named as an image", ("disc/notes.txt",))]
    assert set(dataset.splits) == {None}


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_split_folders(tmp_path: Path, name: str) -> None:
    for split in ("train", name, "test"):
        draw_folder(tmp_path / "data" / split, each=3)
    dataset = open_dataset(str(tmp_path / "data"))
    assert dataset.kind == "split folders of class folders"
    assert sorted(dataset.splits) == ["test"] * 6 + ["train"] * 6 + ["validation"] * 6


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "vehicles", each=3, kinds=("train", "bus"))
    assert open_dataset(str(root)).classes == ("bus", "train")


def test_spaces_and_other_letters(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "fotos de Übung 写真", each=3, kinds=("grüner Käfer", "蜂"))
    dataset = open_dataset(str(root))
    assert dataset.classes == ("grüner Käfer", "蜂")
    assert len(scan(dataset).dataset) == 6


@pytest.mark.parametrize("metadata", ["huggingface", "class_names", "none", "text"])
def test_parquet(tmp_path: Path, metadata: str) -> None:
    labels = [0, 1, 0, 1]
    images = [{"bytes": _bytes("disc", n), "path": f"{n}.png"} for n in range(4)]
    values = ["disc", "square", "disc", "square"] if metadata == "text" else labels
    table = pa.table({"image": images, "label": values})
    features = {"info": {"features": {"label": {"names": ["disc", "square"]}}}}
    words = {"huggingface": {"huggingface": json.dumps(features)}, "class_names": {"class_names": "disc,square"}}
    pq.write_table(table.replace_schema_metadata(words.get(metadata)), tmp_path / "x.parquet")
    dataset = open_dataset(str(tmp_path / "x.parquet"))
    assert dataset.classes == (("0", "1") if metadata == "none" else ("disc", "square"))
    assert dataset.labels.tolist() == labels
    assert read(dataset.reader(2)).size == (40, 40)


def test_a_folder_of_parquet_in_the_hugging_face_layout(tmp_path: Path) -> None:
    for name, count in (("train-00000-of-00002", 4), ("train-00001-of-00002", 4), ("test-00000-of-00001", 2)):
        rows = [{"bytes": _bytes("disc", n), "path": None} for n in range(count)]
        table = pa.table({"img": rows, "label": [n % 2 for n in range(count)]})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    dataset = open_dataset(str(tmp_path))
    assert sorted(p or "" for p in dataset.splits) == ["test"] * 2 + ["train"] * 8


def test_csv_with_splits(shapes: Path, tmp_path: Path) -> None:
    lines = ["path,label,split"]
    for number in range(6):
        lines.append(f"shapes/disc/{number}.png,round,{'train' if number < 4 else 'val'}")
        lines.append(f"shapes/square/{number}.png,angular,{'train' if number < 4 else 'val'}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    dataset = open_dataset(str(tmp_path / "list.csv"))
    assert dataset.classes == ("angular", "round")
    assert dataset.splits.count("validation") == 4
    assert len(scan(dataset).dataset) == 12


def test_digits_are_the_real_ones() -> None:
    dataset = open_dataset("digits")
    assert (len(dataset), len(dataset.classes)) == (1797, 10)
    first = dataset.reader(0)
    assert isinstance(first, np.ndarray)
    assert first.shape == (8, 8)
    assert first.max() == 255 * 15 // 16


def test_the_real_photographs(photographs: Path) -> None:
    scanned = scan(open_dataset(str(photographs)))
    assert len(scanned.dataset) == 398
    assert [f.name for f in scanned.converted] == ["train/ants/imageNotFound.gif"]
    assert [f.name for f in scanned.only_of_format] == ["train/ants/imageNotFound.gif"]
    assert not scanned.broken


def test_cifar10(cifar10: Path) -> None:
    dataset = open_dataset(str(cifar10))
    assert (len(dataset), dataset.classes[6], dataset.splits.count("test")) == (60_000, "frog", 10_000)


def test_folders_without_an_image_are_no_classes(shapes: Path) -> None:
    (shapes / "runs" / "old").mkdir(parents=True)
    (shapes / "runs" / "old" / "report.html").write_text("x")
    (shapes / "disc" / ".ipynb_checkpoints").mkdir()
    draw("disc", 0).save(shapes / "disc" / ".ipynb_checkpoints" / "0-checkpoint.png")
    dataset = open_dataset(str(shapes))
    assert dataset.classes == ("disc", "square")
    assert len(dataset) == 24
    assert [(entry.why, entry.names) for entry in dataset.left_out] == [("without an image", ("runs",))]


def test_numbers_that_do_not_start_at_zero_are_names(tmp_path: Path) -> None:
    table = pa.table({"image": [_bytes("disc", n) for n in range(4)], "label": [1, 7, 7, 1]})
    pq.write_table(table, tmp_path / "x.parquet")
    dataset = open_dataset(str(tmp_path / "x.parquet"))
    assert (dataset.classes, dataset.labels.tolist()) == (("1", "7"), [0, 1, 1, 0])


def _table(path: Path, **columns: list[object]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


WRONG = {
    "a csv of another split": (lambda root: _write(root / "x.csv", b"path,label,split\na.png,b,c\n"), "line 2"),
    "a parquet without rows": (lambda root: _table(root / "x.parquet", image=[], label=[]), "found none"),
    "a parquet of numbers": (
        lambda root: _table(root / "x.parquet", image=[1, 2], label=[0, 1]),
        "bytes or paths of images",
    ),
    "a parquet of lists": (
        lambda root: _table(root / "x.parquet", image=[[1], [2]], label=[0, 1]),
        "bytes or paths of images",
    ),
    "nothing there": (lambda root: root / "nothing", "no such file or folder"),
    "a file of another kind": (lambda root: _write(root / "x.zip", b"PK"), ".parquet, .csv, .jsonl or .tar file"),
    "an empty folder": (lambda root: _folder(root / "empty"), "found no image"),
    "loose images": (lambda root: _loose(root / "loose"), "found 1 images outside any class folder"),
    "a parquet that is none": (lambda root: _write(root / "x.parquet", b"hello"), "not readable as Parquet"),
    "a csv of other columns": (
        lambda root: _write(root / "x.csv", b"a,b\n1,2\n"),
        "expected a column named image, img, path, filepath",
    ),
    "a csv without lines": (lambda root: _write(root / "x.csv", b"path,label\n"), "found none"),
    "a csv with a gap": (lambda root: _write(root / "x.csv", b"path,label\na.png,\n"), "line 2"),
    "a detection set": (lambda root: _folder(root / "voc" / "Annotations").parent, "detection set"),
}


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def _loose(path: Path) -> Path:
    _folder(path)
    draw("disc", 0).save(path / "x.png")
    return path


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, case: str) -> None:
    make, words = WRONG[case]
    with pytest.raises(LeannetError) as error:
        open_dataset(str(make(tmp_path)))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
