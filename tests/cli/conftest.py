"""What tests over all verbs share: a run, its artifact, its images, and words for every verb."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import leannet
from leannet.cli import demo
from tests.conftest import draw_folder

KIND = "Käfer · 甲虫"  # a class whose name neither ASCII nor cp1252 has

# Each verb on a folder of `photos`, a run and its artifact in it. A new verb has no words here, and fails.
WORDS = {
    "models": "*debug*",
    "count": "run",
    "draw": "run",
    "compare": "run mobilenet_v2_debug",
    "guidelines": "--engine none --quiet",  # refused, as the least of it takes a minute
    "train": "photos --model two_layer_debug --epochs 1 --folds 2 --out OUT --quiet",
    "recipes": "",
    "exits": "leaving --out OUT.safetensors",
    "evaluate": "run",
    "predict": "run photos broken.png",
    "report": "run --out report.html",
    "activations": "run photos/disc/0.png --out activations.png",
    "attention": "run photos/disc/0.png --out attention.png",
    "embed": "run --out embed.html --perplexity 2 --split train",
    "filters": "run --out filters.png",
    "export": "run --out OUT.onnx",
    "quantize": "run --max-drop 100 --out OUT.onnx --engine onnxruntime",
    "prune": "run --macs 70% --epochs 0 --images 16 --out OUT --quiet",
    "sparsify": "run --sparsity 0.5 --sparsity-schedule one-shot --epochs 0 --out OUT --quiet",
    "sensitivity": "run --images 16 --ratios 0.5 --out sensitivity.json --quiet",
    "distill": "run --teacher other --epochs 1 --out OUT --quiet",
    "reparameterize": "mobileone_debug --out OUT.json",
    "rewrite": "resnet_debug --rule separable --out OUT.json",
    "check": "run/model.onnx --engine onnxruntime",
    "bench": "run --seconds 0.1 --engine onnxruntime",
    "advise": "run --seconds 0.1",
    "latency-table": "mobilenet_v2_debug --seconds 0.1 --out table.json",
    "adapt": "run --macs 85% --round-to 2 --proposals 1 --short-steps 1 --reduction 0.2 --epochs 1 --out OUT --quiet",
    "search": "photos --space mobilenet_v2_debug --macs 60% --evaluations 2 --epochs 1 --out OUT --quiet",
    "web": "run/model.onnx --out OUT",
    "demo": "--seeds 1 --out OUT --quiet",
    "rows": "conv",
    "find-lr": "photos --model two_layer_debug --steps 10 --batch-size 4 --out lr.svg --quiet",
    "experiment": "run other --out experiment.html --quiet --limit 10",
    "serve": "no-artifact.onnx",
}
BROKEN = {"predict": 2, "serve": 2, "guidelines": 2}  # the exit status where it is not 0


def make_place(folder: Path, kinds: tuple[str, ...] = ("disc", KIND), run: str = "run") -> Path:
    """A folder of images of these classes, a run and another one, its artifact, and a file that is no image."""
    draw_folder(folder / "photos", each=12, kinds=kinds)
    (folder / "broken.png").write_text("no image")
    here = Path.cwd()
    os.chdir(folder)
    try:
        leannet.train("photos", out=run, model="mobilenet_v2_debug", epochs=1, quiet=True)
        leannet.train("photos", out="leaving", model="mobilenet_v2_debug", epochs=1, quiet=True, skipping={"exits": 1})
        leannet.export(run)
        shutil.copytree(run, "other")
    finally:
        os.chdir(here)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of two classes, one with a name that few encodings have; a run; its artifact."""
    return make_place(tmp_path_factory.mktemp("streams"))


@pytest.fixture
def short_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration takes no minute."""
    settings: dict[str, Any] = {"epochs": 1, "model": "two_layer_debug", "limit": 60, "batch_size": 16}
    monkeypatch.setattr(demo, "SETTINGS", demo.SETTINGS | settings)
