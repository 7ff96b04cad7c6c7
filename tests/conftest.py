"""What tests share: images that they draw themselves, and the real ones where they lie beside the project."""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # tests load ONNX Runtime themselves
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: tiny networks only lose by more

import signal

# A test run in the background of a shell has Ctrl-C ignored, and so would all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image, ImageDraw

from leannet.console import Console
from leannet.network import Network
from leannet.rows import Architecture, TopBoxes
from leannet.rows.finding import VALUES
from leannet.runtime.finding import found_parts

settings.register_profile("leannet", deadline=None)  # nothing here is a matter of time
settings.load_profile("leannet")

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium")
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
BESIDE = Path(os.environ.get("LEANNET_SHARED", ROOT.parent / "shared"))


def answering(rows: Architecture) -> Architecture:
    """A network as it is; of a detector the rows up to its first map of classes, whose values have no order to lose."""
    name = rows.output_names[0]
    if not isinstance(rows.row(name), TopBoxes):
        return rows
    (first, *_) = rows.reads()[name]
    return rows.only(first).then(outputs=(first,))


def as_engines_give(outputs: Sequence[Any]) -> list[Any]:
    """What torch gives, as engines do: of (N, 6, most, 1) boxes, scores and classes."""
    finds = len(outputs[0].shape) == 4 and outputs[0].shape[1] == VALUES and outputs[0].shape[3] == 1
    return found_parts(np.asarray(outputs[0])) if finds else list(outputs)


# Of the networks in full size, some that differ most; the others are in make test-all.
WHOLE = {
    "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v4_conv_small", "squeezenet_1_1", "shufflenet_v1",
    "shufflenet_v2", "efficientnet_lite0", "mobileone_s0", "googlenet_aux", "resnet18", "cifar_resnet38",
}  # fmt: skip


def in_full(names: Iterable[str], *more: Sequence[object]) -> list[Any]:
    """Networks for `parametrize`, and with them what else there is: in the suite the debug forms with everything, those
    in WHOLE with the first of it, and the rest with `make test-all`."""
    params = []
    for name in names:
        for number, values in enumerate(product(*more)):
            quick = name.endswith("_debug") or (name in WHOLE and number == 0)
            params.append(pytest.param(name, *values, marks=() if quick else pytest.mark.everything))
    return params


def crossed(names: Sequence[str], ways: Sequence[object], few: Collection[str]) -> list[Any]:
    """Networks and ways for `parametrize`: in the suite each network in the first way, and `few` in all; with `make
    test-all` each in all."""
    return [
        pytest.param(name, way, marks=() if name in few or way == ways[0] else pytest.mark.everything)
        for name, way in product(names, ways)
    ]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed is timed for a moment only, cold and whatever else runs: nothing depends on how long it takes."""
    monkeypatch.setattr("leannet.shrink.timing.SECONDS", 0.01)
    monkeypatch.setattr("leannet.runtime.latency.WARM_SECONDS", 1e-9)
    monkeypatch.setattr("leannet.runtime.latency.WARM_SECONDS_OF_SEVERAL", 1e-9)
    monkeypatch.setattr("leannet.runtime.latency.wait_until_quiet", lambda: None)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Engines that were timed leave torch with more threads, and those sum in another order."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference() -> Path:
    """Parity data: deterministic weights and the logits of other implementations."""
    if not (BESIDE / "reference" / "parity.json").exists():
        pytest.skip("no parity data beside the project")
    return BESIDE / "reference"


@pytest.fixture(scope="session")
def photographs() -> Path:
    """397 real photographs of ants and bees, and one GIF."""
    if not (BESIDE / "data" / "ants_bees").exists():
        pytest.skip("no photographs beside the project")
    return BESIDE / "data" / "ants_bees"


@pytest.fixture(scope="session")
def cifar10() -> Path:
    """CIFAR-10 as Parquet."""
    if not (BESIDE / "data" / "cifar10").exists():
        pytest.skip("no CIFAR-10 beside the project")
    return BESIDE / "data" / "cifar10"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window. Of one file's tests only: while it is open, no other event loop can run."""
    if CHROMIUM is None:
        pytest.skip("no chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


def keep(page: Any, folder: Path, name: str) -> None:
    """An image of the whole page, for a person to look at."""
    screenshots_folder = os.environ.get("LEANNET_SCREENSHOTS")
    for place in (folder, *([Path(screenshots_folder)] if screenshots_folder else [])):
        place.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=place / f"{name}.png", full_page=True)


def draw(kind: str, seed: int, size: int = 40) -> Image.Image:
    """An image of a disc or a square, of random color, place and size, on noise."""
    random = np.random.default_rng((seed, len(kind)))
    image = Image.fromarray(random.integers(0, 80, (size, size, 3), dtype=np.uint8))
    radius, x, y = random.integers(size // 6, size // 3), *random.integers(size // 3, size - size // 3, 2)
    color = tuple(int(c) for c in random.integers(120, 255, 3))
    box = (int(x - radius), int(y - radius), int(x + radius), int(y + radius))
    pen = ImageDraw.Draw(image)
    (pen.ellipse if kind == "disc" else pen.rectangle)(box, fill=color)
    return image


def draw_folder(root: Path, each: int = 12, kinds: tuple[str, ...] = ("disc", "square"), first: int = 0) -> Path:
    """Class folders of drawn images: those of one number and kind are equal."""
    for kind in kinds:
        (root / kind).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + each):
            draw(kind, number).save(root / kind / f"{number}.png")
    return root


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """A folder of two classes, twelve images each."""
    return draw_folder(tmp_path / "shapes")


def lively(network: Network, seed: int = 0) -> Network:
    """A network whose batch norm does something."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def stop_at_step(patch: pytest.MonkeyPatch, step: int) -> list[int]:
    """Has a training get Ctrl-C once it has done so many steps; returns the steps that it says, as they come."""
    advance, steps = Console.advance, []

    def stop(self: Console, done: int, label: str, note: str = "", total: int | None = None) -> None:
        advance(self, done, label, note, total)
        if label.startswith("epoch"):
            steps.append(done)
            if len(steps) == step:
                os.kill(os.getpid(), signal.SIGINT)

    patch.setattr(Console, "advance", stop)
    return steps
