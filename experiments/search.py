"""What a search finds on CIFAR-10, and whether its supernet tells good networks from bad ones.

    python experiments/search.py DATA [--only STEP ...]     # a day on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet. The space is that around cifar_mobilenet_v2 at width 0.5: of every
stage kernel, expansion, squeeze, width and depth. The target is half of the milliseconds of its largest network, in
ONNX Runtime, float32, one thread.

- supernet: the largest network and all others that share its weights, by sandwiches, 85 minutes;
- controller, evolution, random: 200 evaluations each, three seeds, on that supernet; minutes are those of the process,
  from its start to its end, and not said of one that was stopped in between;
- rank: 12 networks of the space, spread over what the searches tried, each trained by itself, and the rank correlation
  with what the supernet said of them;
- found: the best network of the controller's first seed, and cifar_mobilenet_v2 and cifar_mobilenet_v3_small, each at
  the width and the image size that take nearest to its time and not less; two seeds each, the same recipe and epochs.

Appends a line of JSON to docs/experiments/search.jsonl for each finished run, and writes search.json (points_over_zoo:
found above the better of the two, mean over seeds; rank_correlation), search.svg and docs/search.md from them.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from ledger import Ledger, Line, done, leannet_run
from scipy.stats import spearmanr

import leannet
from leannet.checkpoint import load
from leannet.cost import count
from leannet.files import write_whole
from leannet.nas.resources import Predicted
from leannet.nas.search_request import Search
from leannet.nas.searched import FOUND, Searched, trials_of
from leannet.nas.searched_figure import draw_searched
from leannet.nas.spaces import space_of
from leannet.nas.tables import LatencyTable
from leannet.nas.trials import results_of
from leannet.rows import Architecture
from leannet.runtime import machine
from leannet.shrink.timing import Timing

LEDGER = Ledger("search")
STRATEGIES, SEEDS = ("controller", "evolution", "random"), (0, 1, 2)
ZOO = ("cifar_mobilenet_v2", "cifar_mobilenet_v3_small")
EVALUATIONS, RANKED, RANK_EPOCHS, EPOCHS = 200, 12, 10, 40
RECIPE = ["--recipe", "cifar-fast"]
TARGET, WIDTH = "50%", 0.5
IMAGES = ["--images", "512", "--validation", "2000"]  # that a candidate is evaluated on
WIDTHS = (0.25, 0.35, 0.5, 0.65, 0.75, 0.85, 1.0, 1.15, 1.25, 1.4, 1.6, 1.8, 2.0, 2.25, 2.5, 2.75, 3.0)
SIDES = (24, 28, 32)
TIMING = Timing("onnxruntime", "float32", 1)
SUPERNET = "supernet"


def space_file() -> Path:
    """The space, as a file."""
    file = LEDGER.runs / "space.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        space = space_of(leannet.architecture("cifar_mobilenet_v2", WIDTH), width=(0.5, 0.75, 1))
        write_whole(file, space.model_dump_json().encode())
    return file


def searched(name: str, data: Path, *words: object) -> Path:
    """Runs a search, or goes on with it."""
    out = LEDGER.runs / name
    if (out / FOUND).exists():
        return out
    if (out / "search.json").exists():
        leannet_run("search", "--resume", out)
        return out
    common = ["--space", space_file(), "--latency", TARGET, *IMAGES, *RECIPE, "--split", "90:10"]
    leannet_run("search", data / "train.parquet", *common, *words, "--out", out)
    return out


def result_of(out: Path) -> Searched:
    """What a search tried."""
    begun = Search.load(out)
    resource = Predicted(LatencyTable.load(out / "latency_table.json"), begun.request.timing)
    results = results_of(begun.storage or str(out / "study.db"), begun.study)
    return Searched.of(out, begun.request, trials_of(results, begun.request), resource)


def spread(all_searches: list[Searched]) -> list[tuple[int, ...]]:
    """Candidates spread evenly over the accuracies that the searches saw."""
    trials = sorted({each.candidate: each for one in all_searches for each in one.trials}.values(),
                    key=lambda each: each.accuracy)  # fmt: skip
    places = np.linspace(0, len(trials) - 1, RANKED).round().astype(int)
    return [trials[place].candidate for place in places]


def like(name: str, found: Architecture) -> list[str]:
    """The flags of the zoo's network by width and image size that takes nearest to the found one's time, not less."""
    file = LEDGER.runs / f"like-{name}.json"
    if file.exists():
        return list(json.loads(file.read_text())["flags"])
    candidates: list[tuple[float, int, Architecture]] = []
    for width in WIDTHS:
        candidates += [(width, side, leannet.architecture(name, width, side)) for side in SIDES]
    times = TIMING.milliseconds([found, *(rows for _, _, rows in candidates)])
    slower = [(ms, width, side) for ms, (width, side, _) in zip(times[1:], candidates, strict=True) if ms >= times[0]]
    if not slower:
        raise SystemExit(f"{name}: no width of {WIDTHS} and side of {SIDES} takes as long as what was found")
    ms, width, side = min(slower)
    flags = ["--model", name, "--width", f"{width:g}", "--resolution", str(side)]
    file.write_text(json.dumps({"flags": flags, "ratio": ms / times[0]}))
    return flags


def trained(name: str, data: Path, seed: int, epochs: int, *words: object) -> tuple[Path, float]:
    """A network trained by itself, and its accuracy on the test images."""
    run = done(LEDGER.runs / name, "train", data / "train.parquet", *words, *RECIPE, "--split", "90:10", "--epochs",
               epochs, "--seed", seed)  # fmt: skip
    return run, leannet.evaluate(run, str(data / "test.parquet"), quiet=True).scores.accuracy


def summary(lines: list[Line]) -> Line:
    """Points over the zoo, and the rank correlation."""
    result: Line = {}
    ranked = [line for line in lines if line["step"] == "rank"]
    if len(ranked) == RANKED:
        pairs = [(line["supernet"], line["accuracy"]) for line in ranked]
        result["rank_correlation"] = float(spearmanr(*zip(*pairs, strict=True)).statistic)
        print(f"rank correlation of {RANKED} networks: {result['rank_correlation']:.2f}", flush=True)
    final = {(line["network"], line["seed"]): line["accuracy"] for line in lines if line["step"] == "found"}
    seeds = [seed for seed in (0, 1) if all((name, seed) in final for name in ("found", *ZOO))]
    if seeds:
        over = [100 * (final["found", seed] - max(final[name, seed] for name in ZOO)) for seed in seeds]
        result["points_over_zoo"] = mean(over)
    searches = [line for line in lines if line["step"] == "search"]
    if searches:
        result["best_reward"] = {
            name: mean(line["best_reward"] for line in searches if line["strategy"] == name)
            for name in STRATEGIES if any(line["strategy"] == name for line in searches)
        }  # fmt: skip
    return result


def page(lines: list[Line], results: Line) -> str:
    """docs/search.md."""
    text = [
        "# What a search finds", "", "![What was tried](experiments/search.svg)", "",
        "Written by `python experiments/search.py DATA`; its head says what was run. CIFAR-10; milliseconds of one "
        f"image, {TIMING}, {machine().line()}.", "",
        "| strategy | seed | minutes | best reward | its accuracy there | its ms |", "|---|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for line in lines:
        if line["step"] == "search":
            minutes = "" if line["minutes"] is None else f"{line['minutes']:.1f}"
            text.append(f"| {line['strategy']} | {line['seed']} | {minutes} | {line['best_reward']:.4f} | "
                        f"{100 * line['best_accuracy']:.2f} | {line['best_ms']:.3f} |")  # fmt: skip
    if "rank_correlation" in results:
        text += ["", f"Of {RANKED} networks that were trained by themselves for {RANK_EPOCHS} epochs, the rank "
                 f"correlation with the supernet's accuracy is {results['rank_correlation']:.2f}."]  # fmt: skip
    text += ["", "| network | seed | mult-adds | ms | test accuracy |", "|---|--:|--:|--:|--:|"]
    for line in lines:
        if line["step"] == "found":
            text.append(f"| {line['network']} ({line['flags']}) | {line['seed']} | {line['macs'] / 1e6:.1f} M | "
                        f"{line['latency_ms']:.3f} | {100 * line['accuracy']:.2f} |")  # fmt: skip
    return "\n".join(text) + "\n"


def add(line: Line) -> None:
    """A line, and what follows from all."""
    LEDGER.add(line)
    results = summary(LEDGER.lines)
    LEDGER.write(results, page(LEDGER.lines, results))


def search_all(data: Path) -> None:
    """The supernet, by a search of one network, and every strategy and seed."""
    first = searched(SUPERNET, data, "--evaluations", 1, "--time", "85m")
    for seed in SEEDS:
        for strategy in STRATEGIES:
            if LEDGER.has(step="search", strategy=strategy, seed=seed):
                continue
            name, began = f"{strategy}-{seed}", time.perf_counter()
            is_whole = not (LEDGER.runs / name).exists()
            out = searched(
                name, data, "--strategy", strategy, "--seed", seed, "--evaluations", EVALUATIONS,
                "--supernet", first / "supernet", "--latency-table", first / "latency_table.json",
            )  # fmt: skip
            minutes = (time.perf_counter() - began) / 60 if is_whole else None
            best = result_of(out).best
            add({"step": "search", "strategy": strategy, "seed": seed, "minutes": minutes, "best_reward": best.reward,
                 "best_accuracy": best.accuracy, "best_ms": best.cost, "machine": machine().line()})  # fmt: skip
    draw_all()


def draw_all() -> None:
    """All searches in one figure, with the networks that were trained by themselves."""
    searches = [result_of(LEDGER.runs / f"{line['strategy']}-{line['seed']}")
                for line in LEDGER.lines if line["step"] == "search"]  # fmt: skip
    final = [line for line in LEDGER.lines if line["step"] == "found"]
    beside = {
        line["network"]: (f"{line['network']}, trained", line["latency_ms"],
                          mean(each["accuracy"] for each in final if each["network"] == line["network"]))
        for line in final
    }  # fmt: skip
    draw_searched(searches, LEDGER.file.with_suffix(".svg"), list(beside.values()))


def rank_all(data: Path) -> None:
    """Networks trained by themselves."""
    searches = [result_of(LEDGER.runs / f"{strategy}-{seed}") for strategy in STRATEGIES for seed in SEEDS]
    known = {each.candidate: each for one in searches for each in one.trials}
    space = searches[0].request.space
    for number, candidate in enumerate(spread(searches)):
        if LEDGER.has(step="rank", number=number):
            continue
        file = LEDGER.runs / f"ranked-{number}.json"
        write_whole(file, space.architecture(candidate).to_json().encode())
        _, accuracy = trained(f"ranked-{number}", data, 0, RANK_EPOCHS, "--model", file)
        add({"step": "rank", "number": number, "supernet": known[candidate].accuracy, "accuracy": accuracy,
             "ms": known[candidate].cost, "machine": machine().line()})  # fmt: skip


def find_all(data: Path) -> None:
    """The found network beside the zoo's."""
    file = LEDGER.runs / f"{STRATEGIES[0]}-{SEEDS[0]}" / FOUND
    rows = Architecture.load(file)
    flags = {"found": ["--model", str(file)]} | {name: like(name, rows) for name in ZOO}
    for seed in (0, 1):
        for name, words in flags.items():
            if LEDGER.has(step="found", network=name, seed=seed):
                continue
            run, accuracy = trained(f"{name}-{seed}", data, seed, EPOCHS, *words)
            architecture = load(run)[1].architecture
            ours, own = TIMING.milliseconds([rows, architecture])
            shown = "searched" if name == "found" else " ".join(words[2:])
            add({"step": "found", "network": name, "seed": seed, "flags": shown, "accuracy": accuracy,
                 "macs": count(architecture).macs, "params": count(architecture).params, "latency_ms": own,
                 "latency_over_found": own / ours, "machine": machine().line()})  # fmt: skip
    draw_all()


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    steps: dict[str, Any] = {"search": search_all, "rank": rank_all, "found": find_all}
    parser.add_argument("--only", nargs="*", choices=steps, default=tuple(steps))
    arguments = parser.parse_args()
    for step in arguments.only:
        steps[step](arguments.data)


if __name__ == "__main__":
    main()
