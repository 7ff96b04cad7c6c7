"""Is skipping worth it? Networks that skip blocks image by image, beside the same cost removed for all, on CIFAR-10.

    python experiments/skip.py DATA [--only WAY ...]     # goes on where it stopped

DATA: a folder with train.parquet and test.parquet. From bases/cifar_resnet38 and bases/cifar_mobilenet_v2 (width 0.5),
with Muon, a quarter of cifar-fast's rate and whole images from the first epoch on:

- original: the base, 10 epochs more;
- supervised: with recurrent gates, noisy and charged `alpha`, 7 epochs;
- hybrid: from there 3 epochs of hybrid reinforcement learning with Adam and a small rate;
- static: the base without the blocks that the hybrid network skips most, until an image costs no more, 10 epochs;
- exits: two early exits on the base, 10 epochs, and the confidence at which an image costs what the hybrid network's
  does, chosen by the validation images.

The ablation, of cifar_resnet38 alone, each 10 epochs: free (supervised, hard and not charged, as in the paper), soft
(the score is the share of the block), highway. The best epoch is that of the base's validation split, and the test
images are scored once. Mult-adds are those of an image, expected over the test images, the gates' own included. Appends
a line to docs/experiments/skip.jsonl for each finished run, and writes skip.json (`saved_`, `points_lost_` and
`points_over_static_` of each network), skip.svg and docs/skip.md.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from ledger import BASES, Ledger, Line, done

import leannet
from leannet.checkpoint import load, save
from leannet.cost import count
from leannet.network import subnetwork
from leannet.rows import Architecture
from leannet.runtime import machine
from leannet.style import COLORS, figure, plain_axes, write_figure

LEDGER = Ledger("skip")
RECIPE = ["--recipe", "cifar-fast", "--progressive-resizing", "1", "--split", "weights"]
MUON = ["--lr", "0.002"]
ADAM = ["--optimizer", "adam", "--lr", "0.0001", "--weight-decay", "0", "--label-smoothing", "0"]
SUPERVISED, HYBRID = 7, 3  # epochs
WAYS = ("original", "supervised", "hybrid", "static", "exits")
ABLATION = ("free", "soft", "highway")
GATES = {
    "free": ["--gate", "recurrent"],
    "soft": ["--gate", "recurrent", "--gate-learning", "soft"],
    "highway": ["--gate", "highway"],
    "exits": ["--exits", "2"],
}
BETWEEN = (0.05, 0.95)  # of the images, for which a gate runs that decides


@dataclass(frozen=True)
class Network:
    """A base, how many blocks a gate decides for, and what running all of them costs, in units of the cross-entropy."""

    base: str
    group: int
    alpha: float

    @property
    def file(self) -> Path:
        """The committed weights."""
        return BASES / f"{self.base}.safetensors"


NETWORKS = {"resnet38": Network("cifar_resnet38", 1, 0.15), "mobilenet_v2": Network("cifar_mobilenet_v2", 1, 0.1)}


def trained(data: Path, network: Network, way: str, threads: int, more: list[str]) -> Path:
    """The run of a way, after those that it starts from."""
    out, words = LEDGER.runs / f"{network.base}-{way}", [*RECIPE, "--seed", "0", "--threads", str(threads), *more]
    start, epochs = network.file, SUPERVISED + HYBRID
    words += GATES.get(way, [])
    if way == "supervised":
        words += ["--gate", "recurrent", "--gate-group", str(network.group)]
        words += ["--gate-learning", "noisy", "--alpha", str(network.alpha)]
        epochs = SUPERVISED
    if way == "hybrid":
        start, epochs = trained(data, network, "supervised", threads, more), HYBRID
        words += ["--gate-learning", "hybrid", "--alpha", str(network.alpha)]
    words += ADAM if way == "hybrid" else MUON
    if way == "static":
        start = LEDGER.runs / f"{network.base}-static.safetensors"
        if not start.exists():
            smaller(network, line_of(network, "hybrid"), start)
    return done(out, "train", data / "train.parquet", "--weights", start, *words, "--epochs", epochs)


def line_of(network: Network, way: str) -> Line:
    """The finished run of a way."""
    return next(line for line in LEDGER.lines if (line["network"], line["way"]) == (network.base, way))


def smaller(network: Network, hybrid: Line, file: Path) -> None:
    """Writes the base without the blocks that run for the fewest images, until it costs as little as the hybrid one."""
    base, header = load(network.file)
    rows = base.architecture
    rates: dict[str, float] = hybrid["rates"]
    for gate in sorted(rates, key=lambda name: rates[name]):
        if count(rows).macs <= hybrid["macs"]:
            break
        block = gate.removesuffix("_gate")
        if block in rows.shapes and _is_whole(rows, block):
            rows = rows.without(block)
    save(file, subnetwork(base, rows), header.for_rows(rows))


def _is_whole(rows: Architecture, block: str) -> bool:
    """Whether a block's output has its input's shape, so that it can be left out."""
    node = rows.graph.by_path[block]
    return node.in_shapes == (node.out_shape,)


def measured(data: Path, network: Network, way: str, run: Path) -> Line:
    """Test accuracy, and what an image costs."""
    if way == "exits":
        hybrid = line_of(network, "hybrid")
        share = hybrid["macs"] / count(load(run)[1].architecture).macs
        leannet.choose_exits(run, cost=share, quiet=True)
        run = run / "exits.safetensors"
    found = leannet.evaluate(run, str(data / "test.parquet"), quiet=True)
    rows = load(run)[1].architecture
    line: Line = {"network": network.base, "way": way, "accuracy": found.scores.accuracy, "macs": count(rows).macs}
    if found.costs is not None:
        costs = found.costs.to_dict()
        line |= {"macs": costs["mean_macs"], "tenths": costs["macs_by_tenths"], "rates": costs["rates"]}
    return line | {"machine": machine().line()}


def summary(lines: list[Line]) -> Line:
    """What the hybrid networks save and lose, in shares and points."""
    results: Line = {}
    for word, network in NETWORKS.items():
        of = {line["way"]: line for line in lines if line["network"] == network.base}
        if {"original", "hybrid"} <= of.keys():
            hybrid, original = of["hybrid"], of["original"]
            results[f"saved_{word}"] = 1 - hybrid["macs"] / original["macs"]
            results[f"points_lost_{word}"] = 100 * (original["accuracy"] - hybrid["accuracy"])
            low, high = BETWEEN
            deciding = [rate for rate in hybrid["rates"].values() if rate is not None and low < rate < high]
            results[f"gates_that_decide_{word}"] = len(deciding) / len(hybrid["rates"])
        if {"hybrid", "static"} <= of.keys():
            results[f"points_over_static_{word}"] = 100 * (of["hybrid"]["accuracy"] - of["static"]["accuracy"])
    return results


def page(results: Line, lines: list[Line]) -> str:
    """docs/skip.md."""
    text = [
        "# What skipping is worth", "", "![Test accuracy against mult-adds](experiments/skip.svg)", "",
        "Written by `python experiments/skip.py DATA`: recurrent gates on CIFAR-10, test accuracy, and mult-adds of an "
        f"image in the mean over the test images; {SUPERVISED + HYBRID} epochs from the base, of which hybrid learning "
        f"has the last {HYBRID}. {'; '.join(sorted({line['machine'] for line in lines}))}.", "",
        "| network | way | test accuracy | M mult-adds | gates that run for 5 to 95 % |", "|---|---|--:|--:|--:|",
    ]  # fmt: skip
    for word, network in NETWORKS.items():
        ways = (*WAYS, *ABLATION)
        for line in (each for way in ways for each in lines if (each["network"], each["way"]) == (network.base, way)):
            share = results.get(f"gates_that_decide_{word}") if line["way"] == "hybrid" else None
            cells = f"{100 * line['accuracy']:.2f} % | {line['macs'] / 1e6:.1f}"
            text.append(f"| {network.base} | {line['way']} | {cells} | {'' if share is None else f'{share:.0%}'} |")
    return "\n".join(text) + "\n"


def draw(lines: list[Line], path: Path) -> None:
    """Test accuracy against the mult-adds of an image, a panel a network."""
    drawable = [line for line in lines if line["way"] in WAYS]
    panels = {
        word: members
        for word, network in NETWORKS.items()
        if (members := [line for line in drawable if line["network"] == network.base])
    }
    with figure(4.5 * len(panels), 4) as drawn:
        for axes, (word, members) in zip(drawn.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            for line in members:
                place = line["macs"] / 1e6, 100 * line["accuracy"]
                axes.plot(*place, "o", color=COLORS[WAYS.index(line["way"])])
                axes.annotate(line["way"], place, (5, 4), textcoords="offset points", fontsize=9)
            axes.set_title(word)
            axes.margins(0.25, 0.2)
            axes.set_xlabel("M mult-adds an image")
            axes.set_ylabel("test accuracy, %")
            plain_axes(axes)
        write_figure(drawn, path)


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", choices=(*WAYS, *ABLATION), default=(*WAYS, *ABLATION))
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=tuple(NETWORKS))
    parser.add_argument("--threads", type=int, default=2)
    arguments, more = parser.parse_known_args()
    todo = [(way, NETWORKS[word]) for word in arguments.networks for way in arguments.only
            if way in WAYS or word == "resnet38"]  # fmt: skip
    for way, network in todo:
        if LEDGER.has(network=network.base, way=way):
            continue
        run = trained(arguments.data, network, way, arguments.threads, more)
        LEDGER.add(measured(arguments.data, network, way, run))
        LEDGER.write(results := summary(LEDGER.lines), page(results, LEDGER.lines))
        draw(LEDGER.lines, LEDGER.file.with_suffix(".svg"))


if __name__ == "__main__":
    main()
