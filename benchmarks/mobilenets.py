"""Milliseconds of all MobileNets, and their small relatives, on this machine: every engine, floats and integers.

    python benchmarks/mobilenets.py        # six minutes; leave the machine alone meanwhile

The table of `leannet bench`, written down: 224 px, 1,000 classes, one image at a time, in turns, one and two threads.
Integers are timed with ranges that nothing was measured for; bfloat16 where the processor has it. Writes
docs/benchmarks/mobilenets.json and .md, or what `--out` names.
"""

import argparse
import json
from pathlib import Path

from leannet.benchmark import Timed, bench
from leannet.runtime import ENGINES
from leannet.runtime.precisions import PRECISIONS, runs_in

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "mobilenets.json"
NETWORKS = (
    "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_large_minimal", "mobilenet_v3_small",
    "mobilenet_v3_small_minimal", "shufflenet_v1_g3", "shufflenet_v2", "squeezenet_1_1", "nasnet_a_mobile",
)  # fmt: skip
WAYS = (
    ("torch", "float32"), ("onnxruntime", "float32"), ("openvino", "float32"), ("ncnn", "float32"),
    ("litert", "float32"), ("openvino", "bfloat16"),
    ("onnxruntime", "int8"), ("openvino", "int8"), ("litert", "int8"),
)  # fmt: skip


def main() -> None:
    """Times and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="JSON, with a page beside it. Default: docs/benchmarks")
    out = parser.parse_args().out
    precisions = [each for each in PRECISIONS if any(runs_in(each, engine) for engine in ENGINES)]
    results = bench(NETWORKS, precisions=precisions, threads=(1, 2), seconds=150, memory=False, progress=print)
    ways = [(engine, precision) for engine, precision in WAYS if runs_in(precision, engine)]
    out.write_text(json.dumps(results.to_dict(), indent=1) + "\n")
    versions = list(dict.fromkeys(each.engine for each in results.timed))
    lines = [
        "# MobileNets on a processor", "",
        f"Written by `python benchmarks/mobilenets.py`. {results.machine.line()}; {', '.join(versions)}. One image of "
        "224 px, 1,000 classes, median milliseconds (p90), all in turns. Integers: time alone. GFLOP/s: of the fastest "
        "float32, 2 for a mult-add; beside it its share of what the machine does with 768 x 768 matrices.",
    ]  # fmt: skip
    for threads in (1, 2):
        lines += ["", f"## {threads} thread{'s' if threads > 1 else ''}", ""]
        lines.append(
            "| network | M mult-adds | " + " | ".join(f"{name}, {kind}" for name, kind in ways) + " | GFLOP/s |"
        )
        lines.append("|---|--:|" + "--:|" * (len(ways) + 1))
        for network in NETWORKS:
            here = [each for each in results.timed if each.what == network and each.threads == threads]
            cells = [_cell(here, *way) for way in ways]
            best = max((each for each in here if each.precision == "float32"), key=lambda each: each.gflops)
            share = f"{best.gflops:.0f} ({100 * best.gflops / best.matrix_gflops:.0f} %)"
            lines.append(f"| {network} | {here[0].macs / 1e6:.1f} | {' | '.join(cells)} | {share} |")
    out.with_suffix(".md").write_text("\n".join(lines) + "\n")


def _cell(timed: list[Timed], engine: str, precision: str) -> str:
    for each in timed:
        if each.engine.startswith(engine) and each.precision == precision:
            return f"{each.latency.median_ms:.2f} ({each.latency.p90_ms:.2f})"
    return "-"


if __name__ == "__main__":
    main()
