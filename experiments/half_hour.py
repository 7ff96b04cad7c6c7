"""CIFAR-10 in half an hour on a processor: what accuracy a small network reaches, test images scored once.

    python experiments/half_hour.py CIFAR [--only NAME ...] [--minutes 30] [--seeds 3]   # goes on where it stopped

CIFAR: a folder with train.parquet and test.parquet. Runs stand one after the other, and nothing else should run. With
fewer minutes they are trials, which are validated on a tenth of the training images and never see the test images:
those chose the networks below. Each finished run is a line of docs/experiments/half_hour.jsonl; from them the .json
and docs/half_hour.md.
"""

import argparse
import csv
import shutil
import time
from pathlib import Path
from statistics import mean, stdev

from ledger import Ledger, Line, leannet_run

import leannet
from leannet.runtime import machine

MINUTES = 30
AIRBENCH = ["--model", "airbench94", "--width", "0.875"]
NETWORKS = {
    "cifar_mobilenet_v2": ["--model", "cifar_mobilenet_v2"],
    "cifar_mobilenet_v2, float32": ["--model", "cifar_mobilenet_v2", "--precision", "no"],
    "cifar_resnet20": ["--model", "cifar_resnet20"],
    "cifar_resnet20, width 1.5": ["--model", "cifar_resnet20", "--width", "1.5"],
    "cifar_resnet44": ["--model", "cifar_resnet44"],
    "airbench94, width 0.875": AIRBENCH,
    "airbench94, width 0.875, white, identities": [*AIRBENCH, "--whiten-stem", "--identity-init"],
    "cifar_mobilenet_v2, white": ["--model", "cifar_mobilenet_v2", "--whiten-stem"],
}
FINAL = ["airbench94, width 0.875, white, identities", "cifar_mobilenet_v2"]


def run(ledger: Ledger, data: Path, name: str, minutes: float, seed: int) -> Line:
    """One training, and its score: of the test images where it took the whole time, else of validation images."""
    whole = minutes == MINUTES
    out = ledger.runs / f"{name.replace(', ', '-').replace(' ', '_')}-{minutes:g}m-{seed}"
    words = [*NETWORKS[name], "--recipe", "cifar-fast", "--split", "98:2" if whole else "90:10"]
    words += ["--time", f"{minutes:g}m", "--seed", str(seed)]
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    leannet_run("train", data / "train.parquet", *words, "--out", out, "--quiet")
    spent = (time.perf_counter() - began) / 60
    with (out / "log.csv").open(newline="") as file:
        log = list(csv.DictReader(file))
    accuracy = (
        leannet.evaluate(out, str(data / "test.parquet"), quiet=True).scores.accuracy
        if whole
        else max(float(line["validation_accuracy"]) for line in log)
    )
    return {
        "name": name,
        "minutes": minutes,
        "seed": seed,
        "accuracy": accuracy,
        "mult_adds": leannet.count(leannet.load(out)[0].architecture).macs,
        "spent": spent,
        "images": round(sum(float(line["seconds"]) * float(line["images_per_s"]) for line in log)),
        "command": " ".join(words),
        "machine": machine().line(),
    }


def write(ledger: Ledger) -> None:
    """The page and the figures."""
    lines = ledger.lines
    machines = "; ".join(sorted({each["machine"] for each in lines}))
    page = [
        "# CIFAR-10 in half an hour",
        "",
        f"Written by `python experiments/half_hour.py CIFAR`. {machines}. {MINUTES} minutes with `--time`, two cores, "
        "49,000 training images; the 10,000 test images were scored once "
        "by each run. The images are JPEGs, which cost up to a point against the lossless set.",
        "",
        "| network | mult-adds | test accuracy, mean of seeds | each | minutes | images seen |",
        "|---|--:|--:|---|--:|--:|",
    ]
    results = {}
    for name in NETWORKS:
        of = [each for each in lines if (each["name"], each["minutes"]) == (name, MINUTES)]
        if of:
            values = [100 * each["accuracy"] for each in of]
            results[name] = {"accuracy": mean(values) / 100, "seeds": len(of), "mult_adds": of[0]["mult_adds"]}
            spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
            page.append(
                f"| {name} | {of[0]['mult_adds'] / 1e6:.1f} M | {mean(values):.2f}{spread} % | "
                f"{', '.join(f'{value:.2f}' for value in values)} | {mean(each['spent'] for each in of):.1f} | "
                f"{mean(each['images'] for each in of) / 1e3:.0f},000 |"
            )
    trials = [each for each in lines if each["minutes"] != MINUTES]
    if trials:
        page += [
            "",
            "Trials, which chose the networks: shorter, on 45,000 of the training images, best accuracy on the other "
            "5,000.",
            "",
            "| network | mult-adds | minutes | validation accuracy | images seen |",
            "|---|--:|--:|--:|--:|",
        ]
        page += [
            f"| {each['name']} | {each['mult_adds'] / 1e6:.1f} M | {each['minutes']:g} | "
            f"{100 * each['accuracy']:.2f} % | {each['images'] / 1e3:.0f},000 |"
            for each in trials
        ]
    page += ["", "The commands:", ""]
    page += [f"    leannet train cifar10/train.parquet {each['command']}" for each in lines]
    ledger.write(results, "\n".join(page) + "\n")


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=FINAL)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    ledger = Ledger("half_hour")
    for seed in range(arguments.seeds):
        for name in arguments.only:
            if not ledger.has(name=name, minutes=arguments.minutes, seed=seed):
                ledger.add(run(ledger, arguments.data, name, arguments.minutes, seed))
                write(ledger)


if __name__ == "__main__":
    main()
