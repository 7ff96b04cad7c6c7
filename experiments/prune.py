"""Is pruning worth it? A pruned network beside the plain multipliers of equal milliseconds, on CIFAR-10.

    python experiments/prune.py DATA [--only STEP ...]     # a day on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet. From bases/cifar_mobilenet_v2 (width 0.5, three seeds) and
bases/cifar_shufflenet_v2 (one seed), whose training took 20 epochs, each with the recipe cifar-fast:

- original: the base, 20 epochs more;
- pruned: `leannet prune` to half of its mult-adds, then 20 epochs;
- width, resolution: the network by the family's width, and by the image's size, whose milliseconds are those of the
  pruned one to 3 %, measured in turns in ONNX Runtime with one thread; from fresh weights, 40 epochs.

All learn from bases/cifar_resnet38 too (--teacher), on the images of the base's training split; the best epoch is that
of its validation split, and the test images are scored once. Appends a line of JSON to docs/experiments/prune.jsonl for
each finished run, and writes prune.json and docs/prune.md from them: points_lost, pruned below original, and
points_over_multipliers, pruned above the better of the two, means of differences within seeds, for the worse network.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from equal_time import in_equal_time
from ledger import BASES, Ledger, done, in_words, interval

import leannet
from leannet.checkpoint import load
from leannet.cost import count
from leannet.header import read_header
from leannet.runtime import machine
from leannet.shrink.timing import Timing

LEDGER = Ledger("prune")
TEACHER = BASES / "cifar_resnet38.safetensors"
EPOCHS, BASE_EPOCHS = 20, 20
RECIPE = ["--recipe", "cifar-fast", "--teacher", str(TEACHER)]
TIMING = Timing("onnxruntime", "float32", 1)
STEPS = ("original", "pruned", "width", "resolution")


@dataclass(frozen=True)
class Network:
    """A base, its family and width, and how many seeds are run."""

    base: str
    width: float
    seeds: int

    @property
    def file(self) -> Path:
        """The committed weights."""
        return BASES / f"{self.base}.safetensors"


NETWORKS = (Network("cifar_mobilenet_v2", 0.5, 3), Network("cifar_shufflenet_v2", 1.0, 1))


def run_of(network: Network, step: str, seed: int) -> Path:
    """The folder of a run."""
    return LEDGER.runs / f"{network.base}-{step}-{seed}"


def trained(network: Network, step: str, seed: int, data: Path, threads: int) -> Path:
    """Runs a step, or goes on with it."""
    run, table = run_of(network, step, seed), data / "train.parquet"
    common = [*RECIPE, "--seed", seed, "--threads", threads]
    if step == "pruned":
        return done(run, "prune", network.file, table, "--macs", "50%", "--epochs", EPOCHS, *common)
    if step == "original":
        words = ["--weights", network.file, "--split", "weights", "--epochs", EPOCHS]
        return done(run, "train", table, *words, *common)
    assert step in ("width", "resolution")
    side = read_header(network.file).architecture.input.height
    like, file = load(run_of(network, "pruned", 0))[1].architecture, LEDGER.runs / f"{network.base}-{step}.json"
    flags = in_equal_time(network.base, network.width, side, step, like, TIMING, file)
    # The split is the base's: its own seed and shares.
    return done(run, "train", table, *flags, "--split", "90:10", "--epochs", BASE_EPOCHS + EPOCHS, *common)


def time_in_turns(network: Network) -> None:
    """Milliseconds of the four networks of the first seed, as a line of their own, once all are there."""
    own = [line for line in LEDGER.lines if line["network"] == network.base]
    if any("timed" in line for line in own) or not {line["step"] for line in own if line["seed"] == 0} >= set(STEPS):
        return
    tables = [load(run_of(network, step, 0))[1].architecture for step in STEPS]
    times = dict(zip(STEPS, TIMING.milliseconds(tables), strict=True))
    LEDGER.add({"network": network.base, "timed": times, "machine": machine().line()})


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Differences within seeds, in points of test accuracy."""
    result: dict[str, Any] = {"networks": {}}
    for network in NETWORKS:
        own = [line for line in lines if line["network"] == network.base]
        of = {(line["step"], line["seed"]): line for line in own if "step" in line}
        seeds = [seed for seed in range(network.seeds) if all((step, seed) in of for step in STEPS)]
        if not seeds:
            continue
        accuracy = {step: [100 * of[step, seed]["accuracy"] for seed in seeds] for step in STEPS}
        lost = [one - other for one, other in zip(accuracy["original"], accuracy["pruned"], strict=True)]
        better = [max(pair) for pair in zip(accuracy["width"], accuracy["resolution"], strict=True)]
        over = [one - other for one, other in zip(accuracy["pruned"], better, strict=True)]
        result["networks"][network.base] = {
            "seeds": len(seeds), "accuracy": accuracy, "points_lost": mean(lost), "points_over_multipliers": mean(over),
            "interval": interval(over), "lost_interval": interval(lost),
            "macs": {step: of[step, seeds[0]]["macs"] for step in STEPS},
            "latency_ms": next(line["timed"] for line in own if "timed" in line),
        }  # fmt: skip
    if result["networks"]:
        result["points_lost"] = max(each["points_lost"] for each in result["networks"].values())
        over_all = (each["points_over_multipliers"] for each in result["networks"].values())
        result["points_over_multipliers"] = min(over_all)
    return result


def page(results: dict[str, Any], line: str) -> str:
    """docs/prune.md."""
    text = [
        "# What pruning is worth", "",
        "Written by `python experiments/prune.py DATA`; its head says what was run. CIFAR-10, test accuracy in percent "
        f"(mean over seeds); milliseconds of one image, median, {TIMING}, {line}.", "",
        "| | mult-adds | ms | test accuracy | seeds |", "|---|--:|--:|--:|--:|",
    ]  # fmt: skip
    for name, each in results["networks"].items():
        for step in STEPS:
            text.append(
                f"| {name}, {step} | {each['macs'][step] / 1e6:.1f} M | {each['latency_ms'][step]:.3f} | "
                f"{mean(each['accuracy'][step]):.2f} | {each['seeds']} |"
            )
    text += ["", "| | points lost | points over the better multiplier | 95 % interval |", "|---|--:|--:|--:|"]
    for name, each in results["networks"].items():
        words = in_words(each["interval"])
        text.append(f"| {name} | {each['points_lost']:+.2f} | {each['points_over_multipliers']:+.2f} | {words} |")
    return "\n".join(text) + "\n"


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", metavar="STEP", choices=STEPS, help=", ".join(STEPS))
    parser.add_argument("--networks", nargs="*", choices=[network.base for network in NETWORKS], metavar="BASE")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for seed in range(max(network.seeds for network in NETWORKS)):
        for network in NETWORKS:
            for step in ("pruned", "original", "width", "resolution"):
                left_out = arguments.networks and network.base not in arguments.networks
                if seed >= network.seeds or left_out or (arguments.only and step not in arguments.only):
                    continue
                if LEDGER.has(network=network.base, step=step, seed=seed):
                    time_in_turns(network)  # where a kill left that out
                    continue
                run = trained(network, step, seed, arguments.data, arguments.threads)
                scores = leannet.evaluate(run, str(arguments.data / "test.parquet"), quiet=True).scores
                architecture = load(run)[1].architecture
                LEDGER.add(
                    {
                        "network": network.base, "step": step, "seed": seed, "accuracy": scores.accuracy,
                        "macs": count(architecture).macs, "params": count(architecture).params,
                        "machine": machine().line(),
                    }
                )  # fmt: skip
                time_in_turns(network)
                results = summary(LEDGER.lines)
                LEDGER.write(results, page(results, machine().line()))


if __name__ == "__main__":
    main()
