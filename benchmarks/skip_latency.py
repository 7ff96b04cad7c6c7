"""What skipping saves: milliseconds over mult-adds, with forced patterns of skipped blocks.

    python benchmarks/skip_latency.py [--seconds 4]      # ten minutes; leave the machine alone meanwhile

ResNet-50 at 224 px with SkipNet's recurrent gates, one thread. Each pattern is forced by thresholds of 0 (runs) and 1
(skipped): none, every fourth gate skips, every second, all. Of each engine the share of the milliseconds that a pattern
saves, against the same network that skips nothing, over the share of the mult-adds that it saves; the least of the
patterns counts. Branches (If in ONNX, IF in LiteRT) for one image; torch for one and, gathered, for 32. Then what
gates that skip nothing cost over the plain network, and MobileNetV2, whose gates decide for up to three blocks of a
stage, with half of them skipping over its plain form. Writes docs/benchmarks/skip_latency.json and
docs/benchmarks/skip_latency.md, or what `--out` names.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import leannet
from leannet.cost.skipping import skipping
from leannet.files import write_whole
from leannet.rows import Architecture
from leannet.rows.gating import decisions, gated
from leannet.runtime import ENGINES, Program, machine, measure, numpy_weights

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "skip_latency.json"
GROUPS = {"mobilenet_v2": 3}  # light blocks, of which a skip costs as much as of heavy ones
ENGINE_NAMES = ("torch", "onnxruntime", "openvino", "litert")
# Which gates skip, of a number of them.
PATTERNS = {
    "none": lambda number: set[int](),
    "every fourth": lambda number: set(range(0, number, 4)),
    "every second": lambda number: set(range(0, number, 2)),
    "all": lambda number: set(range(number)),
}


def forced(rows: Architecture, pattern: str) -> tuple[Architecture, float]:
    """The rows with decisions that do not depend on the image, and the mult-adds of an image over those of all rows."""
    names = [name for name, _ in decisions(rows)]
    skipped = PATTERNS[pattern](len(names))
    cost = skipping(rows)
    assert cost is not None
    decided = {name: number not in skipped for number, name in enumerate(names)}
    table = rows.edit({name: {"threshold": 0.0 if runs else 1.0} for name, runs in decided.items()})
    return table, cost.of(decided) / cost.total


def weights_of(rows: Architecture) -> dict[str, Any]:
    """Fresh ones. Scores are then a half and a little, above 0 and below 1."""
    return numpy_weights(leannet.build(rows).eval().state_dict())


def timed(base: str, engine: str, batch: int, seconds: float) -> dict[str, Any]:
    """Milliseconds of the plain network and of each pattern, in turns."""
    plain = leannet.architecture(base)
    rows = gated(plain, "recurrent", GROUPS.get(base, 1))
    weights, shares = weights_of(rows), {}
    of_plain = {key: value for key, value in weights.items() if key in plain.parameters}
    x = np.random.default_rng(0).normal(size=(batch, *plain.input.shape)).astype(np.float32)
    runs = {"plain": partial(ENGINES[engine].prepare(Program(plain, of_plain), 1), x)}
    for pattern in PATTERNS:
        table, shares[pattern] = forced(rows, pattern)
        runs[pattern] = partial(ENGINES[engine].prepare(Program(table, weights, branches="one"), 1), x)
    latencies = measure(runs, seconds * len(runs), threads=1)
    ms = {name: latency.median_ms for name, latency in latencies.items()}
    saved = {name: (1 - ms[name] / ms["none"]) / (1 - share) for name, share in shares.items() if share < 1}
    return {
        "network": base, "engine": engine, "batch": batch, "ms": ms, "macs": shares,
        "saved_share": min(saved.values()), "saved_shares": saved, "overhead": ms["none"] / ms["plain"] - 1,
        "half_over_plain": ms["every second"] / ms["plain"],
    }  # fmt: skip


def main() -> None:
    """Everything, once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each network and pattern")
    parser.add_argument("--out", type=Path, default=OUT, help="JSON, with a page beside it. Default: docs/benchmarks")
    arguments = parser.parse_args()
    lines = []
    for base, engine, batch in (
        *(("resnet50", engine, 1) for engine in ENGINE_NAMES),
        ("resnet50", "torch", 32),
        *(("mobilenet_v2", engine, 1) for engine in ENGINE_NAMES),
    ):
        lines.append(timed(base, engine, batch, arguments.seconds * (1 if batch == 1 else 8)))
        print(json.dumps(lines[-1]), flush=True)
    of = {(line["network"], line["engine"], line["batch"]): line for line in lines}
    results = {
        **{f"saved_share_batch1_{engine}": of["resnet50", engine, 1]["saved_share"] for engine in ENGINE_NAMES},
        "saved_share_batch32_torch": of["resnet50", "torch", 32]["saved_share"],
        "overhead": max(of["resnet50", engine, 1]["overhead"] for engine in ("onnxruntime", "litert")),
        "mobilenet_v2_half": of["mobilenet_v2", "onnxruntime", 1]["half_over_plain"],
        "lines": lines,
        "machine": machine().line(),
    }
    write_whole(arguments.out, (json.dumps(results, indent=1) + "\n").encode())
    write_whole(arguments.out.with_suffix(".md"), page(results).encode())


def page(results: dict[str, Any]) -> str:
    """docs/benchmarks/skip_latency.md."""
    text = [
        "# What skipping saves", "",
        "Written by `python benchmarks/skip_latency.py`: recurrent gates, forced patterns, 224 px, one thread, median "
        f"milliseconds, in turns. {results['machine']}. In brackets the share of the milliseconds saved over the share "
        "of the mult-adds saved, both against the same network that skips nothing.", "",
        "| network | engine | images | plain | " + " | ".join(f"{name} skips" for name in PATTERNS) + " |",
        "|---|---|--:|--:|" + "--:|" * len(PATTERNS),
    ]  # fmt: skip
    for line in results["lines"]:
        cells = [
            f"{line['ms'][name]:.1f}" + (f" ({line['saved_shares'][name]:.2f})" if name in line["saved_shares"] else "")
            for name in PATTERNS
        ]
        text.append(
            f"| {line['network']} | {line['engine']} | {line['batch']} | {line['ms']['plain']:.1f} | "
            f"{' | '.join(cells)} |"
        )
    shares = " | ".join(f"{share:.3f}" for share in results["lines"][0]["macs"].values())
    text += ["", "Mult-adds of ResNet-50 over those of all its rows:", "", f"| {' | '.join(PATTERNS)} |",
             "|" + "--:|" * len(PATTERNS), f"| {shares} |"]  # fmt: skip
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
