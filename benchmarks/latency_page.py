"""The page and the figure of `latency`: `python benchmarks/latency_page.py RESULTS.json` writes them alone."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from leannet.files import write_whole
from leannet.runtime import Machine
from leannet.style import COLORS, figure, plain_axes, write_figure

OURS = ("onnxruntime", "openvino", "litert")  # what leannet's artifacts run in
TURNS = 60
AGREEMENT = 0.9925  # of what chooses, so that 0.99 holds on other images too
EAGER, EXPORTED = "#c9c9c9", "#8c8c8c"
RATIOS = ("ratio_eager", "ratio_best_fp32", "ratio_best_fp32_any")


def agrees(facts: dict[str, Any]) -> bool:
    """Whether an artifact may be chosen."""
    return "cost" not in facts or facts["cost"]["agreement_of_choice"] >= AGREEMENT


def write(results: dict[str, Any], out: Path) -> None:
    """The JSON, and the page and the figure beside it."""
    cells = [cell for each in results["networks"].values() for cell in each["threads"].values()]
    for ratio in RATIOS:
        results[ratio] = geometric_mean(cell[ratio] for cell in cells)
    results["ratio_worst"] = max(cell["ratio_best_fp32"] for cell in cells)
    results["agreement"] = min(cell["agreement"] for cell in cells)
    write_whole(out, (json.dumps(results, indent=1) + "\n").encode())
    _draw(results, out.with_suffix(".svg"))
    lines = [*_summary(results, out.stem), *_latencies(results), *_rounding(results)]
    write_whole(out.with_suffix(".md"), ("\n".join(lines) + "\n").encode())


def _medians(cell: dict[str, Any], *words: str) -> list[float]:
    """Milliseconds of what has all of the words in its label."""
    latencies = cell["latency"].items()
    return [latency["median_ms"] for label, latency in latencies if all(word in label for word in words)]


def _title(threads: str) -> str:
    return f"{threads} thread{'s' if threads != '1' else ''}"


def _summary(results: dict[str, Any], name: str) -> Iterator[str]:
    yield "# Latency, against timm and torchvision"
    yield ""
    yield (
        "Written by `python benchmarks/latency.py DATA`; networks of `python benchmarks/latency_networks.py DATA`. One "
        "image of 224 px, four classes, median milliseconds over "
        f"{TURNS // 2} turns, all networks of a line in turns. {Machine(**results['machine']).line()}; "
        f"{', '.join(results['versions'])}."
    )
    yield ""
    yield (
        f"The chosen artifact takes {results['ratio_eager']:.2f} of the time of the peers' fastest eager network and "
        f"{results['ratio_best_fp32']:.2f} of that of the fastest of their float32 exports (geometric means over all "
        f"lines; {results['ratio_worst']:.2f} in the worst), and agrees with its float original on "
        f"{100 * results['agreement']:.2f} % or more of 2,000 images. The fastest of all, whatever it costs, takes "
        f"{results['ratio_best_fp32_any']:.2f} of the best export."
    )
    yield ""
    yield f"![milliseconds of the peers, eager and exported, and of what leannet chose]({name}.svg)"


def _latencies(results: dict[str, Any]) -> Iterator[str]:
    for threads in ("1", "2"):
        yield from ("", f"## {_title(threads)}", "")
        yield (
            "| network | peers eager | peers exported: ORT | OpenVINO | float32: ORT | OpenVINO | LiteRT "
            "| bfloat16: OpenVINO | int8: ORT | OpenVINO | LiteRT | mixed | chosen | of eager | of the best export |"
        )
        yield f"|---{'|--:' * 11}|---|--:|--:|"
        for name, each in results["networks"].items():
            cell = each["threads"][threads]
            columns: list[tuple[str, ...]] = [("eager",), ("exported", "onnxruntime"), ("exported", "openvino")]
            columns += [(f"leannet float32, {engine}",) for engine in OURS]
            columns += [("leannet bfloat16",), *((f"leannet int8, {engine}",) for engine in OURS), ("leannet mixed",)]
            timed = [_medians(cell, *words) for words in columns]
            parts = [name, *(f"{min(milliseconds):.2f}" if milliseconds else "-" for milliseconds in timed)]
            parts += [cell["chosen"].removeprefix("leannet ")]
            parts += [f"{cell[ratio]:.2f}" for ratio in RATIOS[:2]]
            yield f"| {' | '.join(parts)} |"


def _rounding(results: dict[str, Any]) -> Iterator[str]:
    yield from ("", "## What rounding costs", "")
    yield (
        "Windows of 160 px of blood smears (BCCD), enlarged to 224, and what is in the middle of each: a red cell, a "
        "white one, a platelet, or none of these. Accuracy and points lost are of images of smears that nothing was "
        f"trained on; what may be chosen keeps the class of {100 * AGREEMENT:.2f} % of them. Agreement is of 2,000 of "
        "still other smears. Mixed: integers, but for as many of the layers that do most harm as that takes. Over "
        "float32: faster (below 1) or slower than the same engine's float32, with one and with two threads."
    )
    yield ""
    yield (
        "| network | precision | engine | layers in float | may be chosen | accuracy, float32 | points lost "
        "| agreement | over float32: 1 thread | 2 threads |"
    )
    yield "|---|---|---|--:|---|--:|--:|--:|--:|--:|"
    for name, each in results["networks"].items():
        for label, facts in each["cost"].items():
            over = [f"{each['threads'][number]['over_float32'][label]:.2f}" for number in ("1", "2")]
            able, floats = "yes" if agrees({"cost": facts}) else "no", facts["layers_in_float"] or ""
            parts = [name, facts["precision"], facts["engine"], floats, able, f"{100 * facts['accuracy']:.1f} %"]
            parts += [f"{facts['drop_points']:+.2f}", f"{100 * facts['agreement']:.2f} %", *over]
            yield f"| {' | '.join(map(str, parts))} |"


def _draw(results: dict[str, Any], path: Path) -> None:
    """A panel for each number of threads: the peers' fastest, eager and exported, and what was chosen."""
    with figure(9.5, 6.5) as drawn:
        panels = drawn.subplots(2, 1, sharex=True)
        for axes, threads in zip(panels, ("1", "2"), strict=True):
            cells = [each["threads"][threads] for each in results["networks"].values()]
            bars = {
                ("timm or torchvision, eager", EAGER): [min(_medians(cell, "eager")) for cell in cells],
                ("their float32, exported", EXPORTED): [min(_medians(cell, "exported")) for cell in cells],
                ("leannet, as chosen", COLORS[0]): [_medians(cell, cell["chosen"])[0] for cell in cells],
            }
            for place, ((label, color), heights) in enumerate(bars.items()):
                drawn_bars = axes.bar([x + 0.28 * (place - 1) for x in range(len(cells))], heights, 0.26, color=color)
                axes.bar_label(drawn_bars, fmt="%.1f", fontsize=8, padding=1)
                drawn_bars.set_label(label)
            axes.set_title(_title(threads), loc="left", fontsize=11)
            axes.set_ylabel("ms an image")
            axes.tick_params(axis="x", length=0)
            plain_axes(axes)
        panels[0].legend(frameon=False)
        names = [name.replace("_torchvision", "").replace("_", "\n", 1) for name in results["networks"]]
        panels[1].set_xticks(range(len(names)), names)
        write_figure(drawn, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    results = parser.parse_args().results
    write(json.loads(results.read_text()), results)
