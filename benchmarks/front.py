"""The front, measured: milliseconds on this machine against published accuracy, every light network of the zoo.

    python benchmarks/front.py [--threads 1] [--seconds 1.5]      # half an hour; leave the machine alone meanwhile
    python benchmarks/front.py --page                             # the page and the figure alone, from the results

A network stands at the sizes for which an accuracy on ImageNet is published, of all its trainings the best, with the
source; of MobileNetV1 and V2 those of 224 px and 160 px. It is timed as it is shipped (branches folded, batch norm
folded), one image at a time, in float32 (bfloat16 where the processor has it) and in 8-bit integers, in every engine
that is here, of which the fastest counts. Integers are timed with ranges that nothing was measured for: accuracy is
that of the float weights. Each finished network is a line of docs/benchmarks/front.jsonl; it goes on where it stopped.
"""

import argparse
import json
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from leannet.cost import count
from leannet.cost.published import Published
from leannet.cost.published_timm import most_accurate
from leannet.files import write_whole
from leannet.reports.comparison.point_labels import name_points
from leannet.rows.branches import shipped
from leannet.runtime import ENGINES, machine, measure
from leannet.runtime.engines import is_installed
from leannet.runtime.precisions import program, runs_in
from leannet.style import COLORS, INK, figure, plain_axes, write_figure
from leannet.zoo import architecture

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "front.jsonl"
HEAVY = 1_000_000_000  # mult-adds, above which a network is not light
SIZES = {"mobilenet_v1": (160, 224, 256), "mobilenet_v2": (160, 224)}  # of families with many
ENGINE_NAMES = ("onnxruntime", "openvino", "ncnn", "litert")
KINDS = {"float": ("float32", "bfloat16"), "int8": ("int8",)}


def networks() -> list[tuple[Published, str]]:
    """Each network at each size once, with the best accuracy that is published of it."""
    best = {key: value for key, value in most_accurate().items() if key[2] in SIZES.get(key[0], (key[2],))}
    light = [
        (row, source) for row, source in best.values()
        if count(shipped(architecture(row.name, row.width, row.resolution))).macs < HEAVY
    ]  # fmt: skip
    return sorted(light, key=lambda each: (each[0].name, each[0].width, each[0].resolution))


def timed(row: Published, source: str, threads: int, seconds: float) -> dict[str, Any]:
    """One network in every engine and precision, in turns."""
    rows = shipped(architecture(row.name, row.width, row.resolution))
    cost = count(rows)
    x = np.random.default_rng(0).normal(size=(1, *rows.input.shape)).astype(np.float32)
    ways = [
        (engine, precision)
        for engine in ENGINE_NAMES
        if is_installed(engine)
        for precision in ("float32", "bfloat16", "int8")
        if runs_in(precision, engine)
    ]
    runs = {way: partial(ENGINES[way[0]].prepare(program(rows, way[1], way[0]), threads), x) for way in ways}
    latencies = measure(runs, seconds * len(runs), threads=threads)
    return {
        "network": row.name, "width": row.width, "px": row.resolution, "top1": row.top1, "source": source,
        "weights": row.weights, "params": cost.params, "macs": cost.macs, "threads": threads,
        "ms": {f"{engine} {precision}": round(latencies[engine, precision].median_ms, 4) for engine, precision in ways},
        "machine": machine().line(), "versions": {name: ENGINES[name].version() for name in ENGINE_NAMES
                                                  if is_installed(name)},
    }  # fmt: skip


def fastest(line: dict[str, Any], kind: str) -> tuple[float, str]:
    """Milliseconds and engine of the fastest in float or in integers."""
    found = {way: ms for way, ms in line["ms"].items() if way.split()[1] in KINDS[kind]}
    way = min(found, key=lambda each: found[each])
    return found[way], way


def front(points: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Those that no other beats in both, by time."""
    kept: list[tuple[float, float, str]] = []
    for point in sorted(points, key=lambda each: (each[0], -each[1])):
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return kept


def label(line: dict[str, Any]) -> str:
    """A network's name with its width and size."""
    width = "" if line["width"] == 1 else f":{line['width']:g}"
    return f"{line['network']}{width}@{line['px']}"


def write(lines: list[dict[str, Any]]) -> None:
    """The page and the figure."""
    of = {kind: [(fastest(line, kind)[0], float(line["top1"]), label(line)) for line in lines] for kind in KINDS}
    fronts = {kind: front(points) for kind, points in of.items()}
    on = {kind: {name for _, _, name in kept} for kind, kept in fronts.items()}
    first = lines[0]
    sources = list(dict.fromkeys(line["source"] for line in lines))
    text = [
        "# The front: accuracy against milliseconds", "",
        f"Written by `python benchmarks/front.py`. {first['machine']}; {', '.join(first['versions'].values())}; "
        f"{first['threads']} thread{'s' if first['threads'] > 1 else ''}, one image at a time, median. Each network in "
        "the engine that is fastest for it, in float and in 8-bit integers; *: none that is as fast is more accurate. "
        "Top-1: published, of float weights, the best training of each; integers lose a little, which is not measured "
        "here.", "",
        "![accuracy against milliseconds](front.svg)", "",
        f"**In float** the front is {', '.join(name for _, _, name in fronts['float'])}.", "",
        f"**In 8-bit integers** it is {', '.join(name for _, _, name in fronts['int8'])}.", "",
        "| network | top-1 % | M mult-adds | M params | float, ms | engine | int8, ms | engine | source |",
        "|---|--:|--:|--:|--:|---|--:|---|--:|",
    ]  # fmt: skip
    for line in sorted(lines, key=lambda each: fastest(each, "float")[0]):
        cells = []
        for kind in KINDS:
            ms, way = fastest(line, kind)
            mark = " *" if label(line) in on[kind] else ""
            cells += [f"{ms:.2f}{mark}", way.removesuffix(" float32").removesuffix(" int8")]
        text.append(
            f"| {label(line)} | {line['top1']:.1f} | {line['macs'] / 1e6:.0f} | {line['params'] / 1e6:.2f} | "
            f"{' | '.join(cells)} | {sources.index(line['source']) + 1} |"
        )
    text += ["", *(f"{number}. {source}" for number, source in enumerate(sources, start=1))]
    write_whole(OUT.with_suffix(".md"), ("\n".join(text) + "\n").encode())
    draw(of, fronts, first)


def draw(
    of: dict[str, list[tuple[float, float, str]]], fronts: dict[str, list[tuple[float, float, str]]], first: Any
) -> None:
    """A point a network and precision, both fronts as steps, the networks on them named."""
    from matplotlib.ticker import LogLocator, NullFormatter

    with figure(11, 7) as canvas:
        axes = canvas.subplots()
        names, points, segments = [], [], []
        for number, kind in enumerate(KINDS):
            color = COLORS[number]
            axes.plot([ms for ms, _, _ in of[kind]], [top1 for _, top1, _ in of[kind]], linestyle="",
                      marker="os"[number], markersize=4, color=color, label=kind)  # fmt: skip
            kept = [(ms, top1) for ms, top1, _ in fronts[kind]]
            steps = [each for left, right in pairwise(kept) for each in (left, (right[0], left[1]))] + kept[-1:]
            axes.plot(*zip(*steps, strict=True), color=color, linewidth=1)
            segments += list(pairwise(steps))
            points += kept
            names += [name for _, _, name in fronts[kind]]
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"milliseconds an image, median, fastest engine\n{first['machine']}, {first['threads']} thread")
        axes.set_ylabel("published top-1 on ImageNet, %")
        axes.set_title("Light networks: published accuracy against measured time")
        axes.margins(x=0.08, y=0.08)
        axes.title.set_color(INK)
        plain_axes(axes)
        axes.legend(loc="lower right", frameon=False)
        every = [(ms, top1) for kind in KINDS for ms, top1, _ in of[kind]]
        name_points(canvas, axes, points, names, segments, 6.5, every)
        write_figure(canvas, OUT.with_suffix(".svg"))


def main() -> None:
    """Times what is not there yet, and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.5, help="Of each engine and precision.")
    parser.add_argument("--page", action="store_true")
    arguments = parser.parse_args()
    lines = [json.loads(line) for line in OUT.read_text().splitlines()] if OUT.exists() else []
    there = {(line["network"], line["width"], line["px"]) for line in lines}
    for row, source in networks() if not arguments.page else ():
        if (row.name, row.width, row.resolution) in there:
            continue
        lines.append(timed(row, source, arguments.threads, arguments.seconds))
        with OUT.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
        print(label(lines[-1]), lines[-1]["ms"], flush=True)
    write(lines)


if __name__ == "__main__":
    main()
