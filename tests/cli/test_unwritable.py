"""What cannot be written is found before the work: in every verb that writes, by one line."""

import sys
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from leannet.artifact import export
from leannet.cli.app import main
from leannet.files import LeannetError, check_writable
from leannet.training import train
from tests.conftest import draw, draw_folder

# A folder that is there and takes no file, not even root's, whom modes do not hold.
CLOSED = "/proc"
CALLS = [
    "draw mobilenet_v2 --out CLOSED/x.svg",
    "draw mobilenet_v2 --out CLOSED/x.csv",
    "compare mobilenet_v2 mobilenet_v1 --out CLOSED/x.html",
    "compare mobilenet_v2 mobilenet_v1 --figures CLOSED/x",
    "guidelines --out CLOSED/x.svg",
    "count mobilenet_v2 --figure CLOSED/x.svg",
    "advise RUN --figure CLOSED/x.svg",
    "find-lr DATA --out CLOSED/x.svg",
    "train DATA --out CLOSED/x",
    "train DATA --folds 2 --out CLOSED/x",
    "report RUN --out CLOSED/x.html",
    "report RUN --figures CLOSED/x",
    "activations RUN IMAGE --out CLOSED/x.png",
    "activations RUN IMAGE --csv CLOSED/x.csv",
    "attention RUN IMAGE --out CLOSED/x.png",
    "attention RUN IMAGE --csv CLOSED/x.csv",
    "filters RUN --out CLOSED/x.png",
    "embed RUN --out CLOSED/x.html",
    "embed RUN --csv CLOSED/x.csv",
    "embed RUN --suspects CLOSED/x.csv",
    "export RUN --out CLOSED/x.onnx",
    "export RUN --format ncnn --out CLOSED/x",
    "export RUN --fastest --out CLOSED/x",
    "quantize RUN --out CLOSED/x.onnx",
    "quantize RUN --engine litert --out CLOSED/x",
    "web ARTIFACT --out CLOSED/x",
    "prune RUN --out CLOSED/x",
    "prune RUN --plan-only CLOSED/x.json",
    "sparsify RUN --out CLOSED/x",
    "sensitivity RUN --out CLOSED/x.json",
    "distill RUN --teacher RUN --out CLOSED/x",
    "reparameterize mobileone_debug --out CLOSED/x.json",
    "rewrite resnet_debug --rule separable --out CLOSED/x.json",
]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("unwritable")
    draw_folder(root / "data", each=6)
    draw("disc", 1).save(root / "image.png")
    settings: dict[str, Any] = {"model": "two_layer_debug", "epochs": 1, "quiet": True, "workers": 0, "batch_size": 4}
    run = train(str(root / "data"), out=root / "run", **settings).path
    artifact = export(run).path
    return {"DATA": str(root / "data"), "IMAGE": str(root / "image.png"), "RUN": str(run), "ARTIFACT": str(artifact)}


@pytest.mark.skipif(not Path(CLOSED).is_dir(), reason="no /proc here")
@pytest.mark.parametrize("call", CALLS)
def test_it_is_found_before_the_work(
    call: str,
    words: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def work(*_: Any, **__: Any) -> None:
        raise AssertionError("this was work")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.nn.Module, "__call__", work)
    monkeypatch.setattr(PIL.Image, "open", work)
    monkeypatch.setattr("leannet.runtime.latency.measure", work)
    asked = [words.get(word, word.replace("CLOSED", CLOSED)) for word in call.split()]
    monkeypatch.setattr(sys, "argv", ["leannet", *asked])
    with pytest.raises(SystemExit) as end:
        main()
    errors = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2, errors
    assert len(errors) == 1
    assert f"{CLOSED}/x" in errors[0]
    assert "cannot be written to" in errors[0]
    assert list(tmp_path.iterdir()) == []


def test_where_a_file_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file/x", "file/x/y"):
        with pytest.raises(LeannetError, match=r"expected a folder to write into, found that .*file is a file"):
            check_writable(tmp_path / name)
    for name in ("x", "new/deep/x", "file"):
        check_writable(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
