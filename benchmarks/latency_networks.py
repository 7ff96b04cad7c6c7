"""Trains the networks that `latency.py` times, so that what is timed is a network that has learned something.

    python benchmarks/latency_networks.py DATA [NAME ...]   # goes on where it stopped

DATA: BCCD, blood smears under a microscope as a Pascal VOC folder. From them come windows of 160 px, and what is in the
middle of each: a red cell, a white one, a platelet, or none of these (the background). Windows of one smear stay on one
side: of the smears of its `train.txt` one third, drawn, validates and says what may be chosen, the others train, and
those of its `val.txt` and `test.txt` evaluate. Each network of the zoo learns them at 112 px, then at 224 px, the size
that it is timed at. The windows stand in runs/latency/cells, the runs in runs/latency/NAME. What was trained is kept in
benchmarks/networks, convolutions in float16; a network that is there is not trained again.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from peers import ROOT
from PIL import Image

from leannet.checkpoint import load, save
from leannet.run_files import STATE
from leannet.training.state import load_state

RUNS = ROOT / "runs" / "latency"
KEPT = ROOT / "benchmarks" / "networks"
CELLS = RUNS / "cells"  # train, val and test: a folder a class in each
NETWORKS = (
    "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "shufflenet_v2_torchvision",
    "squeezenet_1_1",
)  # fmt: skip
SIDE = 160  # of a window; a red cell is about 105 px wide, a white one 200, a platelet 40
AWAY = 30  # px from the middle of a window of background to the next box and to the smear's edge, at least
TEST = {"WBC": None, "Platelets": None, "RBC": 845, "background": 845}  # with all of the first two, 2,000
COMMON = [
    "--label-smoothing", "0", "--weight-decay", "1e-4", "--crop", "0.7", "--seed", "0",
    "--batch-size", "32",
]  # fmt: skip
STAGES = ((112, 12, 1.0), (224, 4, 0.5))  # px, epochs, share of the rate
LARGE = ((112, 6, 1.0), (224, 3, 0.5))  # for networks whose images take three times as long
LARGE_ONES = {"mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large"}
RATE = "sgd", 0.05
RATES = {"squeezenet_1_1": ("adamw", 5e-4)}  # without normalisation it does not get going by plain descent

Box = tuple[str, int, int, int, int]  # class, left, top, right, bottom


def windows(data: Path) -> None:
    """Writes the windows, whole or not at all."""
    lists = data / "ImageSets" / "Main"
    if not (lists / "train.txt").is_file():
        raise SystemExit(f"{data}: expected BCCD, a folder with Annotations, ImageSets/Main/*.txt and JPEGImages")
    if CELLS.exists():
        return
    unfinished = CELLS.with_name("cells.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    train, val, test = ((lists / f"{split}.txt").read_text().split() for split in ("train", "val", "test"))
    # drawn, since the list is in order of the images, and its first third is harder than the rest
    drawn = np.random.default_rng(0).permutation(train).tolist()
    third = len(drawn) // 3
    splits = {"train": drawn[third:], "val": drawn[:third], "test": val + test}
    for split, smears in splits.items():
        draw = np.random.default_rng(0)
        labelled_windows = [(kind, window) for smear in smears for kind, window in _windows(data, smear, draw)]
        for kind in TEST:
            chosen = [window for other, window in labelled_windows if other == kind]
            if split == "test" and TEST[kind] is not None:
                chosen = [chosen[i] for i in np.sort(draw.permutation(len(chosen))[: TEST[kind]])]
            (unfinished / split / kind).mkdir(parents=True)
            for number, window in enumerate(chosen):
                window.save(unfinished / split / kind / f"{number:04d}.png")
    unfinished.rename(CELLS)


def _windows(data: Path, smear: str, draw: np.random.Generator) -> Iterator[tuple[str, Image.Image]]:
    """Those around the boxes of a smear, and of background as many as there are of red cells, where there is room."""
    with Image.open(data / "JPEGImages" / f"{smear}.jpg") as smear_image:
        image = np.asarray(smear_image.convert("RGB"))
    boxes = _boxes(data / "Annotations" / f"{smear}.xml")
    wide = np.pad(image, ((SIDE // 2,) * 2, (SIDE // 2,) * 2, (0, 0)), mode="reflect")
    middles = [(kind, (left + right) // 2, (top + bottom) // 2) for kind, left, top, right, bottom in boxes]
    height, width = image.shape[:2]
    for _ in range(100):
        x, y = int(draw.integers(AWAY, width - AWAY)), int(draw.integers(AWAY, height - AWAY))
        near = any(
            left - AWAY < x < right + AWAY and top - AWAY < y < bottom + AWAY for _, left, top, right, bottom in boxes
        )
        if not near and sum(kind == "background" for kind, _, _ in middles) < sum(kind == "RBC" for kind, *_ in boxes):
            middles.append(("background", x, y))
    for kind, x, y in middles:
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
        yield kind, Image.fromarray(wide[y : y + SIDE, x : x + SIDE])


def _boxes(file: Path) -> list[Box]:
    boxes = []
    for each in ElementTree.parse(file).iter("object"):
        left, top, right, bottom = (
            int(each.findtext(f"bndbox/{side}", "0")) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        boxes.append((each.findtext("name", ""), left, top, right, bottom))
    return boxes


def trained(name: str) -> None:
    """Trains a network, or goes on with it, and keeps it."""
    target, out, before = KEPT / f"{name}.safetensors", RUNS / name, None
    if target.exists():
        return
    for px, epochs, share in LARGE if name in LARGE_ONES else STAGES:
        run = out if px == STAGES[-1][0] else RUNS / f"{name}-{px}"
        words = ["--model", name] if before is None else ["--weights", str(before)]
        optimizer, rate = RATES.get(name, RATE)
        words += ["--resolution", str(px), "--epochs", str(epochs)]
        words += ["--optimizer", optimizer, "--lr", f"{share * rate:g}"]
        _train(run, epochs, *words, *COMMON)
        before = run
    network, header = load(out)
    command = f"python benchmarks/latency_networks.py DATA {name}"
    provenance = header.provenance.model_copy(update={"command": command, "data": "windows of BCCD", "parent": None})
    KEPT.mkdir(exist_ok=True)
    save(target, network, header.model_copy(update={"provenance": provenance}), half=True)


def _train(out: Path, epochs: int, *words: str) -> None:
    if (out / "done").exists():
        return
    begun = (out / STATE).exists()
    if not begun:
        shutil.rmtree(out, ignore_errors=True)
    if not begun or load_state(out).state.epoch < epochs:
        command = ["train", "--resume", str(out)] if begun else ["train", str(CELLS), "--out", str(out), *words]
        subprocess.run([sys.executable, "-m", "leannet", *command], check=True)
    (out / "done").touch()


def main() -> None:
    """Trains what is not trained yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    arguments = parser.parse_intermixed_args()
    if unknown := sorted(set(arguments.names) - set(NETWORKS)):
        parser.error(f"{unknown[0]}: expected some of {', '.join(NETWORKS)}")
    windows(arguments.data)
    for name in arguments.names or NETWORKS:
        trained(name)
        print(name, "trained", flush=True)


if __name__ == "__main__":
    main()
