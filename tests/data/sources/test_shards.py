"""Shards against the files they were made of."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from leannet.data.images import read
from leannet.data.scan import scan
from leannet.data.sources import open_dataset
from leannet.errors import LeannetError
from leannet.training import train
from tests.conftest import draw_folder
from tests.data.sources.making import image, image_counts, left_out_by_reason, tar


def write_shard(path: Path, samples: list[tuple[str, dict[str, bytes]]]) -> None:
    """A tar file of samples: key and, by ending, what belongs to it."""
    with tarfile.open(path, "w") as tar:
        for key, files in samples:
            for ending, data in files.items():
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def shards_of(folder: Path, out: Path, label: str = "cls") -> Path:
    """The images of class folders in three shards, labels as numbers or JSON."""
    out.mkdir()
    files = sorted(folder.rglob("*.png"))
    classes = sorted({file.parent.name for file in files})
    for number in range(3):
        samples = []
        for file in files[number::3]:
            word = str(classes.index(file.parent.name)).encode()
            data = word if label == "cls" else json.dumps({"label": file.parent.name}).encode()
            samples.append((f"a/{file.parent.name}_{file.stem}", {"png": file.read_bytes(), label: data}))
        write_shard(out / f"{number:03}.tar", samples)
    (out / "classes.txt").write_text("\n".join(classes))
    return out


@pytest.mark.parametrize("label", ["cls", "json"])
def test_shards_hold_the_same_images(shapes: Path, tmp_path: Path, label: str) -> None:
    dataset = open_dataset(str(shards_of(shapes, tmp_path / "shards", label)))
    assert dataset.kind == "WebDataset shards"
    assert dataset.classes == ("disc", "square")
    files = open_dataset(str(shapes))
    shard_scan, file_scan = scan(dataset), scan(files)
    assert len(file_scan.digests) == 24
    assert sorted(zip(shard_scan.digests, dataset.labels, strict=True)) == sorted(
        zip(file_scan.digests, files.labels, strict=True)
    )


def test_training_on_shards_is_training_on_the_files(shapes: Path, tmp_path: Path) -> None:
    """The split goes by content, so the very same images validate."""
    settings = {"model": "two_layer_debug", "epochs": 1, "quiet": True, "workers": 0}
    one = train(str(shapes), out=tmp_path / "one", **settings)
    two = train(str(shards_of(shapes, tmp_path / "shards")), out=tmp_path / "two", **settings)
    assert one.header.split.digests == two.header.split.digests


def test_splits_by_name(shapes: Path, tmp_path: Path) -> None:
    shards_of(shapes, tmp_path / "all")
    for old, new in (("000", "train-000"), ("001", "val-000"), ("002", "test-000")):
        (tmp_path / "all" / f"{old}.tar").rename(tmp_path / "all" / f"{new}.tar")
    assert set(open_dataset(str(tmp_path / "all")).splits) == {"train", "validation", "test"}


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    image = next(draw_folder(tmp_path / "d", each=1).rglob("*.png")).read_bytes()
    cases = {
        "1 sample without a label": [("x", {"png": image})],
        "1 sample without an image": [("x", {"cls": b"1"})],
        "1 sample whose label is neither text nor JSON": [("x", {"png": image, "json": b"{}"})],
    }
    for word, samples in cases.items():
        write_shard(tmp_path / "bad.tar", samples)
        with pytest.raises(LeannetError, match=word):
            open_dataset(str(tmp_path / "bad.tar"))
    (tmp_path / "bad.tar").write_bytes(b"no tar file" * 100)
    with pytest.raises(LeannetError, match="not readable as an uncompressed tar"):
        open_dataset(str(tmp_path / "bad.tar"))
    write_shard(tmp_path / "bad.tar", [(str(i), {"png": image, "cls": b"7"}) for i in range(2)])
    (tmp_path / "classes.txt").write_text("only\n")
    with pytest.raises(LeannetError, match="expected a class number below 1, the number of class names, found 7"):
        open_dataset(str(tmp_path / "bad.tar"))


def labelled(numbers: range, stem: str = "{:04}", label: str = "cls") -> list[tuple[str, bytes]]:
    """Members of samples of two classes."""
    return [
        member
        for n in numbers
        for member in (
            (f"{stem.format(n)}.jpg", image("cat", n, "JPEG")),
            (f"{stem.format(n)}.{label}", b"%d" % (n % 2)),
        )
    ]


EIGHT = {(None, "0"): 4, (None, "1"): 4}


def test_members_of_other_programs_are_passed_over(tmp_path: Path) -> None:
    members = [(f"._{name}", b"\0\5\26\7") for name, _ in labelled(range(8))]
    members += [("__MACOSX/._x.jpg", b"x"), (".DS_Store", b"x"), *labelled(range(8)), ("README.md", b"hello")]
    dataset = open_dataset(str(tar(tmp_path / "x.tar", members)))
    assert image_counts(dataset) == EIGHT
    assert left_out_by_reason(dataset) == {"file named neither as an image nor as a label": ("x.tar/README.md",)}


def test_a_missing_member_leaves_out_one_sample(tmp_path: Path) -> None:
    members = [*labelled(range(8)), ("0098.cls", b"1"), ("0099.jpg", image("cat", 99, "JPEG"))]
    dataset = open_dataset(str(tar(tmp_path / "x.tar", members)))
    assert image_counts(dataset) == EIGHT
    assert left_out_by_reason(dataset) == {
        "sample without an image": ("x.tar/0098",),
        "sample without a label (.cls, .cls.txt, .label or .json)": ("x.tar/0099",),
    }


def test_the_plain_ending_wins_and_the_other_images_are_counted(tmp_path: Path) -> None:
    members = [m for n in range(8) for m in ((f"{n:04}.depth.png", image("dog", n)), *labelled(range(n, n + 1)))]
    dataset = open_dataset(str(tar(tmp_path / "x.tar", members)))
    assert image_counts(dataset) == EIGHT
    assert {read(dataset.reader(i)).format for i in range(8)} == {"JPEG"}
    assert len(left_out_by_reason(dataset)["image beside the main image of its sample"]) == 8


@pytest.mark.parametrize("label", ["cls", "cls.txt"])
def test_names_with_dots_are_not_taken_for_one_sample(tmp_path: Path, label: str) -> None:
    dataset = open_dataset(str(tar(tmp_path / "x.tar", labelled(range(8), "photo_0.5_{}", label))))
    assert image_counts(dataset) == EIGHT
    assert dataset.remarks == ("the keys of samples end at the last dot of a name",)


@pytest.mark.parametrize(("label", "empty"), [("cls", b""), ("json", b'{"label": null}'), ("json", b'{"label": NaN}')])
def test_samples_with_an_empty_label_are_counted(tmp_path: Path, label: str, empty: bytes) -> None:
    members = []
    for n in range(10):
        word = b"%d" % (n % 2) if label == "cls" else b'{"label": %d}' % (n % 2)
        members += [(f"{n}.jpg", image("cat", n, "JPEG")), (f"{n}.{label}", word if n < 8 else empty)]
    dataset = open_dataset(str(tar(tmp_path / "x.tar", members)))
    assert image_counts(dataset) == EIGHT
    assert left_out_by_reason(dataset) == {"image without a label": ("x.tar/8", "x.tar/9")}


def test_several_labels_in_json_are_refused(tmp_path: Path) -> None:
    members = [("0.jpg", image("cat", 0, "JPEG")), ("0.json", b'{"label": [0, 1]}')]
    with pytest.raises(LeannetError, match="several labels per image"):
        open_dataset(str(tar(tmp_path / "x.tar", members)))


def damaged(data: bytes) -> dict[str, bytes]:
    """The same tar, broken in ways that end Python's reading without an error."""
    middle = data.index(b"0004.jpg")
    return {
        "a header": data[:middle] + b"\xff" * 512 + data[middle + 512 :],
        "cut between members": data[:middle],
        "cut in a header": data[: middle + 100],
        "a zeroed block": data[:middle] + bytes(1024) + data[middle + 1024 :],
        "two in one": data + data,
    }


@pytest.mark.parametrize("case", damaged(b"0004.jpg"))
def test_a_damaged_tar_loses_no_sample_without_a_word(tmp_path: Path, case: str) -> None:
    data = tar(tmp_path / "x.tar", labelled(range(8))).read_bytes()
    assert image_counts(open_dataset(str(tmp_path / "x.tar"))) == EIGHT
    (tmp_path / "x.tar").write_bytes(damaged(data)[case])
    with pytest.raises(LeannetError, match=r"cut off|data follows its last|not readable"):
        open_dataset(str(tmp_path / "x.tar"))


def test_links_in_a_tar_are_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, data in labelled(range(4)):
            member = tarfile.TarInfo(f"a/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for number in range(4):
            for ending, kind, target in (("jpg", tarfile.LNKTYPE, "a/"), ("cls", tarfile.SYMTYPE, "../a/")):
                member = tarfile.TarInfo(f"b/{number + 4:04}.{ending}")
                member.type, member.linkname = kind, f"{target}{number:04}.{ending}"
                archive.addfile(member)
        member = tarfile.TarInfo("b/gone.jpg")
        member.type, member.linkname = tarfile.LNKTYPE, "a/none.jpg"
        archive.addfile(member)
    dataset = open_dataset(str(tmp_path / "x.tar"))
    assert image_counts(dataset) == EIGHT
    assert scan(dataset).copies == 4
    assert left_out_by_reason(dataset) == {"link to a missing member": ("x.tar/b/gone.jpg",)}


def test_splits_inside_a_tar_and_samples_named_twice(tmp_path: Path) -> None:
    members = [
        (f"{'train' if n < 4 else 'test'}/{n}.{e}", d) for n in range(8) for e, d in (("jpg", b"x"), ("cls", b"1"))
    ]
    dataset = open_dataset(str(tar(tmp_path / "x.tar", members)))
    assert image_counts(dataset) == {("train", "1"): 4, ("test", "1"): 4}
    assert left_out_by_reason(open_dataset(str(tar(tmp_path / "x.tar", members + members[:2])))) == {
        "file whose name is repeated in its tar file": ("x.tar/train/0.jpg", "x.tar/train/0.cls")
    }


def test_several_images_of_which_none_is_plain_are_not_guessed_at(tmp_path: Path) -> None:
    members = [*labelled(range(8)), ("9.mask.png", image("dog", 1)), ("9.rgb.jpg", image("dog", 2)), ("9.cls", b"1")]
    dataset = open_dataset(str(tar(tmp_path / "x.tar", members)))
    assert image_counts(dataset) == EIGHT
    assert left_out_by_reason(dataset) == {
        "sample with several images, none with a plain extension (.jpg)": ("x.tar/9",)
    }
