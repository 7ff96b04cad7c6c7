"""Minutes to the accuracy that another commit of leannet reaches: what it needs half an hour for, and this one less.

    python benchmarks/time_to_accuracy.py CIFAR BCCD --before SRC --timm TRAIN_PY   # seven hours

CIFAR: a folder with train.parquet of CIFAR-10. BCCD: blood smears as a Pascal VOC folder, of which latency_networks.py
cuts windows. SRC: the folder `src` of the other commit, run with the same packages. On CIFAR-10 both train
cifar_mobilenet_v2, the other commit for 30 minutes, on the windows MobileNetV2 at 160 px for 10, validated on 2,000;
this one is given half of that. Runs of a pair stand back to back, and nothing else should run. Minutes count from the
start of the process. Where this commit's accuracy on the validation images reaches the other's best three evaluations
in a row, the first of them is the time to accuracy; ratios are geometric means over seeds. It goes on where it stopped.

TRAIN_PY: timm's train.py, which is not in its wheel; it trains its mobilenetv2_100 for as many epochs as fit into the
minutes that this commit is given, with the same optimizer, rate, decay, crops and smoothing, and --channels-last. It
has no form for images of 32 px: those are enlarged to 64.

Each finished run is a line of docs/benchmarks/time_to_accuracy.jsonl; from them the .json and .md.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import pyarrow.parquet
from latency_networks import CELLS, ROOT, TEST, windows
from peers import DECLARED, environment

from leannet.files import write_whole
from leannet.runtime import machine

OUT = ROOT / "docs" / "benchmarks" / "time_to_accuracy.jsonl"
RUNS = ROOT / "runs" / "time_to_accuracy"
SEEDS, IN_A_ROW, POLL = 3, 3, 0.5
WHO = ("before", "now", "timm")
THEIRS = "import runpy, sys\nsys.argv = ['train.py', *sys.argv[1:]]\n"
CIFAR_BEFORE = ["--model", "cifar_mobilenet_v2", "--recipe", "cifar", "--split", "90:10"]
CIFAR_NOW = ["--model", "cifar_mobilenet_v2", "--recipe", "cifar-fast", "--split", "90:10"]
PHOTOS = ["--model", "mobilenet_v2", "--resolution", "160"]


@dataclass(frozen=True)
class Task:
    """A pair of runs. minutes: those of the other commit."""

    name: str
    minutes: float
    before: list[str]
    now: list[str]
    timm: list[str]

    def words(self, who: str) -> list[str]:
        """What `leannet train`, or timm's train.py, is called with, behind the data."""
        if who == "timm":
            return [*TIMM, *self.timm]
        if who == "before":
            return [*self.before, "--time", f"{self.minutes:g}m"]
        return [*self.now, "--time", f"{self.minutes / 2:g}m"]


TIMM = [
    "--model", "mobilenetv2_100", "--opt", "adamw", "--weight-decay", "0.05", "--sched", "cosine", "--min-lr", "0",
    "--warmup-epochs", "1", "--smoothing", "0.1", "--color-jitter", "0", "--val-split", "val", "--workers", "2",
    "--channels-last", "--device", "cpu",
]  # fmt: skip
CIFAR_TIMM = ["--num-classes", "10", "--img-size", "64", "-b", "64", "--lr", "0.004", "--scale", "0.8", "1.0"]
PHOTOS_TIMM = ["--num-classes", "4", "--img-size", "160", "-b", "32", "--lr", "0.002", "--scale", "0.35", "1.0"]
TASKS = (
    Task("cifar", 30, CIFAR_BEFORE, CIFAR_NOW, CIFAR_TIMM),
    Task("photos", 10, PHOTOS, PHOTOS, PHOTOS_TIMM),
)


def photos(bccd: Path) -> Path:
    """The windows: the 2,000 of `test` validate, all others train."""
    windows(bccd)
    place = RUNS / "cells"
    for split, sources in (("train", ("train", "val")), ("val", ("test",))):
        for kind in TEST:
            (place / split / kind).mkdir(parents=True, exist_ok=True)
            for source in sources:
                for file in (CELLS / source / kind).iterdir():
                    link = place / split / kind / f"{source}-{file.name}"
                    if not link.exists():
                        link.symlink_to(file)
    return place


def as_folders(table: Path) -> Path:
    """CIFAR-10's training images as PNG files in class folders, for timm: of each class the last tenth validates."""
    place = RUNS / "cifar"
    if (place / "val").exists():
        return place
    part = place.with_name("cifar.part")
    shutil.rmtree(part, ignore_errors=True)
    rows = pyarrow.parquet.read_table(table)
    images, labels = rows.column("img").to_pylist(), rows.column("label").to_pylist()
    for label in sorted(set(labels)):
        of = [image["bytes"] for image, other in zip(images, labels, strict=True) if other == label]
        for number, image in enumerate(of):
            file = part / ("train" if number < 0.9 * len(of) else "val") / str(label) / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(image)
    part.rename(place)
    return place


def ours(data: Path, words: list[str], out: Path, src: Path) -> list[list[float]]:
    """A training by leannet: minutes since its start and validation accuracy, of each evaluation."""
    command = [sys.executable, "-m", "leannet", "train", str(data), *words, "--out", str(out), "--quiet"]
    return run(command, {"PYTHONPATH": str(src)}, out / "log.csv", "validation_accuracy")


def theirs(data: Path, words: list[str], out: Path, script: Path, epochs: int, seed: int) -> list[list[float]]:
    """A training by timm, which counts in percent."""
    code = f"{DECLARED}{THEIRS}runpy.run_path({str(script)!r}, run_name='__main__')"
    words = [*words, "--seed", str(seed), "--epochs", str(epochs)]
    places = ["--data-dir", str(data), "--output", str(out.parent), "--experiment", out.name]
    command = [str(environment()), "-c", code, *places, *words]
    return [[at, accuracy / 100] for at, accuracy in run(command, {}, out / "summary.csv", "eval_top1")]


def epochs_in(minutes: float, curve: list[list[float]]) -> int:
    """How many epochs fit, by those of a short run."""
    first, second = (at for at, _ in curve[:2])
    return max(round((minutes - (2 * first - second)) / (second - first)), 2)


def run(command: list[str], more: dict[str, str], log: Path, column: str) -> list[list[float]]:
    """Trains in a process of its own, and reads its log as it grows."""
    shutil.rmtree(log.parent, ignore_errors=True)
    curve: list[list[float]] = []
    began = time.perf_counter()
    process = subprocess.Popen(command, env=dict(os.environ) | more, stdout=subprocess.DEVNULL)
    while True:
        ended = process.poll() is not None
        if log.exists():
            with log.open(newline="") as file:
                accuracies = [float(line[column]) for line in csv.DictReader(file)]
            minutes = (time.perf_counter() - began) / 60
            curve += [[minutes, accuracy] for accuracy in accuracies[len(curve) :]]
        if ended:
            break
        time.sleep(POLL)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    return curve


def minutes_to(curve: list[list[float]], accuracy: float) -> float | None:
    """Of the first of three evaluations in a row that reach an accuracy. None: there are none."""
    for first in range(len(curve) - IN_A_ROW + 1):
        if all(reached >= accuracy for _, reached in curve[first : first + IN_A_ROW]):
            return curve[first][0]
    return None


def pairs(lines: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """For each task a result a seed: the accuracy to reach, the minutes that both took, and their ratio."""
    results: dict[str, list[dict[str, Any]]] = {}
    for task in TASKS:
        for seed in range(SEEDS):
            runs = {each["who"]: each for each in lines if (each["task"], each["seed"]) == (task.name, seed)}
            if not {"before", "now"} <= set(runs):
                continue
            target = max(accuracy for _, accuracy in runs["before"]["curve"])
            minutes = minutes_to(runs["now"]["curve"], target)
            results.setdefault(task.name, []).append(
                {
                    "seed": seed,
                    "accuracy": target,
                    "minutes_before": task.minutes,
                    "minutes": minutes,
                    "ratio": None if minutes is None else minutes / task.minutes,
                    "best": max(accuracy for _, accuracy in runs["now"]["curve"]),
                    "timm": max((accuracy for _, accuracy in runs.get("timm", {}).get("curve", [])), default=None),
                    "machine": runs["now"]["machine"],
                }
            )
    return results


def write(lines: list[dict[str, Any]]) -> None:
    """The JSON and the page."""
    results = pairs(lines)
    summary: dict[str, Any] = {"pairs": results}
    text = [
        "# Time to accuracy", "",
        "Written by `python benchmarks/time_to_accuracy.py CIFAR BCCD --before SRC --timm TRAIN_PY`: minutes from the "
        "start of the process to the first of three evaluations in a row that reach the best validation accuracy of "
        "commit fa96df8 in the time that it was given. Two threads.", "",
        "| data | seed | accuracy to reach | commit fa96df8 | now | ratio | best accuracy now | timm as long as now |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for name, seeds in results.items():
        ratios = [each["ratio"] for each in seeds]
        summary[f"ratio_{name}"] = geometric_mean(ratios) if all(ratios) else None
        for each in seeds:
            minutes, ratio = ("not reached", "") if each["minutes"] is None else (
                f"{each['minutes']:.1f} min", f"{each['ratio']:.2f}")  # fmt: skip
            of_timm = "" if each["timm"] is None else f"{100 * each['timm']:.2f} %"
            text.append(
                f"| {name} | {each['seed']} | {100 * each['accuracy']:.2f} % | {each['minutes_before']:g} min | "
                f"{minutes} | {ratio} | {100 * each['best']:.2f} % | {of_timm} |"
            )
        mean = summary[f"ratio_{name}"]
        text.append(f"| {name} | all | | | | {'' if mean is None else f'**{mean:.2f}**'} | | |")
    machines = sorted({each["machine"] for each in lines})
    commands = [
        f"    leannet train {'train.parquet' if task.name == 'cifar' else 'cells'} {' '.join(task.words(who))} --seed 0"
        for task in TASKS
        for who in WHO[:2]
    ]
    commands += [f"    timm's train.py {' '.join(task.words('timm'))}" for task in TASKS]
    text += ["", f"{'; '.join(machines)}. The commands, the other commit's first:", "", *commands]
    write_whole(OUT.with_suffix(".json"), (json.dumps(summary, indent=1) + "\n").encode())
    write_whole(OUT.with_suffix(".md"), ("\n".join(text) + "\n").encode())


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cifar", type=Path)
    parser.add_argument("bccd", type=Path)
    parser.add_argument("--before", type=Path, metavar="SRC", required=True)
    parser.add_argument("--timm", type=Path, metavar="TRAIN_PY", required=True)
    parser.add_argument("--only", choices=[task.name for task in TASKS])
    arguments = parser.parse_args()
    table = arguments.cifar / "train.parquet"
    data = {"cifar": table, "photos": photos(arguments.bccd)}
    sources = {"before": arguments.before.resolve(), "now": ROOT / "src"}
    lines = [json.loads(line) for line in OUT.read_text().splitlines()] if OUT.exists() else []
    for seed in range(SEEDS):
        for task in TASKS:
            for who in WHO:
                done = any((each["task"], each["seed"], each["who"]) == (task.name, seed, who) for each in lines)
                if done or arguments.only not in (None, task.name):
                    continue
                out, words = RUNS / f"{task.name}-{who}-{seed}", task.words(who)
                if who == "timm":
                    folders = as_folders(table) if task.name == "cifar" else data[task.name]
                    of = [each["curve"] for each in lines if (each["task"], each["who"]) == (task.name, who)]
                    trial = of[0] if of else theirs(folders, words, out, arguments.timm.resolve(), 2, seed)
                    epochs = epochs_in(task.minutes / 2, trial)
                    curve = theirs(folders, words, out, arguments.timm.resolve(), epochs, seed)
                else:
                    curve = ours(data[task.name], [*words, "--seed", str(seed)], out, sources[who])
                line = {"task": task.name, "seed": seed, "who": who, "curve": curve, "machine": machine().line()}
                lines.append(line)
                with OUT.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(task.name, who, seed, [[round(at, 1), accuracy] for at, accuracy in curve[-3:]], flush=True)
                write(lines)


if __name__ == "__main__":
    main()
