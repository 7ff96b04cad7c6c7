"""Shards against the files they were made of."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from leannet.data.scan import scan
from leannet.data.sources import open_pictures
from leannet.errors import LeannetError
from leannet.training import train
from tests.conftest import draw_folder


def write_shard(path: Path, samples: list[tuple[str, dict[str, bytes]]]) -> None:
    """A tar file of samples: key and, by ending, what belongs to it."""
    with tarfile.open(path, "w") as tar:
        for key, files in samples:
            for ending, data in files.items():
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def shards_of(folder: Path, out: Path, label: str = "cls") -> Path:
    """The pictures of class folders in three shards, labels as numbers or JSON."""
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
def test_shards_hold_the_same_pictures(shapes: Path, tmp_path: Path, label: str) -> None:
    pictures = open_pictures(str(shards_of(shapes, tmp_path / "shards", label)))
    assert pictures.kind == "WebDataset shards"
    assert pictures.classes == ("disc", "square")
    files = open_pictures(str(shapes))
    mine, theirs = scan(pictures), scan(files)
    assert sorted(zip(mine.digests, pictures.labels, strict=True)) == sorted(
        zip(theirs.digests, files.labels, strict=True)
    )


def test_training_on_shards_is_training_on_the_files(shapes: Path, tmp_path: Path) -> None:
    """The split goes by content, so the very same pictures validate."""
    settings = {"model": "two_layer_debug", "epochs": 1, "quiet": True, "workers": 0}
    one = train(str(shapes), out=tmp_path / "one", **settings)
    two = train(str(shards_of(shapes, tmp_path / "shards")), out=tmp_path / "two", **settings)
    assert one.header.split["digests"] == two.header.split["digests"]


def test_parts_by_name(shapes: Path, tmp_path: Path) -> None:
    shards_of(shapes, tmp_path / "all")
    for old, new in (("000", "train-000"), ("001", "val-000"), ("002", "test-000")):
        (tmp_path / "all" / f"{old}.tar").rename(tmp_path / "all" / f"{new}.tar")
    assert set(open_pictures(str(tmp_path / "all")).parts) == {"train", "validation", "test"}


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    picture = next(draw_folder(tmp_path / "d", each=1).rglob("*.png")).read_bytes()
    cases = {
        "no label": [("x", {"png": picture})],
        "no picture": [("x", {"cls": b"1"})],
        "a label": [("x", {"png": picture, "json": b"{}"})],
    }
    for word, samples in cases.items():
        write_shard(tmp_path / "bad.tar", samples)
        with pytest.raises(LeannetError, match=word):
            open_pictures(str(tmp_path / "bad.tar"))
    (tmp_path / "bad.tar").write_bytes(b"no tar file" * 100)
    with pytest.raises(LeannetError, match="not readable as an uncompressed tar"):
        open_pictures(str(tmp_path / "bad.tar"))
    write_shard(tmp_path / "bad.tar", [(str(i), {"png": picture, "cls": b"7"}) for i in range(2)])
    (tmp_path / "classes.txt").write_text("only\n")
    with pytest.raises(LeannetError, match="names 1 classes, and a label is 7"):
        open_pictures(str(tmp_path / "bad.tar"))
