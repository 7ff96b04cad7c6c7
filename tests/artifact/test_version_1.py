"""Files of format version 1 open for good, and answer as they did: those in tests/data_v1, and trained networks."""

import json
from pathlib import Path

import pytest

import leannet
from leannet.artifact import check, open_artifact
from leannet.checkpoint import load
from leannet.header import DENSE_VERSION, read_header
from leannet.onnx_file import split_metadata
from tests.conftest import ROOT

FILES = ROOT / "tests" / "data_v1"
ARTIFACTS = ("float32.onnx", "uint8.onnx", "int8.onnx", "litert")
ANSWERS = json.loads((FILES / "answers.json").read_text())
TRAINED_NETWORKS = {"benchmarks/networks": 6, "experiments/bases": 4}  # how many each folder has


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_it_predicts_as_it_did(name: str) -> None:
    prediction = leannet.predict(FILES / name, [FILES / "image.png"])[0][0]
    probabilities = dict(zip(prediction.classes, prediction.probabilities, strict=True))
    assert probabilities == pytest.approx(ANSWERS[name], abs=0.02 if name == "int8.onnx" else 1e-4)
    assert max(ANSWERS[name].values()) > 0.7


@pytest.mark.parametrize("name", ARTIFACTS)
def test_it_passes_its_check(name: str) -> None:
    checks = check(FILES / name)
    assert all(each.passed or each.known for each in checks)
    assert [each.name for each in checks if not each.passed] == (["openvino"] if name == "uint8.onnx" else [])


def test_the_header_is_said_in_todays_words() -> None:
    """Every old name by its new one; what is shipped carries what it did."""
    header = read_header(FILES / "net.safetensors")
    assert header.to_dict()["format_version"] == DENSE_VERSION == 2
    assert header.split.sizes["validation"] == 12
    assert len(header.split.fingerprints["validation"]) == 12 * 4 * 4 // 3  # base64 of four bytes an image
    assert header.metrics.validation is not None
    assert header.metrics.validation.images == 12
    assert header.provenance.license == "CC0-1.0"
    assert [step.done for step in header.provenance.history] == ["trained"]
    shipping = open_artifact(FILES / "int8.onnx").shipping
    assert (shipping.precision, shipping.weight_bits, shipping.keep_float) == ("int8", 7, ("Conv1",))
    assert shipping.evaluated_on == 12
    assert open_artifact(FILES / "uint8.onnx").input == "uint8"


def test_written_again_they_are_of_version_2(tmp_path: Path) -> None:
    for name in ARTIFACTS:
        artifact = open_artifact(FILES / name)
        artifact.save(tmp_path / name)
        again = open_artifact(tmp_path / name)
        assert again.header == artifact.header
        if name.endswith(".onnx"):
            graph, pairs = split_metadata((tmp_path / name).read_bytes(), name)
            assert json.loads(pairs["leannet"])["format_version"] == DENSE_VERSION
            assert graph == artifact.graph  # type: ignore[attr-defined]  # of an ONNX artifact
        assert all(each.passed or each.known for each in check(tmp_path / name))


@pytest.mark.parametrize("folder", TRAINED_NETWORKS)
def test_the_networks_of_benchmarks_and_experiments_open(folder: str) -> None:
    """Some are of version 1, with a digest that is verified."""
    files = sorted((ROOT / folder).glob("*.safetensors"))
    assert len(files) == TRAINED_NETWORKS[folder]
    for file in files:
        network, header = load(file)
        assert network.architecture == header.architecture
        assert header.provenance.history
