"""What a training step on a CPU is made of, and what each way to make it faster is worth.

    python benchmarks/train_step.py

MobileNetV2 at 160 px, batch 32, two threads, random images, no loader: the step with freed memory kept or not, in
torch's plain layout and channels last, with batch norm in torch and in leannet's own loops, in turns, and in each where
the time goes. Then MobileNetV2, ShuffleNetV2 and the 32-pixel form without those loops, and without
leannet's own gradients of slices and means; and in bfloat16, where the processor computes in it, with leannet's own
gradients of depthwise convolutions and without. How far the step is from the machine's limit: every convolution at the
rate of a large matrix product or at that of memory, whichever takes longer, and batch norm at that of memory. Last the
backward passes of activations alone, in several ways, with memory kept and not. Writes docs/benchmarks/train_step.md
and .json.
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
WAYS = ("plain", "channels last", "plain, memory kept", "channels last, memory kept", "all, fused batch norm")
NETWORKS = {"mobilenet_v2": (160, 32), "shufflenet_v2": (160, 32), "cifar_mobilenet_v2": (32, 128)}  # px, batch
BEST = "all, fused batch norm"
HALF = "all, bfloat16"
WITHOUT = ("nothing", "fused batch norm", "gradients that keep their layout")
OWN = "depthwise gradients"
IN_HALF = {"float32": (BEST, "nothing"), "bfloat16": (HALF, "nothing"), "bfloat16, oneDNN's gradients": (HALF, OWN)}


def step(way: str, network_name: str, without: str, profiled: bool) -> dict[str, Any]:
    """In a process of its own: images a second, and the share of each kind of operation."""
    import time

    import torch
    import torch.nn.functional as F

    from leannet.blocks import depthwise, layouts
    from leannet.blocks.fused import fused_batch_norm
    from leannet.factory import create
    from leannet.training.memory import keep_freed_memory

    torch.set_num_threads(2)
    torch.manual_seed(0)
    px, batch = NETWORKS[network_name]
    if without == "gradients that keep their layout":
        layouts._learns_channels_last = lambda _: False
    if without == OWN:
        vars(depthwise)["is_slow"] = lambda *_: False
    layout = torch.contiguous_format if way.startswith("plain") else torch.channels_last
    network = create(network_name, resolution=px, classes=10).to(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(batch, 3, px, px).contiguous(memory_format=layout)
    labels = torch.randint(0, 10, (batch,))

    def once() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=way == HALF):
            y = network(x)
        F.cross_entropy(y.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    fused = way in (BEST, HALF) and without != "fused batch norm"
    with keep_freed_memory(way.endswith("kept") or way in (BEST, HALF)), fused_batch_norm(fused):
        for _ in range(2):
            once()
        times: list[float] = []
        while sum(times) < SECONDS:
            began = time.perf_counter()
            once()
            times.append(time.perf_counter() - began)
        result: dict[str, Any] = {"images_per_s": batch / median(times)}
        if profiled:
            with torch.profiler.profile() as profile:
                for _ in range(4):
                    once()
            events = [e for e in profile.key_averages() if e.self_cpu_time_total > 0]
            total = sum(e.self_cpu_time_total for e in events)
            largest = sorted(events, key=lambda e: -e.self_cpu_time_total)[:7]
            result["shares"] = {e.key: e.self_cpu_time_total / total for e in largest}
    return result


def limit(network_name: str) -> dict[str, float]:
    """In a process of its own: images a second if each layer ran at this machine's limit, two threads.

    A convolution computes three times forward's products; forward it reads its input and writes its output, backward it
    reads the gradient of its output twice and its input once, and writes the gradient of its input. Batch norm with its
    activation takes eight accesses to each value: three forward, five backward.
    """
    import torch

    from leannet.cost import count
    from leannet.rows import Conv, Depthwise
    from leannet.runtime import measure
    from leannet.zoo import architecture

    torch.set_num_threads(2)
    px, _ = NETWORKS[network_name]
    a = torch.randn(2048, 2048)
    source = torch.randn(40_000_000)
    target = torch.empty_like(source)
    ways: dict[str, Callable[[], object]] = {"product": lambda: a @ a, "copy": lambda: target.copy_(source)}
    ms = {name: latency.median_ms for name, latency in measure(ways, 4).items()}
    macs_per_s, bytes_per_s = 2048**3 / (ms["product"] / 1e3), 2 * 4 * source.numel() / (ms["copy"] / 1e3)
    rows = architecture(network_name, resolution=px, classes=10)
    costs = {layer.path: layer for layer in count(rows).layers}
    seconds = 0.0
    for node in rows.layers:
        if isinstance(node.row, Conv | Depthwise):
            values_in, values_out = node.in_shapes[0].elements, node.out_shape.elements
            moved = 4 * (3 * values_in + 3 * values_out)
            seconds += max(3 * costs[node.path].macs / macs_per_s, moved / bytes_per_s)
            seconds += 4 * 8 * values_out / bytes_per_s
    return {"images_per_s": 1 / seconds, "gmacs_per_s": macs_per_s / 1e9, "gb_per_s": bytes_per_s / 1e9}


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


def _in_half(name: str) -> dict[str, float]:
    """Images a second of each way over float32, medians of rounds in turns."""
    rounds = [
        {way: _apart("--step", how, name, without, "1")["images_per_s"] for way, (how, without) in IN_HALF.items()}
        for _ in range(ROUNDS)
    ]
    return {way: median(rates[way] / rates["float32"] for rates in rounds) for way in IN_HALF}


def _apart(*words: str) -> Any:
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Runs each way in turns and writes the page."""
    from leannet.runtime import machine
    from leannet.runtime.processor import has_bfloat16

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # How it calls itself, once for each measurement: --step WAY NETWORK WITHOUT ROUND; only round 0 is profiled.
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--backwards", choices=("given back", "kept"), help=argparse.SUPPRESS)
    parser.add_argument("--limit", choices=NETWORKS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.limit:
        print(json.dumps(limit(arguments.limit)))
        return
    if arguments.step:
        way, network_name, without, round_ = arguments.step
        print(json.dumps(step(way, network_name, without, profiled=round_ == "0")))
        return
    if arguments.backwards:
        print(json.dumps(backwards(keep_memory=arguments.backwards == "kept")))
        return
    first = next(iter(NETWORKS))
    rounds = [{w: _apart("--step", w, first, WITHOUT[0], str(n)) for w in WAYS} for n in range(ROUNDS)]
    lost = {name: _worth(name) for name in NETWORKS}
    halves = {name: _in_half(name) for name in NETWORKS} if has_bfloat16() else {}
    alone = {word: _apart("--backwards", word) for word in ("given back", "kept")}
    rates = {way: [results_by_way[way]["images_per_s"] for results_by_way in rounds] for way in WAYS}
    base = rates["channels last"]
    ratios = {way: median(a / b for a, b in zip(values, base, strict=True)) for way, values in rates.items()}
    shares = {way: rounds[0][way]["shares"] for way in WAYS}
    results = {"machine": machine().line(), "images_per_s": rates, "ratios": ratios, "shares": shares, "ms": alone}
    limits = {name: _apart("--limit", name) for name in NETWORKS}
    reached = {name: _apart("--step", BEST, name, WITHOUT[0], "1")["images_per_s"] for name in NETWORKS}
    results |= {"limits": limits, "reached": reached, "with_over_without": lost, "over_float32": halves}
    results |= {"torch": f"torch {version('torch')}"}
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
        "What two pieces of leannet's own are worth, images a second with them over without:",
    ]
    lines += ["", f"| without | {' | '.join(NETWORKS)} |", "|---|" + "--:|" * len(NETWORKS)]
    lines += [f"| {w} | {' | '.join(f'{lost[name][w]:.2f}' for name in NETWORKS)} |" for w in WITHOUT[1:]]
    if halves:
        lines += ["", "In bfloat16, images a second over those in float32:", ""]
        lines += [f"| way | {' | '.join(NETWORKS)} |", "|---|" + "--:|" * len(NETWORKS)]
        ways = list(IN_HALF)[1:]
        lines += [f"| {way} | {' | '.join(f'{halves[name][way]:.2f}' for name in NETWORKS)} |" for way in ways]
    machine_limit = limits[first]
    lines += [
        "", "If each layer ran at this machine's limit: a convolution at the rate of a large matrix product "
        f"({machine_limit['gmacs_per_s']:.0f} billion mult-adds a second here) or of memory "
        f"({machine_limit['gb_per_s']:.0f} GB/s), whichever takes longer, batch norm with its activation at that of "
        "memory; images a second:", "",
        "| network | limit | reached | share |", "|---|--:|--:|--:|",
    ]  # fmt: skip
    for name, (px, batch) in NETWORKS.items():
        most, now = limits[name]["images_per_s"], reached[name]
        lines.append(f"| {name} at {px} px, batch {batch} | {most:.0f} | {now:.0f} | {100 * now / most:.0f} % |")
    lines += ["", "The backward pass of an activation alone, on 32 x 96 x 80 x 80 (79 MB), milliseconds:", ""]
    lines += ["| | memory given back | memory kept |", "|---|--:|--:|"]
    lines += [f"| {name} | {ms:.1f} | {alone['kept'][name]:.1f} |" for name, ms in alone["given back"].items()]
    OUT.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
