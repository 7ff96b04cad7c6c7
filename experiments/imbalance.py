"""Balanced sampling and class weights on an imbalanced slice of CIFAR-10: what they do to the rare classes.

    python experiments/imbalance.py DATA        # about twenty minutes on two cores

Five classes keep 1,000 training images each, the other five 50. One network, three ways, three seeds; scored on all
10,000 test images. Writes docs/imbalance.md and docs/experiments/imbalance.json; goes on where it stopped.
"""

import argparse
import json
import shutil
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import leannet
from leannet.files import write_whole

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "experiments" / "imbalance.json"
RUNS = ROOT / "runs" / "imbalance"
MANY, FEW, SEEDS = 1000, 50, (0, 1, 2)
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "class weights": {"class_weights": "balanced"},
    "balanced sampling": {"sampling": "balanced"},
}
TRAINING: dict[str, Any] = {"model": "cifar_mobilenet_v3_small", "width": 0.5, "epochs": 12, "batch_size": 64}


def slice_of(source: Path, target: Path) -> None:
    """A Parquet file with many images of the even classes and few of the odd ones."""
    table = pq.read_table(source)
    labels = table.column("label").to_pylist()
    seen: dict[int, int] = {}
    rows = []
    for index, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= (FEW if label % 2 else MANY):
            rows.append(index)
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.take(pa.array(rows)), target)


def scored(data: Path, test: Path, way: str, seed: int) -> dict[str, float]:
    """Mean recall of the common and of the rare classes, and the accuracy, on the test images."""
    out = RUNS / f"{way.replace(' ', '-')}-{seed}"
    shutil.rmtree(out, ignore_errors=True)  # one that was stopped begins anew
    leannet.train(str(data), out=out, seed=seed, quiet=True, **TRAINING, **WAYS[way])
    scores = leannet.evaluate(out, str(test), quiet=True).scores
    recall = [line.recall for line in scores.per_class]
    return {"common": mean(recall[0::2]), "rare": mean(recall[1::2]), "accuracy": scores.accuracy}


def main() -> None:
    """Trains what is not trained yet and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="CIFAR-10 as a folder with train.parquet and test.parquet")
    arguments = parser.parse_args()
    data = RUNS / "slice.parquet"
    slice_of(arguments.data / "train.parquet", data)
    results: dict[str, dict[str, dict[str, float]]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for seed in SEEDS:
        for way in WAYS:
            done = results.setdefault(way, {})
            if str(seed) not in done:
                done[str(seed)] = scored(data, arguments.data / "test.parquet", way, seed)
                write_whole(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
                print(way, seed, done[str(seed)], flush=True)
    lines = [
        "# Rare classes",
        "",
        f"Written by `python experiments/imbalance.py DATA`. CIFAR-10 with {MANY:,} training images of five classes "
        f"and {FEW} of the other five; {TRAINING['model']} at width {TRAINING['width']:g}, {TRAINING['epochs']} "
        "epochs; recall on the 10,000 test images, mean of three seeds (least to most).",
        "",
        "| | recall, rare classes | recall, common classes | accuracy |",
        "|---|--:|--:|--:|",
    ]
    for way, runs in results.items():
        cells = []
        for key in ("rare", "common", "accuracy"):
            values = [100 * run[key] for run in runs.values()]
            cells.append(f"{mean(values):.1f} % ({min(values):.1f} to {max(values):.1f})")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    write_whole(ROOT / "docs" / "imbalance.md", ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
