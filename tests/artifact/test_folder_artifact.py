"""Folders of other runtimes' files: they give what torch gives, and say when they do not any more."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import leannet
from leannet.artifact import open_artifact
from leannet.artifact.exporting import export_folder
from leannet.artifact.folder_artifact import Format
from leannet.benchmark import bench
from leannet.errors import LeannetError
from leannet.header import ARTIFACT_HEADER, read_header
from leannet.reports.comparison.network import read_network
from leannet.runtime import ENGINES
from leannet.web import make_site
from leannet.what import resolve
from tests.artifact.test_artifact import checkpoint as checkpoint  # the fixture
from tests.artifact.test_artifact import predicted_without_torch
from tests.conftest import draw, draw_folder

FORMATS: list[Format] = ["openvino", "ncnn", "litert"]


def apes_and_bees(root: Path, each: int) -> Path:
    """Images of the checkpoint's classes, as far as their names go."""
    draw_folder(root, each, ("disc", "ring", "square"))
    for kind, name in (("disc", "ape"), ("ring", "bee"), ("square", "çat")):
        (root / kind).rename(root / name)
    return root


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_passes_its_check_until_it_is_touched(checkpoint: Path, tmp_path: Path, format: Format) -> None:
    exported = export_folder(checkpoint, format, tmp_path / "out")
    assert all(each.passed for each in exported.checks)
    assert all(each.passed for each in leannet.check(tmp_path / "out"))
    about = json.loads((tmp_path / "out" / ARTIFACT_HEADER).read_text())
    assert about["header"]["classes"] == ["ape", "bee", "çat"]
    assert "/home" not in json.dumps(about)
    file = tmp_path / "out" / ("model.tflite" if format == "litert" else "model.bin")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 64
    file.write_bytes(data)
    with pytest.raises(LeannetError, match="damaged or edited"):
        leannet.check(tmp_path / "out")


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_is_used_as_a_file_is(checkpoint: Path, tmp_path: Path, format: Format) -> None:
    """It predicts without torch what the checkpoint says, is scored, timed, counted and compared."""
    folder = export_folder(checkpoint, format, tmp_path / "out").path
    draw("disc", 5, 70).save(tmp_path / "image.png")
    done = predicted_without_torch(folder, tmp_path / "image.png")
    assert done.stderr == ""  # LiteRT would note what it runs on
    prediction = leannet.predict(checkpoint, [tmp_path / "image.png"])[0][0]
    answer = json.loads(done.stdout)
    assert answer["prediction"] == prediction.classes[0]
    assert answer["probability"] == pytest.approx(prediction.probabilities[0], abs=1e-5)
    assert {each.batch for each in leannet.check(folder)} == {1, 7}
    images = apes_and_bees(tmp_path / "shapes", each=3)
    scores = [leannet.evaluate(which, str(images), quiet=True).scores for which in (folder, checkpoint)]
    assert scores[0].accuracy == scores[1].accuracy
    timed = bench([str(folder)], seconds=0.05).timed
    assert [each.engine.split()[0] for each in timed] == [format]
    assert timed[0].size_bytes == open_artifact(folder).size_bytes
    assert resolve(str(folder)) == read_header(checkpoint).architecture
    compared = read_network(str(folder), "out", 1.0, None, None)
    assert (compared.kind, compared.size_bytes) == ("artifact", sum(each.stat().st_size for each in folder.iterdir()))
    with pytest.raises(LeannetError, match="browsers run ONNX files"):
        make_site(folder, tmp_path / "site", quiet=True)


def test_integers_for_phones(checkpoint: Path, tmp_path: Path) -> None:
    images = apes_and_bees(tmp_path / "shapes", each=8)
    quantized = leannet.quantize(checkpoint, str(images), None, "litert", max_drop=100, quiet=True)
    assert quantized.path == checkpoint.with_name("net_litert_int8")
    assert quantized.size_bytes_after < quantized.size_bytes_before
    assert all(each.passed for each in quantized.checks)
    artifact = open_artifact(quantized.path)
    assert (artifact.engines, artifact.precision) == (("litert",), "int8")
    assert leannet.predict(quantized.path, [draw("disc", 5)])[0]
    with pytest.raises(LeannetError, match="new or empty folder"):
        leannet.quantize(checkpoint, str(images), None, "litert", max_drop=100, quiet=True)
    with pytest.raises(LeannetError, match="litert resizes without antialiasing: expected --input uint8-sized"):
        leannet.quantize(checkpoint, str(images), tmp_path / "y", "litert", quiet=True, input="uint8")


def test_what_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = export_folder(checkpoint, "ncnn").path
    assert folder == checkpoint.with_name("net_ncnn")
    with pytest.raises(LeannetError, match="new or empty folder"):
        export_folder(checkpoint, "ncnn")
    header = json.loads((folder / ARTIFACT_HEADER).read_text())
    for change, message in (
        ({"format_version": 99}, "upgrade"),
        ({"format": "other"}, "upgrade"),
        ({"golden": 3}, "its digest does not match"),
        ({"files": {}}, "its digest does not match"),
        ({"header": header["header"] | {"classes": ["a", "b", "c"]}}, "its digest does not match"),
        ({"digest": None}, "its digest does not match"),
    ):
        (folder / ARTIFACT_HEADER).write_text(json.dumps(header | change))
        with pytest.raises(LeannetError, match=message):
            leannet.check(folder)
    for text in ("[]", "[" * 100_000, "\udcff", json.dumps({"format_version": 1, "format": [], "digest": ""})):
        (folder / ARTIFACT_HEADER).write_text(text, errors="surrogateescape")
        for ask in (leannet.check, lambda path: leannet.predict(path, [draw("disc", 1)])):
            with pytest.raises(LeannetError, match=r"damaged|newer"):
                ask(folder)
        with pytest.raises(LeannetError):
            resolve(str(folder))
    (folder / ARTIFACT_HEADER).unlink()
    with pytest.raises(LeannetError, match="found no"):
        leannet.check(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": None}, "damaged"),
        ({"files": {}}, "missing, damaged or edited"),
        ({"golden": {}}, "damaged"),
        ({"golden": [{"png": ""}]}, "golden images cannot be read"),
        ({"header": None}, "no JSON object"),
        ({"header": []}, "no JSON object"),
        ({"header.classes": ["ape"]}, "do not belong together"),
        ({"header.shipping": {"tolerance": "x"}}, "header: field 'shipping.tolerance'"),
        ({"header.shipping": {"weight_bits": "x"}}, "header: field 'shipping.weight_bits'"),
    ],
)
def test_what_was_put_together_by_hand_is_one_line(
    checkpoint: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """With a digest that is right: whoever can write the folder can make one."""
    folder = export_folder(checkpoint, "ncnn", tmp_path / "out").path
    header = json.loads((folder / ARTIFACT_HEADER).read_text())
    del header["digest"]
    for key, value in change.items():
        place, _, field = key.rpartition(".")
        (header[place] if place else header)[field] = value
    header["digest"] = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
    (folder / ARTIFACT_HEADER).write_text(json.dumps(header))
    for ask in (leannet.check, lambda path: leannet.predict(path, [draw("disc", 1)])):
        with pytest.raises(LeannetError, match=message) as caught:
            ask(folder)
        assert "\n" not in str(caught.value)


def test_nothing_stays_where_the_files_are_wrong(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leannet.artifact.exporting.TOLERANCE", {"float32": 0.0})
    with pytest.raises(LeannetError, match="nothing was written"):
        export_folder(checkpoint, "openvino", tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_litert_is_silent_and_leaves_standard_error_as_it_is(checkpoint: Path, tmp_path: Path) -> None:
    """Its notes are kept back while it loads, by many threads at once, and where there is no standard error."""
    folder = export_folder(checkpoint, "litert", tmp_path / "out").path
    draw("disc", 5).save(tmp_path / "image.png")
    lines = (
        "import sys, threading",
        "from leannet.artifact import open_artifact",
        "from PIL import Image",
        "sys.setswitchinterval(1e-6)",
        "def load():",
        f"    open_artifact({str(folder)!r}).outputs([Image.open({str(tmp_path / 'image.png')!r})])",
        "many = [threading.Thread(target=load) for _ in range(4)]",
        "[each.start() for each in many], [each.join() for each in many]",
        "print('here', file=sys.stderr)",
    )
    words = [sys.executable, "-c", "\n".join(lines)]
    for _ in range(3):
        assert subprocess.run(words, capture_output=True, text=True, check=True).stderr == "here\n"
    words = [sys.executable, "-m", "leannet", "predict", str(folder), str(tmp_path / "image.png")]
    closed = subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *words], stdout=subprocess.PIPE, text=True, check=True)
    assert "%" in closed.stdout


def test_an_onnx_file_is_not_ncnn_s(checkpoint: Path) -> None:
    exported = leannet.export(checkpoint)
    for name in ("ncnn", "litert"):
        with pytest.raises(LeannetError, match=r"found model\.onnx alone"):
            ENGINES[name].prepare(leannet.artifact.open_artifact(exported.path).program, 1)
