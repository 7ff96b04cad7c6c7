"""Networks side by side: what is timed, and what stands beside the time."""

from pathlib import Path

import pytest

import leannet
from leannet.artifact import export
from leannet.benchmark import bench
from leannet.checkpoint import save
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.zoo import architecture
from tests.conftest import lively

DEBUG = "mobilenet_v3_debug"


@pytest.fixture
def artifacts(tmp_path: Path) -> list[str]:
    network = lively(leannet.create(DEBUG, classes=3))
    preprocessing = Preprocessing(height=32, width=32)
    header = Header(architecture=network.architecture, classes=("a", "b", "c"), preprocessing=preprocessing)
    save(tmp_path / "net.safetensors", network, header)
    file = tmp_path / "net.safetensors"
    kinds = ("float32", "uint8", "uint8-sized")
    exports = [export(file, tmp_path / f"{kind}.onnx", input=kind) for kind in kinds]  # type: ignore[arg-type]
    return [str(file), *(str(each.path) for each in exports)]


def test_everything_that_a_word_can_mean(artifacts: list[str], tmp_path: Path) -> None:
    table = tmp_path / "rows.json"
    table.write_text(architecture(DEBUG).to_json())
    words = [DEBUG, str(table), *artifacts]
    benchmark = bench(words, precisions=["float32", "int8"], threads=[1], seconds=0.1, memory=False)
    lines = {(each.what, each.engine.split()[0], each.precision, each.threads) for each in benchmark.timed}
    assert len(lines) == len(benchmark.timed)
    for word in words[:3]:
        assert {line[1:3] for line in lines if line[0] == word} == {
            ("torch", "float32"), ("onnxruntime", "float32"), ("openvino", "float32"),
            ("ncnn", "float32"), ("litert", "float32"), ("onnxruntime", "int8"), ("openvino", "int8"),
            ("litert", "int8"),
        }  # fmt: skip
    for word in words[3:]:  # artifacts are what they are
        assert {line[1:3] for line in lines if line[0] == word} == {("onnxruntime", "float32"), ("openvino", "float32")}
    for each in benchmark.timed:
        assert each.latency.median_ms <= each.latency.p90_ms
        assert each.gflops == pytest.approx(2 * each.macs / each.latency.median_ms / 1e6)
        assert each.matrix_gflops > 1
    assert benchmark.to_dict()["machine"]["cores"] >= 1


def test_memory_and_what_cannot_be_timed(artifacts: list[str]) -> None:
    benchmark = bench([DEBUG], ["onnxruntime", "openvino", "ncnn", "litert", "torch"], seconds=0.05)
    assert [each.peak_memory_bytes is None for each in benchmark.timed] == [False] * 4 + [True]
    files = bench(artifacts[1:], ["onnxruntime"], seconds=0.05).timed
    assert all((each.peak_memory_bytes or 0) > 0 for each in files)
    with pytest.raises(LeannetError, match="cannot run in torch"):
        bench([artifacts[1]], ["torch"])
    with pytest.raises(LeannetError, match="int8 needs one of onnxruntime, openvino, litert"):
        bench([DEBUG], ["torch"], ["int8"])
    with pytest.raises(LeannetError, match="nearest: openvino"):
        bench([DEBUG], ["openvin"])
    with pytest.raises(LeannetError, match="nearest"):
        bench(["mobilnet_v2"], ["torch"])
