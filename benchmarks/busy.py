"""Images a second of training and of serving, while other processes are busy.

    python benchmarks/busy.py --before SRC     # an hour; leave the machine alone meanwhile, goes on where it stopped

SRC: the folder `src` of another commit, run with the same packages. Beside no, one and two processes that only count,
three networks are trained on the built-in digits, and one is served to four clients: by the other commit, by this one,
and, without other processes, by this one with fixed policies: how long OpenMP's threads spin before they sleep
(GOMP_SPINCOUNT; by default 300,000 times), and one thread. All in turns, each in a process of its own. `quiet`: this
commit over the best fixed policy without other processes, `busy`: over the other commit beside two, geometric means
over networks. All train alike: images of one size, AdamW, no average of the weights. Each measurement is a line of
docs/benchmarks/busy.jsonl; from them the .json and .md.
"""

import argparse
import asyncio
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from peers import ROOT
from serve_load import drive

from leannet.files import write_whole
from leannet.runtime import machine

OUT = ROOT / "docs" / "benchmarks" / "busy.jsonl"
NETWORKS = {"cifar_mobilenet_v3_small": 16, "cifar_resnet20": 32, "mobilenet_v2": 96}  # their pixels
SERVED = "mobilenet_v3_small"
LOADS, ROUNDS, SECONDS, CLIENTS = (0, 1, 2), 3, 12, 4
FIXED = {
    "spinning 300,000": {"GOMP_SPINCOUNT": "300000", "OMP_NUM_THREADS": "2"},
    "spinning 100,000": {"GOMP_SPINCOUNT": "100000", "OMP_NUM_THREADS": "2"},
    "spinning 10,000": {"GOMP_SPINCOUNT": "10000", "OMP_NUM_THREADS": "2"},
    "spinning 1,000": {"GOMP_SPINCOUNT": "1000", "OMP_NUM_THREADS": "2"},
    "sleeping": {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "2"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
OURS = ("before", "now")
ALIKE = ["--progressive-resizing", "1", "--optimizer", "adamw", "--ema-decay", "0"]  # as the other commit trains
UNSET = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def environment(who: str, src: Path) -> dict[str, str]:
    """Of a process of that policy."""
    rest = {key: value for key, value in os.environ.items() if key not in UNSET}
    return rest | FIXED.get(who, {}) | {"PYTHONPATH": str(src)}


def training(name: str, who: str, src: Path) -> float:
    """Images a second of a training, without its evaluations."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        words = ["train", "digits", "--model", name, "--resolution", str(NETWORKS[name]), "--batch-size", "64"]
        words += ["--time", f"{SECONDS}s", "--out", str(run), "--quiet", *([] if who == "before" else ALIKE)]
        command = [sys.executable, "-m", "leannet", *words]
        subprocess.run(command, env=environment(who, src), check=True, stdout=subprocess.DEVNULL)
        with (run / "log.csv").open(newline="") as file:
            lines = [(float(line["seconds"]), float(line["images_per_s"])) for line in csv.DictReader(file)]
    return sum(seconds * rate for seconds, rate in lines) / sum(seconds for seconds, _ in lines)


def serving(who: str, src: Path) -> float:
    """Answers a second of a server, whose clients share the machine."""
    with tempfile.TemporaryDirectory() as place:
        # By the commit that serves it, since a format has versions.
        export = (
            f"from serve_load import artifact_of; from pathlib import Path; artifact_of('{SERVED}', Path('{place}'))"
        )
        paths = {"PYTHONPATH": f"{src}:{ROOT / 'benchmarks'}"}
        subprocess.run([sys.executable, "-c", export], env=environment(who, src) | paths, check=True)
        artifact = Path(place) / "model.onnx"
        command = [sys.executable, "-m", "leannet", "serve", str(artifact), "--port", "0", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(who, src)) as server:
            try:
                assert server.stdout is not None
                port = int(json.loads(server.stdout.readline())["url"].rsplit(":", 1)[1])
                return float(asyncio.run(drive(port, server.pid, SECONDS, CLIENTS))["requests_per_s"])
            finally:
                server.terminate()


def results_of(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians by what, load and policy, and the two figures."""
    rates: dict[str, dict[str, dict[str, float]]] = {}
    for what in (*NETWORKS, "serving"):
        for load in LOADS:
            of = [each for each in lines if (each["what"], each["load"]) == (what, load)]
            rates.setdefault(what, {})[str(load)] = {
                who: median(each["rate"] for each in of if each["who"] == who)
                for who in (*OURS, *FIXED)
                if any(each["who"] == who for each in of)
            }
    results: dict[str, Any] = {"machine": lines[-1]["machine"], "rates": rates}
    whole = all({*OURS, *FIXED} <= rates[name]["0"].keys() and {*OURS} <= rates[name]["2"].keys() for name in NETWORKS)
    if whole:
        # One policy for all networks: the fixed one whose geometric mean is best.
        means = {who: geometric_mean(rates[name]["0"][who] for name in NETWORKS) for who in FIXED}
        results["best_fixed"] = best = max(means, key=lambda who: means[who])
        results["quiet"] = geometric_mean(rates[name]["0"]["now"] for name in NETWORKS) / means[best]
        results["busy"] = geometric_mean(rates[name]["2"]["now"] / rates[name]["2"]["before"] for name in NETWORKS)
    return results


def write(lines: list[dict[str, Any]]) -> None:
    """The JSON and the page."""
    results = results_of(lines)
    text = [
        "# Busy machines", "",
        f"Written by `python benchmarks/busy.py --before SRC`. {results['machine']}. Images a second of training "
        f"(digits, batch 64, {SECONDS} s) and answers a second of serving {SERVED} to {CLIENTS} clients, medians of "
        f"{ROUNDS} rounds in turns, beside no, one and two processes that only count. Before: commit fa96df8.", "",
        "| | other processes | before | now | ratio | " + " | ".join(FIXED) + " |",
        "|---|--:|" + "--:|" * (3 + len(FIXED)),
    ]  # fmt: skip
    for what, by_load in results["rates"].items():
        label = what if what == "serving" else f"training {what} at {NETWORKS[what]} px"
        for load, rates in by_load.items():
            if not {*OURS} <= rates.keys():
                continue
            others = " | ".join(f"{rates[who]:.0f}" if who in rates else "" for who in FIXED)
            text.append(
                f"| {label} | {load} | {rates['before']:.0f} | {rates['now']:.0f} | "
                f"{rates['now'] / rates['before']:.2f} | {others} |"
            )
    if "quiet" in results:
        text += ["", f"Quiet, over the best fixed policy ({results['best_fixed']}): **{results['quiet']:.2f}**. Beside "
                 f"two busy processes, over commit fa96df8: **{results['busy']:.2f}**. Geometric means over the three "
                 "trainings."]  # fmt: skip
    write_whole(OUT.with_suffix(".json"), (json.dumps(results, indent=1) + "\n").encode())
    write_whole(OUT.with_suffix(".md"), ("\n".join(text) + "\n").encode())


def main() -> None:
    """Measures what has not been measured yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, metavar="SRC", required=True)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    sources = {"before": arguments.before.resolve()}
    lines = [json.loads(line) for line in OUT.read_text().splitlines()] if OUT.exists() else []
    for number in range(arguments.rounds):
        for load in LOADS:
            others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(load)]
            try:
                for what in (*NETWORKS, "serving"):
                    for who in (*OURS, *(() if load == 1 or what == "serving" else FIXED)):
                        key = {"what": what, "load": load, "who": who, "round": number}
                        if any(key.items() <= each.items() for each in lines):
                            continue
                        src = sources.get(who, ROOT / "src")
                        rate = serving(who, src) if what == "serving" else training(what, who, src)
                        lines.append(key | {"rate": rate, "machine": machine().line()})
                        with OUT.open("a") as file:
                            file.write(json.dumps(lines[-1]) + "\n")
                        print(json.dumps(key), round(rate, 1), flush=True)
            finally:
                for other in others:
                    other.kill()
            write(lines)


if __name__ == "__main__":
    main()
