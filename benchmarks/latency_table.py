"""How well the sum of rows predicts a network's latency: random networks of a search space, predicted and timed.

    python benchmarks/latency_table.py [--engine onnxruntime] [--threads 1] [--seconds 240] [--no-runner]

The space around MobileNetV2 at 224 px: kernels of 3 and 5, expansions of 3 and 6, squeeze-and-excitation or none, width
and depth, in every stage on its own. All its rows are timed, the 10 networks that the overhead is fitted to, and those
that are predicted, in one go; of the latter the first 30 whose latency is within 30 % of the median count. float32, and
int8 with ranges that nothing was measured for, since time alone counts. Then the folder of `latency-table --emit` times
the same rows in an environment of its own, which has numpy and ONNX Runtime alone.

Leave the machine alone meanwhile: some fifteen minutes. Writes docs/benchmarks/latency_table.json
(`within_10_percent`, `median_error`, `spearman`: the worse of both precisions), .md and .svg.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import leannet
from leannet.files import write_whole
from leannet.nas.emitting import emit
from leannet.nas.spaces import space_of
from leannet.nas.tables import WITHIN, LatencyTable, Work, measure_table
from leannet.runtime import engine as engine_of
from leannet.style import COLORS, figure, plain_axes, write_figure

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "latency_table.json"
NETWORK = "mobilenet_v2"
FITTED, DRAWN, COUNTED, SPREAD = 10, 60, 30, 0.3
PRECISIONS = ("float32", "int8")
NOTABLE = 0.01  # of a network's latency: rows below are timer noise


def work_of(seed: int = 0) -> Work:
    """All rows of the space, the networks that the overhead is fitted to, and those that are predicted."""
    space, draw = space_of(leannet.architecture(NETWORK)), np.random.default_rng(seed)
    candidates = dict.fromkeys(space.random(draw) for _ in range(FITTED + DRAWN))
    return Work.of(space.covering(), [space.architecture(each) for each in candidates])


def measured(work: Work, engine: str, precision: str, threads: int, seconds: float) -> tuple[LatencyTable, Any]:
    """The table, and of the networks that count what was predicted and what was timed."""
    whole = measure_table(work, engine, precision, threads, seconds=seconds,
                          done=lambda number: print(f"  {number} of {len(work.networks)}", flush=True))  # fmt: skip
    table = replace(whole, checks=whole.checks[:FITTED])
    drawn = whole.checks[FITTED:]
    middle = median(each.measured_ms for each in drawn)
    near = [each for each in drawn if abs(each.measured_ms / middle - 1) <= SPREAD][:COUNTED]
    rows = {rows.name: rows for rows in work.wholes.values()}
    predicted = np.array([table.predict(rows[each.name]) for each in near])
    timed = np.array([each.measured_ms for each in near])
    errors = np.abs(predicted / timed - 1)
    return table, {
        "networks": len(near),
        "within_10_percent": float((errors <= WITHIN).mean()),
        "median_error": float(np.median(errors)),
        "largest_error": float(errors.max()),
        "spearman": float(spearmanr(predicted, timed).statistic),
        "predicted_ms": predicted.tolist(),
        "measured_ms": timed.tolist(),
    }


def elsewhere(work: Work, table: LatencyTable, seconds: float) -> dict[str, float]:
    """The same table by the folder that times itself: how far the rows that count are off, and whole predictions."""
    with tempfile.TemporaryDirectory() as place:
        folder, environment = Path(place) / "device", Path(place) / "env"
        setting = table.setting
        emit(work, folder, setting.engine, setting.precision, setting.threads)
        venv.create(environment, with_pip=True)
        version = engine_of(setting.engine).version().split()[1]
        python = str(environment / "bin" / "python")
        packages = [f"numpy=={np.__version__}", f"{setting.engine}=={version}"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        names = subprocess.run([python, "-m", "pip", "list", "--format", "freeze"], check=True, capture_output=True)
        print("  there:", names.stdout.decode().split(), flush=True)
        subprocess.run([python, "run.py", "--seconds", str(seconds)], check=True, cwd=folder)
        there = LatencyTable.load(folder / "latency_table.json")
    networks = list(work.wholes.values())
    whole = median(table.predict(each) for each in networks)
    rows = np.array([[table.rows[key], there.rows[key]] for key in table.rows if table.rows[key] > NOTABLE * whole])
    sums = np.array([[table.predict(each), there.predict(each)] for each in networks])
    return {
        "rows": len(rows),
        "rows_within_10_percent": float((np.abs(rows[:, 1] / rows[:, 0] - 1) <= WITHIN).mean()),
        "rows_median": float(np.median(rows[:, 1] / rows[:, 0])),
        "predictions_largest_error": float(np.abs(sums[:, 1] / sums[:, 0] - 1).max()),
    }


def draw(results: dict[str, Any], path: Path) -> None:
    """What was predicted against what was timed."""
    with figure(7, 3.4) as drawn:
        for place, precision in enumerate(PRECISIONS):
            axes = drawn.add_subplot(1, 2, place + 1)
            predicted, timed = (np.array(results[precision][name]) for name in ("predicted_ms", "measured_ms"))
            ends = np.array([min(predicted.min(), timed.min()) * 0.95, max(predicted.max(), timed.max()) * 1.05])
            axes.fill_between(ends, ends * (1 - WITHIN), ends * (1 + WITHIN), color=COLORS[1], alpha=0.15, lw=0)
            axes.plot(ends, ends, color=COLORS[1], lw=1)
            axes.scatter(timed, predicted, s=14, color=COLORS[0])
            axes.set_xlabel("timed, ms")
            axes.set_ylabel("predicted, ms")
            axes.set_title(precision)
            plain_axes(axes)
        write_figure(drawn, path)


def main() -> None:
    """Everything, once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--no-runner", action="store_true")
    arguments = parser.parse_args()
    work = work_of()
    results: dict[str, Any] = {}
    tables = {}
    for precision in PRECISIONS:
        print(precision, flush=True)
        tables[precision], results[precision] = measured(
            work, arguments.engine, precision, arguments.threads, arguments.seconds
        )
    setting = tables["float32"].setting
    results = {
        "setting": asdict(setting), "network": NETWORK, "rows": len(work.probes.rows),
        "within_10_percent": min(results[each]["within_10_percent"] for each in PRECISIONS),
        "median_error": max(results[each]["median_error"] for each in PRECISIONS),
        "spearman": min(results[each]["spearman"] for each in PRECISIONS),
        **results,
    }  # fmt: skip
    if not arguments.no_runner:
        results["runner"] = elsewhere(work, tables["float32"], arguments.seconds)
    write_whole(OUT, (json.dumps(results, indent=1) + "\n").encode())
    draw(results, OUT.with_suffix(".svg"))
    lines = [
        "# What rows say of networks", "", "![Predicted and timed latency](latency_table.svg)", "",
        f"Written by `python benchmarks/latency_table.py`: random networks of the space around {NETWORK} at 224 px "
        f"(kernel, expansion, squeeze, width and depth of every stage), within 30 % of one latency, predicted from a "
        f"table of {results['rows']} rows. {setting.line().replace(', float32', '')}.", "",
        "| precision | networks | within 10 % | median error | largest | Spearman |", "|---|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for precision in PRECISIONS:
        one = results[precision]
        lines.append(f"| {precision} | {one['networks']} | {100 * one['within_10_percent']:.0f} % | "
                     f"{100 * one['median_error']:.1f} % | {100 * one['largest_error']:.1f} % | "
                     f"{one['spearman']:.3f} |")  # fmt: skip
    if "runner" in results:
        one = results["runner"]
        lines += [
            "",
            "The folder that times itself, in an environment with numpy and ONNX Runtime alone: of the "
            f"{one['rows']} rows that take 1 % of a network or more {100 * one['rows_within_10_percent']:.0f} % agree "
            f"within 10 %, their median ratio is {one['rows_median']:.3f}, and its predictions of networks are off by "
            f"{100 * one['predictions_largest_error']:.1f} % at most.",
        ]
    write_whole(OUT.with_suffix(".md"), ("\n".join(lines) + "\n").encode())
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
