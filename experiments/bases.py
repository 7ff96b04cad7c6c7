"""Trains the CIFAR-10 networks that pruning, quantizing, skipping and search start from, and keeps them in bases/.

    python experiments/bases.py DATA [--only NAME]      # hours on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet. Each network trains by the recipe `cifar` on nine tenths of the
training images; the best epoch is chosen on the last tenth, and the test images are scored once, at the end. Then
bases/NAME.safetensors holds the weights (convolutions in float16) with rows, split, scores and command in its header,
bases/NAME.csv a line an epoch, and docs/bases.md the table.
"""

import argparse
import csv
import shutil
import subprocess
import sys
from pathlib import Path

import leannet
from leannet.checkpoint import load, save
from leannet.files import write_whole
from leannet.header import read_header
from leannet.training.state import load_state

ROOT = Path(__file__).parents[1]
BASES, RUNS = ROOT / "experiments" / "bases", ROOT / "runs" / "bases"
SEED = 0
# name -> (width, epochs, precision): the mobile ones at 17 to 45 million mult-adds, about an hour each on two cores.
# bf16 is 1.5 times as fast for ResNets on processors that have it, and slower for the others.
NETWORKS = {
    "cifar_mobilenet_v3_small": (1.0, 40, "no"),
    "cifar_mobilenet_v2": (0.5, 20, "no"),
    "cifar_resnet38": (1.0, 40, "bf16"),
    "cifar_shufflenet_v2": (1.0, 20, "no"),
}


def trained(name: str, data: Path) -> None:
    """Trains one network, or goes on with it, and keeps it."""
    width, epochs, precision = NETWORKS[name]
    run = RUNS / name
    words = ["train", str(data / "train.parquet"), "--model", name]
    words += [] if width == 1 else ["--width", f"{width:g}"]
    words += ["--recipe", "cifar", "--split", "90:10", "--epochs", str(epochs), "--seed", str(SEED), "--out", str(run)]
    words += [] if precision == "no" else ["--precision", precision]
    begun = (run / "state").exists()
    if not begun:
        shutil.rmtree(run, ignore_errors=True)
    ended = begun and load_state(run).state.epoch == epochs
    if not ended:
        command = ["train", "--resume", str(run)] if begun else words
        subprocess.run([sys.executable, "-m", "leannet", *command], check=True)
    scores = leannet.evaluate(run, str(data / "test.parquet"), quiet=True).scores
    network, header = load(run)
    command = " ".join(["leannet", *words]).replace(str(data), "cifar10").replace(str(run), f"runs/bases/{name}")
    provenance = header.provenance.model_copy(update={"command": command, "data": "cifar10/train.parquet"})
    metrics = header.metrics.model_copy(update={"test": scores.summary()})
    BASES.mkdir(exist_ok=True)
    shutil.copy(run / "log.csv", BASES / f"{name}.csv")
    target = BASES / f"{name}.safetensors"
    save(target, network, header.model_copy(update={"provenance": provenance, "metrics": metrics}), half=True)
    halved = leannet.evaluate(target, str(data / "test.parquet"), quiet=True).scores
    print(f"{name}: test {scores.line()}; as saved {halved.line()}", flush=True)


def write_page() -> None:
    """docs/bases.md, from what is kept."""
    lines = [
        "# Trained networks to start from",
        "",
        "Written by `python experiments/bases.py DATA`: CIFAR-10, 45,000 training images, 5,000 to choose the epoch "
        "by, 10,000 test images scored once. The images are JPEGs, so accuracies run a little under those of the "
        "lossless set. Recipe `cifar`, seed 0, two cores; these had other work too, so the minutes are at most what it "
        "takes; the ResNet learned in bfloat16. The mobile networks have 17 to 45 million mult-adds. The files keep "
        "convolutions in float16; the scores are those from before.",
        "",
        "    leannet evaluate experiments/bases/cifar_mobilenet_v2.safetensors cifar10/test.parquet",
        "    leannet train photos --weights experiments/bases/cifar_mobilenet_v2.safetensors",
        "",
        "| | width | params | mult-adds | epochs | minutes | test accuracy | file |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, (width, epochs, _) in NETWORKS.items():
        file = BASES / f"{name}.safetensors"
        if not file.exists():
            continue
        header = read_header(file)
        with (BASES / f"{name}.csv").open(newline="") as log:
            minutes = sum(float(line["seconds"]) for line in csv.DictReader(log)) / 60
        cost, test = leannet.count(header.architecture), header.metrics.test
        low, high = 100 * test.accuracy_low, 100 * test.accuracy_high
        lines.append(
            f"| `{name}` | {width:g} | {cost.params:,} | {cost.macs:,} | {epochs} | {minutes:.0f} | "
            f"{100 * test.accuracy:.2f} % ({low:.1f} to {high:.1f}) | {file.stat().st_size / 1e6:.1f} MB |"
        )
    write_whole(ROOT / "docs" / "bases.md", ("\n".join(lines) + "\n").encode())


def main() -> None:
    """Trains what is not kept yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=list(NETWORKS))
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else NETWORKS:
        if not (BASES / f"{name}.safetensors").exists():
            trained(name, arguments.data)
            write_page()


if __name__ == "__main__":
    main()
