"""Folders of other runtimes' files: they give what torch gives, and say when they do not any more."""

import json
from pathlib import Path

import pytest

import leannet
from leannet.deploy.formats import ABOUT, Format, export_folder
from leannet.errors import LeannetError
from leannet.runtime import ENGINES
from tests.deploy.test_artefact import checkpoint as checkpoint  # the fixture

FORMATS: list[Format] = ["openvino", "ncnn", "litert"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_passes_its_check_until_it_is_touched(checkpoint: Path, tmp_path: Path, format: Format) -> None:
    found = export_folder(checkpoint, format, tmp_path / "out")
    assert all(each.passed for each in found.checks)
    assert all(each.passed for each in leannet.check(tmp_path / "out"))
    about = json.loads((tmp_path / "out" / ABOUT).read_text())
    assert about["header"]["classes"] == ["ape", "bee", "çat"]
    assert "/home" not in json.dumps(about)
    file = tmp_path / "out" / ("model.tflite" if format == "litert" else "model.bin")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 64
    file.write_bytes(data)
    with pytest.raises(LeannetError, match="damaged or edited"):
        leannet.check(tmp_path / "out")


def test_what_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    made = export_folder(checkpoint, "ncnn").path
    assert made == checkpoint.with_name("net_ncnn")
    with pytest.raises(LeannetError, match="new or empty folder"):
        export_folder(checkpoint, "ncnn")
    about = json.loads((made / ABOUT).read_text())
    for change, message in (
        ({"format_version": 99}, "upgrade"),
        ({"format": "other"}, "upgrade"),
        ({"golden": 3}, "its digest does not match"),
        ({"files": {}}, "its digest does not match"),
        ({"header": about["header"] | {"classes": ["a", "b", "c"]}}, "its digest does not match"),
        ({"digest": None}, "its digest does not match"),
    ):
        (made / ABOUT).write_text(json.dumps(about | change))
        with pytest.raises(LeannetError, match=message):
            leannet.check(made)
    (made / ABOUT).write_text("[]")
    with pytest.raises(LeannetError, match="damaged"):
        leannet.check(made)
    with pytest.raises(LeannetError, match="for one runtime: leave it out"):
        leannet.check(made, ["openvino"])
    (made / ABOUT).unlink()
    with pytest.raises(LeannetError, match="found no"):
        leannet.check(made)


def test_nothing_stays_where_the_files_are_wrong(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leannet.deploy.exporting.TOLERANCE", {"float32": 0.0})
    with pytest.raises(LeannetError, match="nothing was written"):
        export_folder(checkpoint, "openvino", tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_an_onnx_file_is_not_ncnn_s(checkpoint: Path) -> None:
    made = leannet.export(checkpoint)
    for name in ("ncnn", "litert"):
        with pytest.raises(LeannetError, match="does not read ONNX"):
            ENGINES[name].prepare(leannet.deploy.Artefact.open(made.path).program, 1)
