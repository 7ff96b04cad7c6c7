"""The network and the size of its images, where the settings leave them open."""

from pathlib import Path
from typing import Any

import pytest
import torch

from leannet.console import Console
from leannet.training import choosing, pace, train
from leannet.training.choosing import default_network
from leannet.training.pace import images_per_second
from leannet.training.run import make_settings
from leannet.training.settings import Settings, read_toml
from leannet.zoo import architecture


@pytest.mark.parametrize(
    ("size", "network"),
    [
        ((8, 8), ("cifar_mobilenet_v3_small", 16)),
        ((32, 32), ("cifar_mobilenet_v2", None)),
        ((64, 90), ("mobilenet_v3_small", 96)),
        ((160, 160), ("mobilenet_v3_small", 160)),
        ((500, 375), ("mobilenet_v3_small", 224)),
        ((4000, 120), ("mobilenet_v3_small", 128)),
    ],
)
def test_small_images_are_not_enlarged(size: tuple[int, int], network: tuple[str, int | None]) -> None:
    assert default_network(Settings.make({"data": "x"}), size, 1000, Console(quiet=True)) == network


@pytest.mark.parametrize(("rate", "resolution"), [(1000, 224), (300, 160), (220, 128), (10, 96)])
def test_images_shrink_until_enough_epochs_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rate: float, resolution: int
) -> None:
    """rate: images a second at 96 px; 10 minutes for 3,000 images. 20 epochs are 100 images a second."""
    monkeypatch.setattr(choosing, "images_per_second", lambda rows, settings: rate)
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    settings = Settings.make({"data": "x", "time": "10m"})
    assert default_network(settings, (500, 375), 3000, Console()) == ("mobilenet_v3_small", resolution)
    assert (resolution < 224) == ("epochs fit into the time" in capsys.readouterr().err)
    asked = Settings.make({"data": "x", "time": "10m", "resolution": 192})
    assert default_network(asked, (500, 375), 3000, Console(quiet=True)) == ("mobilenet_v3_small", 224)


def test_measuring_the_pace_draws_nothing() -> None:
    """The weights of the network that is then trained are those of its seed."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert images_per_second(architecture("mobilenet_v2_debug"), Settings.make({"data": "x", "batch_size": 8})) > 0
    assert torch.equal(torch.rand(3), expected)


def test_digits_are_trained_as_in_the_demo() -> None:
    chosen = make_settings("digits", {})
    assert (chosen.recipe, chosen.model, chosen.resolution) == ("digits", "cifar_mobilenet_v3_small", 16)
    assert not chosen.augment.flip
    assert make_settings("digits", {"epochs": 3}).epochs == 3
    assert make_settings("digits", {"model": "mobilenet_v3_debug"}).recipe is None
    assert make_settings("photos", {}).recipe is None


def test_what_a_time_limit_chooses_is_written_down(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fresh weights begin with small images and residual branches at nought; other weights go on as they were."""
    monkeypatch.setattr(choosing, "images_per_second", lambda rows, settings: 300.0)
    always: dict[str, Any] = {"batch_size": 4, "workers": 0, "quiet": True, "cpu": True}

    def chosen(name: str, **settings: Any) -> tuple[Any, ...]:
        run = train(str(shapes), out=tmp_path / name, **always | settings).path
        config = read_toml(run / "config.toml")
        return tuple(config.get(key) for key in ("steps_per_epoch", "progressive_resizing", "zero_init_residual"))

    # 2 steps: a thirtieth of a second of 300 images a second, four a step.
    assert chosen("fresh", time="1s", model="mobilenet_v2_debug") == (2, 0.5, True)
    assert chosen("weights", time="1s", weights=str(tmp_path / "fresh")) == (2, 1.0, False)
    assert chosen("epochs", epochs=1, model="mobilenet_v2_debug") == (None, 1.0, False)
    asked = {"progressive_resizing": 1.0, "zero_init_residual": False, "steps_per_epoch": 3}
    assert chosen("asked", time="1s", model="mobilenet_v2_debug", **asked) == (3, 1.0, False)


@pytest.mark.parametrize(
    ("settings", "has", "gain", "precision"),
    [
        ({"time": "5m"}, True, 1.6, "bf16"),
        ({"time": "5m"}, True, 1.05, "no"),
        ({"time": "5m"}, False, 1.6, "no"),
        ({"time": "5m", "precision": "no"}, True, 1.6, "no"),
        ({"time": "5m", "recipe": "cifar"}, True, 1.6, "no"),
        ({"time": "5m", "compile": True}, True, 1.6, "no"),
        ({"epochs": 5}, True, 1.6, "no"),
        ({"epochs": 5, "precision": "bf16"}, False, 0.5, "bf16"),
    ],
)
def test_bfloat16_where_it_is_faster_and_time_is_limited(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, Any],
    has: bool,
    gain: float,
    precision: str,
) -> None:
    class Fake:
        def __init__(self, rows: object, settings: Settings, images: int):
            self.seconds = 1.0 if settings.precision == "no" else 1 / gain

        def step(self) -> float:
            return self.seconds

    monkeypatch.setattr(pace, "Steps", Fake)
    monkeypatch.setattr(pace, "has_bfloat16", lambda: has)
    asked = make_settings("photos", settings | {"cpu": True})
    boxes = pace.with_precision(architecture("onenet_shufflenet_v2"), asked, Console(quiet=True))
    assert boxes.precision == settings.get("precision", "no")
    chosen = pace.with_precision(architecture("mobilenet_v2_debug"), asked, Console())
    assert chosen.precision == precision
    said = "mixed precision, bfloat16: 1.6 times as fast here" in capsys.readouterr().err
    assert said == (precision == "bf16" and "precision" not in settings)


def test_paths_hold_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pth").touch()
    assert choosing.absolute_path("net.pth") == str(tmp_path / "net.pth")
    assert choosing.absolute_path("timm:fbnetc_100:net.pth") == f"timm:fbnetc_100:{tmp_path / 'net.pth'}"
    assert choosing.absolute_path("hub:timm/fbnetc_100.rmsp_in1k") == "hub:timm/fbnetc_100.rmsp_in1k"
