"""Whether an engine takes in turns with others what it takes alone: two threads, every engine, float32 and integers.

    python benchmarks/turns.py        # half an hour; leave the machine alone meanwhile

Threads of a pool spin on after a run, ONNX Runtime's for some 40 ms, and take the core of whoever is timed next.
`leannet bench` and what else times in turns waits until they sleep. Here each way of running a network (engine and
precision) is timed in a process of its own, then all of them in turns in one process: as leannet does, and as it did
once, with a rest of 20 ms in place of the waiting and 4 ms of runs before the one that counts in place of 50. One image
of 224 px, 1,000 classes, medians; of each ratio the median over the rounds. Each is timed alone before and after, so
that how far two such times are apart says what the machine lets anyone tell. Writes docs/benchmarks/turns.json and .md,
or what `--out` names.
"""

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import numpy as np

from leannet.files import write_whole
from leannet.runtime import ENGINES, engine, latency, machine, measure
from leannet.runtime.precisions import program, runs_in
from leannet.what import resolve

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "turns.json"
NETWORKS = (
    "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "shufflenet_v2", "squeezenet_1_1",
)  # fmt: skip
WAYS = tuple(
    (name, precision)
    for precision in ("float32", "int8") for name in ENGINES if runs_in(precision, name)
)  # fmt: skip
THREADS, WITHIN = 2, 0.05
REST = 0.02


def time_ways(network: str, ways: list[list[str]], seconds: float, rest: bool) -> list[float]:
    """Median milliseconds of each way, in turns. rest: 20 ms before each, whatever other threads do."""
    if rest:
        vars(latency).update(wait_until_quiet=lambda: time.sleep(REST))
        latency.WARM_SECONDS_OF_SEVERAL = latency.WARM_SECONDS
    table = resolve(network)
    x = np.random.default_rng(0).normal(size=(1, *table.input.shape)).astype(np.float32)
    runs = {
        index: partial(engine(name).prepare(program(table, precision, name), THREADS), x)
        for index, (name, precision) in enumerate(ways)
    }
    return [timed.median_ms for timed in measure(runs, seconds, least_runs=20, threads=THREADS).values()]


def in_a_process(network: str, ways: list[tuple[str, str]], seconds: float, rest: bool = False) -> list[float]:
    """The same in a process of its own."""
    task = json.dumps({"network": network, "ways": ways, "seconds": seconds, "rest": rest})
    done = subprocess.run([sys.executable, __file__, "--task", task], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return list(json.loads(done.stdout.splitlines()[-1]))


def round_of(network: str, seconds: float) -> dict[str, dict[str, float]]:
    """Milliseconds of each way: alone, in turns, in turns with a rest, and alone again."""
    ways = list(WAYS)
    alone = [in_a_process(network, [way], seconds)[0] for way in ways]
    turns = in_a_process(network, ways, seconds * len(ways))
    rests = in_a_process(network, ways, seconds * len(ways), rest=True)
    again = [in_a_process(network, [way], seconds)[0] for way in ways]
    return {
        f"{name}, {precision}": {
            "alone": geometric_mean((alone[i], again[i])),
            "again": again[i] / alone[i],
            "turns": turns[i],
            "rest": rests[i],
        }
        for i, (name, precision) in enumerate(ways)
    }


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Of each way the median milliseconds, and the median ratios within a round."""
    return {
        way: {
            "alone_ms": median(one[way]["alone"] for one in rounds),
            "turns_ms": median(one[way]["turns"] for one in rounds),
            "ratio": median(one[way]["turns"] / one[way]["alone"] for one in rounds),
            "ratio_with_rest": median(one[way]["rest"] / one[way]["alone"] for one in rounds),
            "ratio_alone_again": median(one[way]["again"] for one in rounds),
        }
        for way in rounds[0]
    }


def page(results: dict[str, Any]) -> str:
    """The table."""
    networks = results["networks"]
    cells = [cell for ways in networks.values() for cell in ways.values()]
    ratios, rests, again = (
        [cell[name] for cell in cells] for name in ("ratio", "ratio_with_rest", "ratio_alone_again")
    )
    lines = [
        "# In turns and alone", "",
        f"Written by `python benchmarks/turns.py`. {results['machine']['line']}; {', '.join(results['versions'])}. "
        f"{THREADS} threads, one image of 224 px: median milliseconds in a process of its own; in brackets the time in "
        f"turns with all of its row over it, medians of {results['rounds']} rounds. Where the arrow comes from: "
        "as it was once, with a rest of 20 ms in place of waiting until all sleep, and 4 ms to get warm, not 50. "
        "", "", "| | geometric mean | within 5 % | furthest from 1 |", "|---|--:|--:|--:|",
    ]  # fmt: skip
    for words, values in (
        ("in turns over alone", ratios), ("as it was once, over alone", rests), ("alone again over alone", again),
    ):  # fmt: skip
        within = sum(abs(each - 1) <= WITHIN for each in values)
        furthest = max(values, key=lambda each: abs(each - 1))
        lines.append(f"| {words} | {geometric_mean(values):.2f} | {within} of {len(values)} | {furthest:.2f} |")
    lines.append("")
    ways = list(next(iter(networks.values())))
    lines += ["| network | " + " | ".join(ways) + " |", "|---|" + "--:|" * len(ways)]
    for name, row in networks.items():
        texts = [
            f"{row[way]['alone_ms']:.2f} ({row[way]['ratio']:.2f} → {row[way]['ratio_with_rest']:.2f})" for way in ways
        ]
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Times and writes, network by network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="JSON, with a page beside it. Default: docs/benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each way of each network in each round")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(time_ways(**json.loads(options.task))))
        return
    here = machine()
    results: dict[str, Any] = {
        "machine": here.to_dict() | {"line": here.line()},
        "versions": [ENGINES[name].version() for name in ENGINES],
        "rounds": options.rounds,
        "networks": {},
    }
    for network in options.networks:
        rounds = [round_of(network, options.seconds) for _ in range(options.rounds)]
        results["networks"][network] = summary(rounds)
        for way, cell in results["networks"][network].items():
            print(f"{network}, {way}: {cell['alone_ms']:.2f} ms, {cell['ratio']:.2f}, "
                  f"with a rest {cell['ratio_with_rest']:.2f}", flush=True)  # fmt: skip
    write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())
    write_whole(options.out.with_suffix(".md"), page(results).encode())


if __name__ == "__main__":
    main()
