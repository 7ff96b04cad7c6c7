"""Trains the networks that `latency.py` times, so that what is timed is a network that has learned something.

    python benchmarks/latency_networks.py DATA [NAME ...]   # hours on two cores; goes on where it stopped

DATA: CIFAR-10 as a folder with train.parquet. Each network of the zoo learns the ten classes at 64 px, then at 128 px,
then for a moment at 224 px, the size that it is timed at; from 64 px to 224 at once it would know little of what it
learned. They are no good classifiers, but their answers mean something: a network that knows little is of two minds
about most pictures, and any rounding then changes its answer.
Runs stand in runs/latency/NAME.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from peers import ROOT

from leannet.training.state import FILE as STATE
from leannet.training.state import load_state

RUNS = ROOT / "runs" / "latency"
NETWORKS = (
    "mobilenet_v3_small", "mobilenet_v2", "shufflenet_v2_torchvision", "mobilenet_v3_large", "squeezenet_1_1",
    "mobilenet_v1",
)  # fmt: skip
COMMON = [
    "--optimizer", "sgd", "--label-smoothing", "0", "--weight-decay", "1e-4", "--crop", "0.5", "--seed", "0",
]  # fmt: skip
# px, pictures a batch, epochs, share of the rate, and pictures to choose training and validation pictures from
STAGES = ((64, 64, 8, 1.0, None), (128, 64, 1, 0.4, None), (224, 32, 2, 0.2, 11_000))
RATES = {"squeezenet_1_1": 0.01}  # without normalisation, more is too much
RATE = 0.05
EPOCHS = {"mobilenet_v1": 5}  # at 64 px, where it is the largest and learns fast


def trained(name: str, data: Path) -> Path:
    """The run of a network at 224 px."""
    source, out, before = str(data / "train.parquet"), RUNS / name, None
    if (out / "done").exists():
        return out
    for px, batch, epochs, share, limit in STAGES:
        run = out if px == STAGES[-1][0] else RUNS / f"{name}-{px}"
        words = ["--model", name] if before is None else ["--weights", str(before)]
        epochs = EPOCHS.get(name, epochs) if before is None else epochs
        words += ["--resolution", str(px), "--batch-size", str(batch), "--epochs", str(epochs)]
        words += ["--lr", f"{share * RATES.get(name, RATE):g}", *([] if limit is None else ["--limit", str(limit)])]
        _train(run, source, *words, *COMMON)
        before = run
    return out


def _train(out: Path, source: str, *words: str) -> None:
    if (out / "done").exists():
        return
    begun = (out / STATE).exists()
    if not begun:
        shutil.rmtree(out, ignore_errors=True)
    epochs = words[words.index("--epochs") + 1]
    if not begun or load_state(out).standing.epoch < int(epochs):
        command = ["train", "--resume", str(out)] if begun else ["train", source, "--out", str(out), *words]
        subprocess.run([sys.executable, "-m", "leannet", *command], check=True)
    (out / "done").touch()


def main() -> None:
    """Trains what is not trained yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="*", choices=NETWORKS, metavar="NAME", help="only these")
    given = parser.parse_args()
    for name in given.names or NETWORKS:
        trained(name, given.data)
        print(name, "trained", flush=True)


if __name__ == "__main__":
    main()
