"""Settings that are valid but probably a mistake."""

from pathlib import Path
from typing import Any

import pytest
import torch

import leannet
from leannet.checkpoint import load
from leannet.console import Console
from leannet.errors import LeannetError
from leannet.training import Settings, resume, train
from leannet.training.plausible import check_input, check_memory, fitting_batch
from tests.conftest import draw_folder, stop_at_step

QUICK: dict[str, Any] = {"model": "two_layer_debug", "epochs": 2, "workers": 0, "quiet": True}


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_a_batch_of_images_that_are_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    explicit = Settings.make({"data": "x", "batch_size": 64})
    with pytest.raises(LeannetError, match=r"at most the 20 images .* --batch-size 20 or less"):
        fitting_batch(explicit, 20, Console())
    assert fitting_batch(explicit, 64, Console()) is explicit
    default = fitting_batch(Settings.make({"data": "x"}), 20, Console())
    assert default.batch_size == 20
    assert "a batch is all 20 training images, and the learning rate that of 20" in printed(capsys)
    assert default.optimizer.rate(default.batch_size) == pytest.approx(2e-3 * (20 / 32) ** 0.5)


@pytest.mark.parametrize(("resolution", "row"), [(32, "block_14"), (33, ""), (224, "")])
def test_maps_of_a_pixel(resolution: int, row: str, capsys: pytest.CaptureFixture[str]) -> None:
    """MobileNetV2 halves its map five times, the last time in block_13; three blocks with a window follow."""
    check_input(leannet.architecture("mobilenet_v2", resolution=resolution), Console())
    words = (
        f"at 32 x 32 px maps are 1 x 1 from row {row} on: 3 of 18 layers with a kernel above 1 x 1 get a single pixel"
    )
    text = printed(capsys)
    assert words in text if row else text == ""


def test_memory_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: the backward pass reads the input of each convolution and fully connected layer."""
    rows = leannet.architecture("two_layer_debug")
    layers = [node for node in rows.layers if node.row.kind in {"conv", "linear"}]
    assert len(layers) == 3
    needed = 4 * 32 * sum(node.in_shapes[0].elements for node in layers)
    settings = Settings.make({"data": "x"})
    for free, words in ((needed * 3, ""), (needed * 1.5, "a step of 32 images")):
        monkeypatch.setattr("leannet.training.plausible.available_memory", lambda free=free: free)
        check_memory(rows, settings, Console())
        text = printed(capsys)
        assert words in text if words else text == ""
    monkeypatch.setattr("leannet.training.plausible.available_memory", lambda: needed - 1)
    with pytest.raises(LeannetError, match="a smaller --resolution or --batch-size, or a larger --accumulate"):
        check_memory(rows, settings, Console())
    check_memory(rows, settings.model_copy(update={"accumulate": 4}), Console())


def test_a_resolution_that_no_machine_holds_is_refused_before_an_image_is_read(tmp_path: Path) -> None:
    draw_folder(tmp_path / "data", each=3)
    with pytest.raises(LeannetError, match=r"a step of 32 images at 40000 x 40000 px keeps at least .* GB"):
        train(tmp_path / "data", tmp_path / "run", model="mobilenet_v2", resolution=40_000, quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_run_whose_images_moved_goes_on_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same weights, bit for bit, and it knows the new place afterwards."""
    settings = QUICK | {"batch_size": 5, "model": "mobilenet_v3_debug"}
    draw_folder(tmp_path / "before", each=9)
    train(tmp_path / "before", tmp_path / "whole", **settings)
    with monkeypatch.context() as patched:
        stop_at_step(patched, 2)
        assert not train(tmp_path / "before", tmp_path / "run", **settings).finished
    (tmp_path / "before").rename(tmp_path / "after")
    with pytest.raises(LeannetError, match="no longer exists; if the images have moved: leannet train DATA --resume"):
        resume(tmp_path / "run", quiet=True)
    draw_folder(tmp_path / "others", each=8)
    with pytest.raises(LeannetError, match="the images have changed since this run began and differ from those of"):
        resume(tmp_path / "run", quiet=True, data=str(tmp_path / "others"))
    again = resume(tmp_path / "run", quiet=True, data=str(tmp_path / "after"))
    assert again.finished
    assert again.header.provenance.data == str(tmp_path / "after")
    assert str(tmp_path / "after") in (tmp_path / "run" / "config.toml").read_text()
    for name in ("model", "last"):
        one, other = (load(tmp_path / run / f"{name}.safetensors")[0].state_dict() for run in ("run", "whole"))
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    with pytest.raises(LeannetError, match=r"not there any more; .* leannet evaluate .* FOLDER"):
        leannet.evaluate(tmp_path / "whole", quiet=True)
    assert leannet.evaluate(tmp_path / "whole", str(tmp_path / "after"), quiet=True).scores.images
