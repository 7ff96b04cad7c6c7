"""What fresh weights should begin with: as drawn, with filters that whiten the image, with identities, with both.

    python experiments/initialization.py DATA [--networks NAME ...] [--seeds 0 1 2] [--threads 1]

DATA: a folder with train.parquet. Two networks that learn CIFAR-10, two passes over 45,000 images of the recipe
cifar-fast, from fresh weights; the accuracy is that of the other 5,000 after the last pass, and the test images are not
looked at. Goes on where it stopped; an hour on two cores if two processes share the seeds. Each finished run is a
line of docs/experiments/initialization.jsonl; from them the .json and docs/initialization.md.
"""

import argparse
import csv
from pathlib import Path
from statistics import mean

from ledger import Ledger, Line, done, in_words, interval

from leannet.runtime import machine

LEDGER = Ledger("initialization")
EPOCHS = 2
NETWORKS = {
    "airbench94": ["--model", "airbench94", "--width", "0.875"],
    "cifar_mobilenet_v2": ["--model", "cifar_mobilenet_v2", "--width", "0.5"],
}
WAYS = {
    "as drawn": [],
    "white": ["--whiten-stem"],
    "identities": ["--identity-init"],
    "both": ["--whiten-stem", "--identity-init"],
}
# MobileNets have no dense convolution of more than one pixel that could be an identity.
RUNS = [("airbench94", way) for way in WAYS] + [("cifar_mobilenet_v2", way) for way in ("as drawn", "white")]


def run(data: Path, name: str, way: str, seed: int, threads: int) -> Line:
    """One training, and its accuracy after the last pass."""
    words = [*NETWORKS[name], *WAYS[way], "--recipe", "cifar-fast", "--precision", "no", "--split", "90:10"]
    words += ["--epochs", str(EPOCHS), "--seed", str(seed)]
    folder = LEDGER.runs / f"{name}-{way.replace(' ', '_')}-{seed}"
    out = done(folder, "train", data / "train.parquet", *words, "--threads", threads)
    with (out / "log.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    return {
        "network": name,
        "way": way,
        "seed": seed,
        "accuracy": float(last["validation_accuracy"]),
        "loss": float(last["validation_loss"]),
        "command": " ".join(words),
        "machine": machine().line(),
    }


def write() -> None:
    """The page and the figures."""
    lines = LEDGER.lines
    page = [
        "# What fresh weights should begin with", "",
        f"Written by `python experiments/initialization.py DATA`. {'; '.join(sorted({x['machine'] for x in lines}))}. "
        f"CIFAR-10, {EPOCHS} passes over 45,000 images of the recipe `cifar-fast` in float32; percent of the other "
        "5,000 after the last pass. *White*: `--whiten-stem`; *identities*: `--identity-init` "
        "([training.md](training.md)).", "",
        "| network | weights begin | accuracy, mean of seeds | each | points over drawn, of the same seed (95 %) |",
        "|---|---|--:|---|---|",
    ]  # fmt: skip

    def accuracies(name: str, way: str) -> dict[int, float]:
        return {x["seed"]: 100 * x["accuracy"] for x in lines if (x["network"], x["way"]) == (name, way)}

    results: Line = {}
    for name, way in RUNS:
        of, drawn = accuracies(name, way), accuracies(name, "as drawn")
        points = [of[seed] - drawn[seed] for seed in sorted(of.keys() & drawn.keys())] if way != "as drawn" else []
        if of:
            gain = f"{mean(points):+.2f} ({in_words(interval(points))})" if points else ""
            page.append(
                f"| {name} | {way} | {mean(of.values()):.2f} | "
                f"{', '.join(f'{of[seed]:.2f}' for seed in sorted(of))} | {gain} |"
            )
            results.setdefault(name, {})[way] = {
                "accuracy": mean(of.values()) / 100,
                "seeds": sorted(of),
                "points": mean(points) if points else None,
            }
    page += ["", "The commands:", ""]
    page += [f"    leannet train cifar10/train.parquet {each['command']}" for each in lines if each["seed"] == 0]
    LEDGER.write(results, "\n".join(page) + "\n")


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        for name, way in RUNS:
            if name in arguments.networks and not LEDGER.has(network=name, way=way, seed=seed):
                LEDGER.add(run(arguments.data, name, way, seed, arguments.threads))
                write()


if __name__ == "__main__":
    main()
