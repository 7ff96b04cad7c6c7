"""Is NetAdapt worth its proposals? An adapted network beside others of equal milliseconds, on CIFAR-10.

    python experiments/adapt.py DATA [--only STEP ...] [--seeds 0 1 2]    # a day on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet. From bases/cifar_mobilenet_v2 (width 0.5, trained for 20 epochs with
the recipe cifar), to 60 % of its measured milliseconds in ONNX Runtime, float32, one thread:

- adapted: `leannet adapt`, at most 12 steps of at most 12 proposals of 60 training steps, then 20 epochs of the recipe
  cifar-fast, as all that follows;
- pruned: `leannet prune`, the same share of every row by the L2 norm, to the same milliseconds, then as many epochs;
- width, resolution: the network by the family's width, and by the image's size, whose milliseconds are those of the
  adapted one to 3 %, measured in turns; from fresh weights.

All are given as many images: the base's 20 epochs and 20 more, and as many as the adapted network's proposals saw. The
best epoch is that of the validation split, and the test images are scored once. Appends a line of JSON to
docs/experiments/adapt.jsonl for each finished run, and writes adapt.json and docs/adapt.md from them:
points_over_multipliers, adapted above the better of the two, and points_over_pruned, means of differences within seeds.
"""

import argparse
import json
from pathlib import Path
from statistics import mean
from typing import Any

from equal_time import in_equal_time
from ledger import BASES, Ledger, done, in_words, interval

import leannet
from leannet.checkpoint import load
from leannet.cost import count
from leannet.header import read_header
from leannet.nas.adapt_request import CHOSEN, OFFER, STEPS, Adaptation, Chosen, Offer
from leannet.runtime import machine
from leannet.shrink.timing import Timing

LEDGER = Ledger("adapt")
BASE, WIDTH, SIDE = "cifar_mobilenet_v2", 0.5, 32
FILE = BASES / f"{BASE}.safetensors"
EPOCHS, BASE_EPOCHS = 20, 20
RECIPE = ["--recipe", "cifar-fast"]
ADAPT = ["--latency", "60%", "--steps", 12, "--proposals", 12, "--short-steps", 60, "--reduction", 0.05]
TIMING = Timing("onnxruntime", "float32", 1)
WAYS = ("adapted", "pruned", "width", "resolution")


def run_of(way: str, seed: int) -> Path:
    """The folder of a run."""
    return LEDGER.runs / f"{way}-{seed}"


def history(run: Path) -> list[tuple[Offer, Chosen]]:
    """The steps of an adaptation."""
    places = sorted((run / STEPS).iterdir())
    return [(Offer.load(place / OFFER), Chosen.load(place / CHOSEN)) for place in places]


def more_epochs(seed: int) -> int:
    """Epochs of as many images as the proposals of a seed's adaptation saw."""
    run = run_of("adapted", seed)
    adaptation = Adaptation.load(run)
    proposals = sum(len(offer.proposals) for offer, _ in history(run))
    images = proposals * adaptation.request.short_steps * int(adaptation.settings["batch_size"])
    return round(images / read_header(run).split.sizes["train"])


def trained(way: str, seed: int, data: Path, threads: int) -> Path:
    """Runs a way, or goes on with it."""
    run, table = run_of(way, seed), data / "train.parquet"
    common = [*RECIPE, "--seed", seed, "--threads", threads]
    if way == "adapted":
        return done(run, "adapt", FILE, table, *ADAPT, "--epochs", EPOCHS, *common)
    like = load(run_of("adapted", seed))[1].architecture
    more = more_epochs(seed)
    if way == "pruned":
        ms = TIMING.milliseconds([like])[0]
        words = ["--latency", f"{ms:.4f}ms", "--ranking", "per-row", "--criterion", "l2", "--epochs", EPOCHS + more]
        return done(run, "prune", FILE, table, *words, *common)
    assert way in ("width", "resolution")
    flags = in_equal_time(BASE, WIDTH, SIDE, way, like, TIMING, LEDGER.runs / f"{way}-{seed}.json")
    # The split is the base's: its own seed and shares.
    epochs = BASE_EPOCHS + EPOCHS + more
    return done(run, "train", table, *flags, "--split", "90:10", "--epochs", epochs, *common)


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Differences within seeds, in points of test accuracy."""
    of = {(line["way"], line["seed"]): line for line in lines}
    seeds = sorted({seed for _, seed in of if all((way, seed) in of for way in WAYS)})
    if not seeds:
        return {}
    accuracy = {way: [100 * of[way, seed]["accuracy"] for seed in seeds] for way in WAYS}
    better = [max(pair) for pair in zip(accuracy["width"], accuracy["resolution"], strict=True)]
    over = [one - other for one, other in zip(accuracy["adapted"], better, strict=True)]
    over_pruned = [one - other for one, other in zip(accuracy["adapted"], accuracy["pruned"], strict=True)]
    return {
        "seeds": len(seeds), "accuracy": accuracy,
        "points_over_multipliers": mean(over), "interval_multipliers": interval(over),
        "points_over_pruned": mean(over_pruned), "interval_pruned": interval(over_pruned),
        "latency_ms": {way: mean(of[way, seed]["latency_ms"] for seed in seeds) for way in WAYS},
    }  # fmt: skip


def page(results: dict[str, Any], lines: list[dict[str, Any]]) -> str:
    """docs/adapt.md."""
    text = [
        "# What NetAdapt is worth", "",
        "Written by `python experiments/adapt.py DATA`; its head says what was run. CIFAR-10, test accuracy in "
        f"percent; milliseconds of one image, median, {TIMING}, {machine().line()}.", "",
        "| | seed | mult-adds | ms | epochs | test accuracy |", "|---|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for line in sorted(lines, key=lambda each: (WAYS.index(each["way"]), each["seed"])):
        text.append(f"| {line['way']} | {line['seed']} | {line['macs'] / 1e6:.1f} M | {line['latency_ms']:.3f} | "
                    f"{line['epochs']} | {100 * line['accuracy']:.2f} |")  # fmt: skip
    if results:
        text += ["", "| adapted over | points | 95 % interval |", "|---|--:|--:|"]
        for name in ("multipliers", "pruned"):
            words = in_words(results[f"interval_{name}"])
            text.append(f"| {name} | {results[f'points_over_{name}']:+.2f} | {words} |")
    return "\n".join(text) + "\n"


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", choices=WAYS, default=WAYS)
    parser.add_argument("--seeds", nargs="*", type=int, default=(0, 1, 2))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        for way in arguments.only:
            if LEDGER.has(way=way, seed=seed):
                continue
            run = trained(way, seed, arguments.data, arguments.threads)
            scores = leannet.evaluate(run, str(arguments.data / "test.parquet"), quiet=True).scores
            architecture = load(run)[1].architecture
            adapted = load(run_of("adapted", seed))[1].architecture
            ours, own = TIMING.milliseconds([adapted, architecture])
            with (run / "log.csv").open() as file:
                epochs = sum(1 for _ in file) - 1
            line = {
                "way": way, "seed": seed, "accuracy": scores.accuracy, "macs": count(architecture).macs,
                "params": count(architecture).params, "latency_ms": own, "latency_over_adapted": own / ours,
                "epochs": epochs, "machine": machine().line(),
            }  # fmt: skip
            if way == "adapted":
                before, after = TIMING.milliseconds([load(FILE)[1].architecture, architecture])
                line["of_base"] = after / before  # 0.6 is asked for
                line["steps"] = [json.loads(chosen.model_dump_json()) for _, chosen in history(run)]
            LEDGER.add(line)
            results = summary(LEDGER.lines)
            LEDGER.write(results, page(results, LEDGER.lines))


if __name__ == "__main__":
    main()
