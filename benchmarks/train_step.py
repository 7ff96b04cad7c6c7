"""What a training step on a CPU is made of, and what each way to make it faster is worth.

    python benchmarks/train_step.py

MobileNetV2 at 160 px, batch 32, two threads, random images, no loader: the step with freed memory kept or not, in
torch's plain layout and channels last, in turns, and in each where the time goes. Then MobileNetV2 and ShuffleNetV2
without leannet's own ReLU6 and without its own gradients of slices and means. Last the backward passes of activations
alone, in several ways, with memory kept and not. Writes docs/benchmarks/train_step.md and .json.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "benchmarks" / "train_step.json"
ROUNDS, SECONDS = 3, 8.0
WAYS = ("plain", "channels last", "plain, memory kept", "channels last, memory kept")
NETWORKS = ("mobilenet_v2", "shufflenet_v2")
BEST = "channels last, memory kept"
WITHOUT = ("nothing", "ReLU6 in place", "gradients that keep their layout")


def step(way: str, network_name: str, without: str, profiled: bool) -> dict[str, Any]:
    """In a process of its own: images a second, and the share of each kind of operation."""
    import time

    import torch
    import torch.nn.functional as F

    from leannet.blocks import activations, layouts
    from leannet.factory import create
    from leannet.training.memory import keep_freed_memory

    torch.set_num_threads(2)
    torch.manual_seed(0)
    if without == WITHOUT[1]:
        activations.ReLU6.forward = lambda _, x: F.relu6(x)  # type: ignore[method-assign]  # in this process only, to time without
    elif without == WITHOUT[2]:
        layouts._learns_channels_last = lambda _: False
    layout = torch.channels_last if way.startswith("channels") else torch.contiguous_format
    network = create(network_name, resolution=160, classes=10).to(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(32, 3, 160, 160).contiguous(memory_format=layout)
    labels = torch.randint(0, 10, (32,))

    def once() -> None:
        F.cross_entropy(network(x), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    with keep_freed_memory(way.endswith("kept")):
        for _ in range(2):
            once()
        times: list[float] = []
        while sum(times) < SECONDS:
            began = time.perf_counter()
            once()
            times.append(time.perf_counter() - began)
        result: dict[str, Any] = {"images_per_s": 32 / median(times)}
        if profiled:
            with torch.profiler.profile() as profile:
                for _ in range(4):
                    once()
            events = [e for e in profile.key_averages() if e.self_cpu_time_total > 0]
            total = sum(e.self_cpu_time_total for e in events)
            largest = sorted(events, key=lambda e: -e.self_cpu_time_total)[:7]
            result["shares"] = {e.key: e.self_cpu_time_total / total for e in largest}
    return result


def backwards(keep_memory: bool) -> dict[str, float]:
    """In a process of its own: milliseconds of the backward pass of activations on 32 x 96 x 80 x 80."""
    import torch

    from leannet.runtime import measure
    from leannet.training.memory import keep_freed_memory

    torch.set_num_threads(2)
    ops = torch.ops.aten
    x = (3 * torch.randn(32, 96, 80, 80)).contiguous(memory_format=torch.channels_last)
    gradient, y = torch.randn_like(x), x.clamp(0, 6)
    ways: dict[str, Callable[[], object]] = {
        "a copy": lambda: gradient.clone(),
        "ReLU6, torch's": lambda: ops.hardtanh_backward(gradient, x, 0.0, 6.0),
        "ReLU6, two thresholds": lambda: ops.threshold_backward(ops.threshold_backward(gradient, y, 0), 6 - y, 0),
        "ReLU6, a mask": lambda: gradient * ((y > 0) & (y < 6)),
        "ReLU, torch's": lambda: ops.threshold_backward(gradient, y, 0),
        "h-swish, torch's": lambda: ops.hardswish_backward(gradient, x),
    }
    with keep_freed_memory(keep_memory):
        return {name: latency.median_ms for name, latency in measure(ways, 10).items()}


def _worth(name: str) -> dict[str, float]:
    """Images a second as it is over those without each piece, medians of rounds in turns."""
    rounds = [{w: _apart("--step", BEST, name, w, "1")["images_per_s"] for w in WITHOUT} for _ in range(ROUNDS)]
    return {w: median(rates[WITHOUT[0]] / rates[w] for rates in rounds) for w in WITHOUT}


def _apart(*words: str) -> Any:
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Runs each way in turns and writes the page."""
    from leannet.runtime import machine

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # How it calls itself, once for each measurement: --step WAY NETWORK WITHOUT ROUND; only round 0 is profiled.
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--backwards", choices=("given back", "kept"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        way, network_name, without, round_ = arguments.step
        print(json.dumps(step(way, network_name, without, profiled=round_ == "0")))
        return
    if arguments.backwards:
        print(json.dumps(backwards(keep_memory=arguments.backwards == "kept")))
        return
    rounds = [{w: _apart("--step", w, NETWORKS[0], WITHOUT[0], str(n)) for w in WAYS} for n in range(ROUNDS)]
    lost = {name: _worth(name) for name in NETWORKS}
    alone = {word: _apart("--backwards", word) for word in ("given back", "kept")}
    rates = {way: [results_by_way[way]["images_per_s"] for results_by_way in rounds] for way in WAYS}
    base = rates["channels last"]
    ratios = {way: median(a / b for a, b in zip(values, base, strict=True)) for way, values in rates.items()}
    shares = {way: rounds[0][way]["shares"] for way in WAYS}
    results = {"machine": machine().line(), "images_per_s": rates, "ratios": ratios, "shares": shares, "ms": alone}
    results |= {"with_over_without": lost, "torch": f"torch {version('torch')}"}
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    lines = [
        "# A training step on a CPU",
        "",
        "Written by `python benchmarks/train_step.py`. MobileNetV2 at 160 px, batch 32, two threads, no loader; "
        f"medians of {ROUNDS} rounds in turns, each in a process of its own; ratios are medians of those within a "
        f"round. {results['machine']}, {results['torch']}.",
        "",
        "| way | images/s | against channels last | largest shares of the time |",
        "|---|--:|--:|---|",
    ]
    for way in WAYS:
        words = ", ".join(f"{k.removeprefix('aten::')} {100 * v:.0f} %" for k, v in list(shares[way].items())[:5])
        lines.append(f"| {way} | {median(rates[way]):.1f} | {ratios[way]:.2f} | {words} |")
    lines += [
        "",
        "What two functions of leannet's own are worth, images a second with them over without:",
    ]
    lines += ["", f"| without | {' | '.join(NETWORKS)} |", "|---|" + "--:|" * len(NETWORKS)]
    lines += [f"| {w} | {' | '.join(f'{lost[name][w]:.2f}' for name in NETWORKS)} |" for w in WITHOUT[1:]]
    lines += ["", "The backward pass of an activation alone, on 32 x 96 x 80 x 80 (79 MB), milliseconds:", ""]
    lines += ["| | memory given back | memory kept |", "|---|--:|--:|"]
    lines += [f"| {name} | {ms:.1f} | {alone['kept'][name]:.1f} |" for name, ms in alone["given back"].items()]
    OUT.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
