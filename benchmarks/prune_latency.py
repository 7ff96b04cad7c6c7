"""MobileNetV2 made smaller, then integers, then as fast as it can be: accuracy, bytes and milliseconds at every step.

    python benchmarks/prune_latency.py DATA            # trains an hour, then times; goes on where it stopped

DATA: BCCD, blood smears as a Pascal VOC folder. benchmarks/networks/mobilenet_v2 at 224 px, as latency_networks.py
trained it on windows of them, is pruned by the defaults of `leannet prune` to half its mult-adds and trained on, then
quantized, then exported by `export --fastest`. Accuracy is that of the 2,000 windows of `test`, which nothing was
chosen by. Everything is timed in turns, batch 1, with one thread and with two, each when the threads of all others
sleep, beside the float32 ONNX files of timm's and torchvision's MobileNetV2 in the engine that is faster. Leave the
machine alone while it times. Writes docs/benchmarks/prune_latency.json and .md.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
from latency import CLASSES, PEERS, Peers, in_turns, joined, timed
from latency_networks import CELLS, KEPT, windows
from peers import ROOT
from PIL import Image

import leannet
from leannet.artifact import open_artifact
from leannet.checkpoint import load
from leannet.cost import count
from leannet.files import write_whole
from leannet.header import bytes_on_disk
from leannet.runtime import ENGINES, Program, machine
from leannet.runtime.latency import summarize

NAME = "mobilenet_v2"
BASE = KEPT / f"{NAME}.safetensors"
RUNS = ROOT / "runs" / "prune_latency"
OUT = ROOT / "docs" / "benchmarks" / "prune_latency.json"
BATCH = 50
FLOATS = ("onnxruntime", "openvino")  # the engines that the float32 networks are timed in
COMMANDS = (
    "leannet prune benchmarks/networks/mobilenet_v2.safetensors CELLS --macs 50% --out runs/prune_latency/pruned",
    "leannet quantize runs/prune_latency/pruned CELLS --max-drop 0.5 --out int8.onnx",
    "leannet export runs/prune_latency/pruned CELLS --fastest --out fastest.onnx",
)


def leannet_run(*words: object) -> None:
    """A verb in a process of its own."""
    subprocess.run([sys.executable, "-m", "leannet", *map(str, words)], check=True)


def pruned() -> Path:
    """The run that half the mult-adds are left of."""
    run = RUNS / "pruned"
    if (run / "done").exists():
        return run
    if (run / "prune.json").exists():
        leannet_run("prune", "--resume", run)
    else:
        shutil.rmtree(run, ignore_errors=True)
        leannet_run("prune", BASE, CELLS, "--macs", "50%", "--out", run)
    (run / "done").touch()
    return run


def artifacts(run: Path) -> dict[str, tuple[Path, str]]:
    """Of each step the artifact and the engine that it is for."""
    steps: dict[str, tuple[Path, str]] = {}
    for label, source in (("original", BASE), ("pruned", run)):
        file = RUNS / f"{label}.onnx"
        if not file.exists():
            leannet.export(source, file)
        for engine in FLOATS:
            steps[f"{label} float32, {engine}"] = file, engine
    for engine in FLOATS:
        for label, source in (("original", BASE), ("pruned", run)):
            file = RUNS / f"{label}-int8-{engine}.onnx"
            if not file.exists():
                leannet_run("quantize", source, CELLS, "--engine", engine, "--max-drop", "0.5", "--out", file)
            steps[f"{label} int8, {engine}"] = file, engine
    for threads in (1, 2):
        file = RUNS / f"fastest-{threads}.onnx"
        if not file.exists():
            leannet_run("export", run, CELLS, "--fastest", "--threads", threads, "--out", file)
        steps[f"pruned --fastest --threads {threads}"] = file, open_artifact(file).engines[0]
    return steps


def accuracy(file: Path, engine: str) -> float:
    """On the windows of `test`."""
    artifact = open_artifact(file)
    files = sorted((CELLS / "test").glob("*/*.png"))
    truths = np.array([artifact.header.classes.index(each.parent.name) for each in files])
    shown = [Image.open(each) for each in files]
    outputs = [artifact.outputs(shown[at : at + BATCH], engine, threads=2) for at in range(0, len(shown), BATCH)]
    return float((np.concatenate(outputs).argmax(axis=1) == truths).mean())


def measured(steps: dict[str, tuple[Path, str]], threads: int) -> dict[str, dict[str, float]]:
    """Milliseconds of all, in turns, the peers' exports among them."""
    peers = Peers(ROOT / "runs" / "latency" / "peers")
    candidates: dict[str, Callable[[], list[float]]] = {
        label: timed(open_artifact(file).run(engine, threads), threads) for label, (file, engine) in steps.items()
    }
    table = leannet.architecture(NAME, classes=CLASSES)
    for library, theirs in PEERS[NAME].items():
        exported = Program.of_file(table, (ROOT / "runs/latency/peers" / f"{library}-{theirs}.onnx").read_bytes())
        for engine in FLOATS:
            label = f"{library} exported, {engine}"
            candidates[label] = timed(ENGINES[engine].prepare(exported, threads), threads)
    turns = in_turns(candidates, peers)
    peers.process.kill()
    return {label: summarize(times).to_dict() for label, times in joined(turns).items()}


def ratios(times: dict[str, dict[str, Any]], accuracies: dict[str, float]) -> dict[str, float]:
    """What docs promise."""
    one = {label: each["median_ms"] for label, each in times["1"].items()}
    result = {
        f"ratio_{engine}": one[f"pruned float32, {engine}"] / one[f"original float32, {engine}"] for engine in FLOATS
    }
    original = accuracies["original float32, onnxruntime"]
    good = [label for label, value in accuracies.items() if label.startswith("pruned") and original - value <= 0.005]
    shares = []
    for threads in ("1", "2"):
        of = {label: each["median_ms"] for label, each in times[threads].items()}
        best = min(ms for label, ms in of.items() if "exported" in label)
        shares.append(min((of[label] for label in good), default=float("nan")) / best)
    result["ratio_pruned_int8"] = geometric_mean(shares)
    result["points_lost"] = 100 * (original - accuracies["pruned float32, onnxruntime"])
    return result


def page(results: dict[str, Any]) -> str:
    """The results as a page."""
    lines = [
        "# MobileNetV2, pruned, as integers, as fast as it can be", "",
        "Written by `python benchmarks/prune_latency.py DATA`: 224 px, four classes of blood-cell windows, accuracy on "
        f"2,000 held-out ones, milliseconds of one image, median, in turns; {results['line']}. The commands:", "",
        *(f"    {command}" for command in COMMANDS), "",
        "| | mult-adds | bytes | accuracy | 1 thread | 2 threads |", "|---|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for label in results["times"]["1"]:
        step = results["steps"].get(label, {})
        macs = f"{step['macs'] / 1e6:.0f} M" if step else ""
        size = f"{step['bytes'] / 1e6:.2f} MB" if step else ""
        right = f"{100 * step['accuracy']:.2f} %" if step else ""
        one, two = (results["times"][threads][label]["median_ms"] for threads in ("1", "2"))
        lines.append(f"| {label} | {macs} | {size} | {right} | {one:.2f} ms | {two:.2f} ms |")
    words = {
        "ratio_onnxruntime": "pruned over original, float32, one thread, ONNX Runtime",
        "ratio_openvino": "the same in OpenVINO",
        "ratio_pruned_int8": "the fastest of the pruned within 0.5 points of the original, over the fastest float32 "
        "export of timm and torchvision, geometric mean of one and two threads",
        "points_lost": "points that the pruned network lost, float32",
    }
    lines += [
        "",
        "| | |",
        "|---|--:|",
        *(f"| {words[name]} | {value:.2f} |" for name, value in results["ratios"].items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Makes what is not made yet, times all and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=OUT, help="JSON, with a page beside it. Default: docs/benchmarks")
    arguments = parser.parse_args()
    windows(arguments.data)
    RUNS.mkdir(parents=True, exist_ok=True)
    run = pruned()
    steps = artifacts(run)
    macs = {"original": count(load(BASE)[1].architecture).macs, "pruned": count(load(run)[1].architecture).macs}
    facts = {
        label: {
            "bytes": bytes_on_disk(file), "macs": macs[label.split()[0]], "engine": engine,
            "accuracy": accuracy(file, engine),
        }
        for label, (file, engine) in steps.items()
    }  # fmt: skip
    times = {str(threads): measured(steps, threads) for threads in (1, 2)}
    accuracies = {label: step["accuracy"] for label, step in facts.items()}
    results = {
        "machine": machine().to_dict(), "line": machine().line(), "steps": facts, "times": times,
        "ratios": ratios(times, accuracies),
    }  # fmt: skip
    results |= results["ratios"]
    write_whole(arguments.out, (json.dumps(results, indent=1) + "\n").encode())
    write_whole(arguments.out.with_suffix(".md"), page(results).encode())
    print(page(results))


if __name__ == "__main__":
    main()
