"""Whether a change of the code changed the artifacts of the six kept networks: by another commit and by this one.

    python benchmarks/artifacts.py DATA --before SRC     # half an hour; goes on where it stopped

DATA: BCCD, a Pascal VOC folder. SRC: the folder `src` of the other commit, run with the same packages. Both export each
network of benchmarks/networks as float32 and quantize it, for ONNX Runtime, OpenVINO and LiteRT. Floats are compared by
what they answer to 50 windows of other blood smears, over the largest answer; integers by how many of 2,000 get the
same class; and all by their milliseconds, in turns, one thread. Writes docs/benchmarks/artifacts.json and .md.
"""

import argparse
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
from latency_networks import CELLS, KEPT, NETWORKS, RUNS, windows
from peers import ROOT
from PIL import Image

from leannet.artifact import open_artifact
from leannet.artifact.artifact import Artifact
from leannet.files import write_whole
from leannet.runtime import machine, measure

OUT = ROOT / "docs" / "benchmarks" / "artifacts.json"
ENGINES = ("onnxruntime", "openvino", "litert")
FLOATS, BATCH, SECONDS = 50, 50, 8
MAKE = """
import sys
from pathlib import Path
import leannet
from leannet.artifact.exporting import export_folder
network, cells, folder = map(Path, sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
if not (folder / "float.onnx").exists():
    leannet.export(network, folder / "float.onnx")
if not (folder / "float").exists():
    export_folder(network, "litert", folder / "float")
for engine in ("onnxruntime", "openvino", "litert"):
    target = folder / ("int8" if engine == "litert" else f"int8-{engine}.onnx")
    if not target.exists():
        leannet.quantize(network, str(cells), target, engine, max_drop=100, min_agreement=0, quiet=True)
"""


def artifact(folder: Path, precision: str, engine: str) -> Artifact:
    """Of a commit's folder."""
    if engine == "litert":
        return open_artifact(folder / precision)
    return open_artifact(folder / ("float.onnx" if precision == "float" else f"int8-{engine}.onnx"))


def line_of(
    name: str, precision: str, engine: str, folders: dict[str, Path], shown: list[Image.Image]
) -> dict[str, Any]:
    """How far two artifacts agree, and what the newer takes over the older."""
    both = {who: artifact(folder / name, precision, engine) for who, folder in folders.items()}
    some = shown[: FLOATS if precision == "float" else None]
    outputs = {
        who: np.concatenate(
            [each.outputs(some[at : at + BATCH], engine, threads=2) for at in range(0, len(some), BATCH)]
        )
        for who, each in both.items()
    }
    before, now = outputs["before"], outputs["now"]
    x = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    latencies = measure({who: partial(each.run(engine, 1), x) for who, each in both.items()}, SECONDS, least_runs=20)
    ms = {who: latency.median_ms for who, latency in latencies.items()}
    return {
        "network": name, "precision": precision, "engine": engine,
        "difference": float(np.abs(before - now).max() / np.abs(before).max()),
        "same_class": float((before.argmax(1) == now.argmax(1)).mean()),
        "images": len(some), "ms": ms, "ratio": ms["now"] / ms["before"],
    }  # fmt: skip


def page(results: dict[str, Any]) -> str:
    """The table."""
    text = [
        "# Artifacts, before and after", "",
        f"Written by `python benchmarks/artifacts.py DATA --before SRC`; {results['machine']}, one thread, medians in "
        f"turns. Before: commit {results['before']}. The largest difference of floats is over the largest answer; "
        "integers are compared by class.", "",
        "| network | precision | engine | largest difference | same class | ms before | now | ratio |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for line in results["lines"]:
        text.append(
            f"| {line['network']} | {line['precision']} | {line['engine']} | {line['difference']:.1e} | "
            f"{100 * line['same_class']:.2f} % of {line['images']} | {line['ms']['before']:.2f} | "
            f"{line['ms']['now']:.2f} | {line['ratio']:.3f} |"
        )
    text += [
        "", f"Milliseconds now over before: {results['ratio']:.3f} in the geometric mean, "
        f"{results['ratio_worst']:.3f} in the worst line. Floats differ by {results['difference']:.1e} at most; of "
        f"integers {100 * results['same_class']:.2f} % or more give the same class.",
    ]  # fmt: skip
    return "\n".join(text) + "\n"


def main() -> None:
    """Makes, compares, times and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--before", type=Path, metavar="SRC", required=True)
    parser.add_argument("--commit", default="", help="the other commit's name, for the page")
    arguments = parser.parse_args()
    windows(arguments.data)
    sources = {"before": arguments.before.resolve(), "now": ROOT / "src"}
    folders = {who: RUNS / "artifacts_of" / who for who in sources}
    shown = [Image.open(file) for file in sorted((CELLS / "test").glob("*/*.png"))]
    partial_lines = RUNS / "artifacts_of" / "lines.jsonl"
    lines: list[dict[str, Any]] = []
    if partial_lines.exists():
        lines = [json.loads(line) for line in partial_lines.read_text().splitlines()]
    for name in NETWORKS:
        for who, source in sources.items():
            command = [sys.executable, "-c", MAKE, KEPT / f"{name}.safetensors", CELLS, folders[who] / name]
            subprocess.run(list(map(str, command)), check=True, env=os.environ | {"PYTHONPATH": str(source)})
        for precision in ("float", "int8"):
            for engine in ENGINES:
                key = {"network": name, "precision": precision, "engine": engine}
                if any(key.items() <= line.items() for line in lines):
                    continue
                lines.append(line_of(name, precision, engine, folders, shown))
                with partial_lines.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
                print(json.dumps(lines[-1]), flush=True)
    results = {
        "machine": machine().line(), "before": arguments.commit, "lines": lines,
        "ratio": geometric_mean(line["ratio"] for line in lines), "ratio_worst": max(line["ratio"] for line in lines),
        "difference": max(line["difference"] for line in lines if line["precision"] == "float"),
        "same_class": min(line["same_class"] for line in lines if line["precision"] == "int8"),
    }  # fmt: skip
    write_whole(OUT, (json.dumps(results, indent=1) + "\n").encode())
    write_whole(OUT.with_suffix(".md"), page(results).encode())
    partial_lines.unlink()


if __name__ == "__main__":
    main()
