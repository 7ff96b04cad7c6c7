"""The best of what there is, by the clock and by the images."""

from pathlib import Path

import pytest

import leannet
from leannet.artifact import open_artifact
from leannet.errors import LeannetError
from leannet.quantization.fastest import export_fastest
from leannet.runtime import ENGINES, Latency
from tests.conftest import draw
from tests.quantization.test_quantizing import run as run  # the fixture


def _clock(winner: int):  # type: ignore[no-untyped-def]
    """Times by which one candidate wins, in place of measured ones."""

    def measure(candidates, seconds, threads):  # type: ignore[no-untyped-def]
        for each in candidates.values():
            each()
        return {name: Latency(*[1.0 if name == winner else 2.0] * 4, runs=5) for name in candidates}

    return measure


@pytest.fixture
def no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor without it."""
    monkeypatch.setitem(vars(ENGINES["openvino"]), "has_bfloat16", False)


@pytest.mark.usefixtures("no_bfloat16")
@pytest.mark.parametrize(
    ("winner", "engine", "precision"), [(1, "openvino", "float32"), (2, "onnxruntime", "int8"), (3, "openvino", "int8")]
)
def test_the_fastest_is_kept(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, winner: int, engine: str, precision: str
) -> None:
    monkeypatch.setattr("leannet.quantization.fastest.measure", _clock(winner))
    fastest = export_fastest(run, out=tmp_path / "x.onnx", max_drop=100, quiet=True)
    assert (fastest.best.engine, fastest.best.precision) == (engine, precision)
    assert [each.precision for each in fastest.choices] == ["float32"] * 2 + ["int8"] * 2
    artifact = open_artifact(tmp_path / "x.onnx")
    assert artifact.precision == precision
    assert artifact.engines[0] == engine
    assert len((artifact.shipping.chosen_from or {})["choices"]) == 4
    assert all(each.passed for each in leannet.check(tmp_path / "x.onnx"))
    assert leannet.predict(tmp_path / "x.onnx", [draw("disc", 5)])[0]


@pytest.mark.skipif(not ENGINES["openvino"].has_bfloat16, reason="this processor has no bfloat16")
def test_bfloat16_takes_part_where_it_costs_no_more_than_allowed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leannet.quantization.fastest.measure", _clock(3))
    fastest = export_fastest(run, out=tmp_path / "x.onnx", max_drop=100, quiet=True)
    assert [each.precision for each in fastest.choices] == ["float32", "float32", "int8", "bfloat16", "int8"]
    assert (fastest.best.engine, fastest.best.precision) == ("openvino", "bfloat16")
    assert fastest.best.agreement is not None
    assert fastest.best.agreement > 0.9
    artifact = open_artifact(fastest.path)
    assert (artifact.precision, artifact.program.compute, artifact.engines) == (
        "bfloat16", "bfloat16", ("openvino", "onnxruntime"),
    )  # fmt: skip
    assert all(each.passed for each in leannet.check(fastest.path))
    refused = export_fastest(run, out=tmp_path / "y.onnx", max_drop=-200, seconds=0.1, quiet=True)
    assert [each.latency is None for each in refused.choices] == [False, False, True, True, True]


@pytest.mark.usefixtures("no_bfloat16")
def test_what_loses_too_much_does_not_take_part(run: Path, tmp_path: Path) -> None:
    fastest = export_fastest(run, out=tmp_path / "x.onnx", max_drop=-200, seconds=0.1, quiet=True)
    assert fastest.best.precision == "float32"
    assert [each.latency is None for each in fastest.choices] == [False, False, True, True]
    assert list(tmp_path.iterdir()) == [tmp_path / "x.onnx"]


@pytest.mark.usefixtures("no_bfloat16")
@pytest.mark.parametrize(
    ("winner", "engine", "precision"),
    [(1, "openvino", "float32"), (2, "litert", "float32"), (3, "ncnn", "float32"), (6, "litert", "int8")],
)
def test_engines_with_files_of_their_own_take_part(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, winner: int, engine: str, precision: str
) -> None:
    monkeypatch.setattr("leannet.quantization.fastest.measure", _clock(winner))
    fastest = export_fastest(run, out=tmp_path / "x", max_drop=100, quiet=True)
    assert [each.engine for each in fastest.choices] == [
        "onnxruntime", "openvino", "litert", "ncnn", "onnxruntime", "openvino", "litert",
    ]  # fmt: skip
    assert (fastest.best.engine, fastest.best.precision) == (engine, precision)
    assert fastest.path == tmp_path / ("x.onnx" if engine == "openvino" else "x")
    assert list(tmp_path.iterdir()) == [fastest.path]
    artifact = open_artifact(fastest.path)
    assert (artifact.engines[0], artifact.precision) == (engine, precision)
    assert len((artifact.shipping.chosen_from or {})["choices"]) == 7
    assert all(each.passed for each in leannet.check(fastest.path))


def test_it_can_be_asked_for_again_and_without_a_name(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that it made before is replaced, as a file is; another folder is not."""
    monkeypatch.setattr("leannet.quantization.fastest.measure", _clock(1))
    words = {"engines": ["onnxruntime", "litert"], "max_drop": 100, "quiet": True}
    first = export_fastest(run, **words)
    assert first.path == run / "model_fastest"
    assert export_fastest(run, **words).path == first.path
    assert {each.name for each in first.path.iterdir()} == {"model.tflite", "leannet.json"}
    (first.path / "leannet.json").unlink()
    with pytest.raises(LeannetError, match="new or empty folder"):
        export_fastest(run, **words)


def test_an_engine_that_cannot_run_the_network_takes_no_part(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*words: object) -> None:
        raise LeannetError("no operation for that")

    monkeypatch.setattr("leannet.quantization.fastest.build_folder", fails)
    fastest = export_fastest(run, out=tmp_path / "x", seconds=0.1, max_drop=100, quiet=True)
    assert {each.engine for each in fastest.choices} == {"onnxruntime", "openvino"}
    with pytest.raises(LeannetError, match="no operation for that"):
        export_fastest(run, out=tmp_path / "y", engines=["litert"], quiet=True)


def test_engines_that_it_is_not_for(run: Path, tmp_path: Path) -> None:
    for engines, out, message in (
        (["torch"], "x", "expected one of onnxruntime, openvino, litert, ncnn"),
        (["litert"], "x.onnx", "expected one of onnxruntime, openvino, found litert"),
        (["openvin"], "x", "nearest: openvino"),
    ):
        with pytest.raises(LeannetError, match=message):
            export_fastest(run, out=tmp_path / out, engines=engines, quiet=True)
