"""Files that resize say who does not, and `check` finds out; those that only normalize are right in every engine."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest
from PIL import Image

import leannet
from leannet.artifact import check, export, open_artifact
from leannet.artifact.checking import without_antialiasing
from leannet.artifact.readers import WITHOUT_ANTIALIAS, wrong_in
from leannet.data.images import prepare
from leannet.runtime import ENGINES, Program
from leannet.sections import FloatInput
from leannet.zoo import architecture
from tests.artifact.test_artifact import checkpoint as checkpoint  # the fixture
from tests.conftest import ROOT, draw

CELLS = [json.loads(line) for line in (ROOT / "docs/benchmarks/readers.jsonl").read_text().splitlines()]


def test_what_was_seen_to_be_wrong_is_said_in_the_files() -> None:
    """Of files of floats nothing is wrong but what resizes; every other wrong cell is named by its file's own notes."""
    wrong = [cell for cell in CELLS if "wrong" in (cell["verdict"], cell["batch"])]
    assert wrong
    for cell in wrong:
        kind = cell["kind"]
        engine = kind.removeprefix("int8 for ") if kind.startswith("int8") else ""
        named = wrong_in("float32" if engine else kind, engine, architecture(cell["family"]))
        assert cell["reader"] in named, cell
    assert not [cell for cell in wrong if cell["kind"] in ("float32", "uint8-sized")]
    assert {cell["family"] for cell in CELLS if cell["verdict"] == "right" and cell["version"] == "1.17.3"} == {
        cell["family"] for cell in CELLS
    }


def said(*words: str, status: int = 0) -> str:
    """What a command prints, each text on one line again. It must end with this exit status."""
    command = [sys.executable, "-m", "leannet", *words]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == status, finished.stderr
    return re.sub(r"\n +(?=\w)", " ", finished.stdout)


@pytest.mark.parametrize("kind", get_args(FloatInput))
def test_a_file_says_what_it_takes_and_who_reads_it_wrong(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    artifact = open_artifact(export(checkpoint, tmp_path / "x.onnx", input=kind).path)
    words = onnx.load(tmp_path / "x.onnx").doc_string
    named = [name for name in WITHOUT_ANTIALIAS if name in words]
    assert sorted(artifact.wrong_in) == sorted(named)
    assert bool(named) == (kind == "uint8")
    assert ("of the network's size" in words) == (kind == "uint8-sized")


def test_check_replays_what_the_graph_resizes(checkpoint: Path, tmp_path: Path) -> None:
    """What the file says is no failure, unless that engine is asked for; what an older file does not say is one."""
    file = export(checkpoint, tmp_path / "x.onnx", input="uint8").path
    lines = said("check", str(file)).splitlines()
    (line,) = [line for line in lines if not line.startswith("ok")]
    assert line.startswith("known  openvino")
    assert "resizes without antialiasing, as the file says: resize before, or export with --input uint8-sized" in line
    assert sum("resized by the graph" in line for line in lines) == 2
    report = json.loads(said("check", str(file), "--engine", "openvino", "--json", status=2))
    assert [each["passed"] for each in report["checks"]] == [True, True, False]
    artifact = open_artifact(file)
    shipping = artifact.shipping.model_copy(update={"wrong_in": {}})
    replace(artifact, header=artifact.header.model_copy(update={"shipping": shipping})).save(file)
    assert "DIFFERS  openvino" in said("check", str(file), status=2)


def test_any_other_resize_is_found(checkpoint: Path, tmp_path: Path) -> None:
    """In the engine that is right: a graph that leaves out the antialiasing, the border, or takes the nearest."""
    artifact = open_artifact(export(checkpoint, tmp_path / "x.onnx", input="uint8").path)
    for change in ({"antialias": 0}, {"coordinate_transformation_mode": b"align_corners"}, {"mode": b"nearest"}):
        model = onnx.load_from_string(artifact.graph)  # type: ignore[attr-defined]
        (resize,) = (node for node in model.graph.node if node.op_type == "Resize")
        for key, value in ({"antialias": 0, "exclude_outside": 0} | change).items():
            (field,) = (each for each in resize.attribute if each.name == key)
            field.CopyFrom(onnx.helper.make_attribute(key, value))
        other = replace(artifact, graph=model.SerializeToString())
        other.save(tmp_path / "other.onnx")
        checks = {each.resized: each for each in check(tmp_path / "other.onnx", ["onnxruntime"])}
        assert checks[False].passed  # images of the network's size stay what they are
        assert not checks[True].passed, change


def test_the_yardstick_is_what_onnx_calls_a_resize_without_antialiasing() -> None:
    draw_ = np.random.default_rng(0)
    for height, width in ((97, 64), (31, 200), (40, 33)):
        image = draw_.integers(0, 256, (height, width, 3), np.uint8)
        node = onnx.helper.make_node("Resize", ["x", "", "", "size"], ["y"], mode="linear")
        inputs = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, height, width])]
        size = onnx.numpy_helper.from_array(np.array([1, 3, 32, 24], np.int64), "size")
        outputs = [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3, 32, 24])]
        graph = onnx.helper.make_graph([node], "x", inputs, outputs, [size])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
        run = ENGINES["onnxruntime"].prepare(Program.of_file(None, model.SerializeToString()), 1)
        resized = run(image.transpose(2, 0, 1)[None].astype(np.float32))[0][0].transpose(1, 2, 0)
        assert np.abs(without_antialiasing(image, 24, 32) - resized).max() <= 0.5 + 1e-3


def test_images_of_the_networks_size_are_right_in_every_engine(checkpoint: Path, tmp_path: Path) -> None:
    """The graph takes what Pillow has resized, and says what the checkpoint says; another size is refused by it."""
    file = export(checkpoint, tmp_path / "x.onnx", input="uint8-sized").path
    assert all(each.passed and not each.resized for each in check(file))
    artifact, image = open_artifact(file), draw("ring", 5, 70)
    by_torch = leannet.predict(checkpoint, [image])[0][0]
    by_artifact = leannet.predict(file, [image])[0][0]
    assert by_artifact.classes[0] == by_torch.classes[0]
    assert by_artifact.probabilities[0] == pytest.approx(by_torch.probabilities[0], abs=1e-5)
    array = prepare(image, artifact.header.preprocessing)[None]
    first, second = (artifact.run(name)(array)[0] for name in ("onnxruntime", "openvino"))
    np.testing.assert_allclose(first, second, atol=1e-4)
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

    with pytest.raises(InvalidArgument, match=r"index: 1 Got: 70 Expected: 32[\s\S]*index: 2 Got: 70 Expected: 32"):
        artifact.run("onnxruntime")(np.asarray(image)[None])
    assert Image.fromarray(array[0]).size == (32, 32)
