"""CIFAR-10 against the clock: how exact a network becomes in so many minutes, here and by timm's train.py.

    python experiments/clock.py DATA TIMM_TRAIN_PY      # an hour and a half on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet. TIMM_TRAIN_PY: train.py of huggingface/pytorch-image-models, which
is not in its wheel. Both train the same rows on the same 45,000 images with the same optimizer, batch and schedule,
one after the other; timm with --channels-last, which is faster, as many whole epochs as fit, and ImageNet's crops of a
gentle scale, since it has no padded ones. All are scored on the 10,000 test images by the same code. Writes
docs/clock.md and its image, and docs/experiments/clock.json.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from clock_page import write_page
from PIL import Image
from torch import Tensor

import leannet
from leannet.data.loader import normalize
from leannet.files import write_whole
from leannet.preprocessing import Preprocessing
from leannet.runtime import machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
from peers import DECLARED, environment  # noqa: E402

RESULTS = ROOT / "docs" / "experiments" / "clock.json"
RUNS = ROOT / "runs" / "clock"
SEED, BATCH, RATE, DECAY = 0, 128, 0.1, 5e-4
SAME, BEST = "cifar_mobilenet_v2", "cifar_resnet20"
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)  # of CIFAR-10's training images
REGISTERED = """
import runpy, sys
sys.path.insert(0, {source!r})
from timm.models import register_model
import leannet
@register_model
def same_rows(pretrained=False, **words):
    network = leannet.create({name!r}, classes=10)
    network.num_classes, network.default_cfg = 10, {{}}
    return network
same_rows.__module__ = "__main__"
sys.argv = ["train.py", *sys.argv[1:]]
runpy.run_path({script!r}, run_name="__main__")
"""


def ours(data: Path, name: str, minutes: float, precision: str = "no") -> dict[str, Any]:
    """leannet's run: test accuracy, and the validation accuracy against minutes."""
    out = RUNS / name
    words = ["train", str(data / "train.parquet"), "--model", name, "--recipe", "cifar", "--split", "90:10"]
    words += ["--time", f"{minutes:g}m", "--seed", str(SEED), "--out", str(out)]
    words += [] if precision == "no" else ["--precision", precision]
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "leannet", *words], check=True)
    spent = (time.perf_counter() - began) / 60
    scores = leannet.evaluate(out, str(data / "test.parquet"), quiet=True).scores
    with (out / "log.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    seconds = np.cumsum([float(line["seconds"]) for line in lines])
    values = [float(line["validation_accuracy"]) for line in lines]
    curve = [[spent * float(second / seconds[-1]), value] for second, value in zip(seconds, values, strict=True)]
    command = "leannet " + " ".join(words).replace(str(data), "cifar10").replace(str(out), f"runs/clock/{name}")
    epochs = int(lines[-1]["epoch"])  # not all are evaluated
    return {"accuracy": scores.accuracy, "minutes": spent, "epochs": epochs, "curve": curve, "command": command}


def theirs(data: Path, name: str, minutes: float, script: Path) -> dict[str, Any]:
    """timm's run of the same rows: as many epochs as fit, by the pace of one that is thrown away."""
    folder, out = RUNS / "images", RUNS / "timm"
    as_folders(data / "train.parquet", folder)
    began = time.perf_counter()
    _timm(folder, out, name, script, 1)
    epochs = max(1, round(minutes * 60 / (time.perf_counter() - began)))
    began = time.perf_counter()
    _timm(folder, out, name, script, epochs)
    spent = (time.perf_counter() - began) / 60
    with next(out.rglob("summary.csv")).open(newline="") as file:
        top1 = [float(line["eval_top1"]) / 100 for line in csv.DictReader(file)]
    curve = [[spent * (number + 1) / epochs, value] for number, value in enumerate(top1)]
    state = torch.load(next(out.rglob("last.pth.tar")), map_location="cpu", weights_only=False)["state_dict"]
    network = leannet.create(name, classes=10)
    network.load_state_dict(state)
    result = {"accuracy": accuracy(network, data / "test.parquet"), "minutes": spent, "epochs": epochs, "curve": curve}
    return result | {"command": "train.py " + " ".join(flags(Path("cifar10"), Path("runs/timm"), epochs))}


def flags(folder: Path, out: Path, epochs: int) -> list[str]:
    """What timm's train.py is called with."""
    return [
        "--data-dir", str(folder), "--model", "same_rows", "--num-classes", "10", "--input-size", "3", "32", "32",
        "--mean", *map(str, MEAN), "--std", *map(str, STD), "-b", str(BATCH), "-vb", str(2 * BATCH),
        "--epochs", str(epochs), "--opt", "sgd", "--lr", str(RATE), "--weight-decay", str(DECAY), "--momentum", "0.9",
        "--sched", "cosine", "--sched-on-updates", "--warmup-epochs", "0", "--smoothing", "0.1",
        "--scale", "0.6", "1.0", "--color-jitter", "0", "--train-interpolation", "bilinear", "--workers", "2",
        "--crop-pct", "1.0", "--seed", str(SEED), "--device", "cpu", "--channels-last", "--log-interval", "50",
        "--output", str(out),
    ]  # fmt: skip


def _timm(folder: Path, out: Path, name: str, script: Path, epochs: int) -> None:
    """Runs timm's script, its words on standard error."""
    shutil.rmtree(out, ignore_errors=True)
    code = DECLARED + REGISTERED.format(source=str(ROOT / "src"), name=name, script=str(script))
    subprocess.run([str(environment()), "-c", code, *flags(folder, out, epochs)], check=True, stdout=sys.stderr)


def as_folders(source: Path, folder: Path) -> None:
    """The images that leannet trains and validates on, as PNGs in class folders."""
    if (folder / "ready").exists():
        return
    table = pq.read_table(source)
    with (RUNS / SAME / "predictions.csv").open(newline="") as file:
        validation_rows = {int(line["path"].removeprefix("row ")) for line in csv.DictReader(file)}
    for index, (image, label) in enumerate(zip(table["img"].to_pylist(), table["label"].to_pylist(), strict=True)):
        split = "validation" if index in validation_rows else "train"
        target = folder / split / str(label) / f"{index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(image["bytes"])
    (folder / "ready").touch()


@torch.no_grad()
def accuracy(network: torch.nn.Module, source: Path) -> float:
    """The share of a Parquet file's images that a network gets right."""
    table = pq.read_table(source)
    images = [np.asarray(Image.open(BytesIO(p["bytes"])).convert("RGB")) for p in table["img"].to_pylist()]
    labels = torch.tensor(table["label"].to_pylist())
    preprocessing = Preprocessing(height=32, width=32, mean=MEAN, std=STD)
    network.eval()
    right = 0
    for start in range(0, len(images), 500):
        batch = torch.from_numpy(np.stack(images[start : start + 500])).permute(0, 3, 1, 2)
        outputs: Tensor = network(normalize(batch, preprocessing))
        right += int((outputs.argmax(1) == labels[start : start + 500]).sum())
    return right / len(images)


def main() -> None:
    """Runs what has not run yet, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("train", type=Path, help="timm's train.py")
    parser.add_argument("--minutes", type=float, default=30)
    arguments = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    ways = {
        f"{SAME}, leannet": lambda: ours(arguments.data, SAME, arguments.minutes),
        f"{SAME}, timm": lambda: theirs(arguments.data, SAME, arguments.minutes, arguments.train.resolve()),
        # bf16 is 1.5 times as fast for ResNets
        f"{BEST}, leannet": lambda: ours(arguments.data, BEST, arguments.minutes, "bf16"),
    }
    for name, way in ways.items():
        if name not in results:
            results[name] = way() | {"allowed_minutes": arguments.minutes, "machine": machine().line()}
            write_whole(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
            print(name, results[name]["accuracy"], flush=True)
    write_page(results)


if __name__ == "__main__":
    main()
