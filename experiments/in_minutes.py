"""What buys accuracy in a few minutes on a processor: each change on top of those before it, and some that do not pay.

    python experiments/in_minutes.py CIFAR      # two and a half hours on two cores; goes on where it stopped

CIFAR: a folder with train.parquet of CIFAR-10. cifar_mobilenet_v2 is trained for three minutes on nine tenths of it and
validated on the last tenth, three seeds, one run after the other; nothing else should run. Each finished run is a line
of docs/experiments/in_minutes.jsonl; from them docs/experiments/in_minutes.md.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from leannet.files import write_whole
from leannet.runtime import machine

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "experiments" / "in_minutes.jsonl"
RUNS = ROOT / "runs" / "in_minutes"
SEEDS, MINUTES = 3, 3
FIXED = ["--model", "cifar_mobilenet_v2", "--recipe", "cifar", "--split", "90:10", "--time", f"{MINUTES}m", "--quiet"]
PLAIN = {"--batch-norm": "torch", "--progressive-resizing": "1", "--no-zero-init-residual": ""}
# What is changed -> the flags that are changed, on top of those above it.
STEPS: dict[str, dict[str, str]] = {
    "recipe cifar as it was": PLAIN,
    "batch norm and activation fused": {"--batch-norm": "fused"},
    "images that grow": {"--progressive-resizing": "0.5"},
    "residual branches that begin at nought": {"--no-zero-init-residual": "-", "--zero-init-residual": ""},
    "no dropout": {"--dropout": "0"},
    "Muon for SGD": {"--optimizer": "muon", "--lr": "0.011", "--weight-decay": "0.05"},
    "64 images a step": {"--batch-size": "64", "--lr": "0.008"},
}
# Each on top of all steps.
TRIED: dict[str, dict[str, str]] = {
    "AdamW for Muon": {"--optimizer": "adamw", "--lr": "0.004"},
    "32 images a step": {"--batch-size": "32", "--lr": "0.0057"},
    "twice the rate": {"--lr": "0.016"},
    "moving average of the weights": {"--ema-decay": "0.995"},
    "no label smoothing": {"--label-smoothing": "0"},
    "precise batch norm": {"--batch-statistics": "precise"},
    "a linear schedule": {"--schedule": "linear"},
    "bfloat16": {"--precision": "bf16"},
}


def variants() -> dict[str, list[str]]:
    """The flags of each variant."""
    flags: dict[str, str] = {}
    made = {}
    for name, change in STEPS.items():
        flags = flags | change
        made[name] = _words(flags)
    return made | {name: _words(flags | change) for name, change in TRIED.items()}


def _words(flags: dict[str, str]) -> list[str]:
    return [word for flag, value in flags.items() if value != "-" for word in (flag, value) if word]


def run(data: Path, name: str, words: list[str], seed: int) -> dict[str, Any]:
    """One training: its best validation accuracy, and the images that it saw."""
    out = RUNS / f"{name.replace(' ', '_')}-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    command = ["train", str(data / "train.parquet"), *FIXED, *words, "--seed", str(seed), "--out", str(out)]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-m", "leannet", *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    with (out / "log.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    images = sum(float(line["seconds"]) * float(line["images_per_s"]) for line in lines)
    accuracy = max(float(line["validation_accuracy"]) for line in lines)
    return {"name": name, "seed": seed, "accuracy": accuracy, "images": round(images), "machine": machine().line()}


def write(results: list[dict[str, Any]]) -> None:
    """The page."""
    lines = [
        "# What buys accuracy in three minutes", "",
        "Written by `python experiments/in_minutes.py CIFAR`: cifar_mobilenet_v2 on CIFAR-10, three minutes on two "
        f"cores, best validation accuracy, mean and standard deviation over {SEEDS} seeds. "
        f"{'; '.join(sorted({each['machine'] for each in results}))}.", "",
        "| each on top of those above | accuracy | images seen |", "|---|--:|--:|",
    ]  # fmt: skip
    for name in variants():
        if name == next(iter(TRIED)):
            lines += ["", "| each on top of all of these | accuracy | images seen |", "|---|--:|--:|"]
        of = [each for each in results if each["name"] == name]
        if of:
            values = [100 * each["accuracy"] for each in of]
            spread = f" ± {stdev(values):.1f}" if len(values) > 1 else " (one seed)"
            lines.append(f"| {name} | {mean(values):.1f}{spread} % | {mean(each['images'] for each in of):,.0f} |")
    write_whole(RESULTS.with_suffix(".md"), ("\n".join(lines) + "\n").encode())


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    results = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    for seed in range(SEEDS):
        for name, words in variants().items():
            if any((each["name"], each["seed"]) == (name, seed) for each in results):
                continue
            results.append(run(arguments.data, name, words, seed))
            with RESULTS.open("a") as file:
                file.write(json.dumps(results[-1]) + "\n")
            print(results[-1], flush=True)
            write(results)


if __name__ == "__main__":
    main()
