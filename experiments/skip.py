"""Is skipping worth it? Networks that skip blocks image by image, beside the same cost removed for all, on CIFAR-10.

    python experiments/skip.py DATA [--only WAY ...]     # goes on where it stopped

DATA: a folder with train.parquet and test.parquet. From bases/cifar_resnet38 and bases/cifar_mobilenet_v2 (width 0.5),
with Muon, a quarter of cifar-fast's rate and whole images from the first epoch on:

- original: the base, 10 epochs more;
- supervised: with recurrent gates, hard and charged `alpha`, 5 epochs at one rate, for each of some alphas;
- hybrid: from there 5 epochs of hybrid reinforcement learning, whose rate falls to nothing, with scores sharpened at
  first so that what is drawn is nearly what the gates decide;
- static: the base without the blocks that the hybrid network skips most of the validation images, until an image
  costs no more, 10 epochs;
- exits: two early exits on the base, 10 epochs, and the confidence at which an image costs what the hybrid network's
  does, chosen by the validation images.

The ablation, of cifar_resnet38 alone, each 10 epochs: free (supervised, hard and not charged, as in the paper), soft
(the score is the share of the block), highway. The best epoch is that of the base's validation split, and the test
images are scored once. Mult-adds are those of an image, expected over the test images, the gates' own included. Appends
a line to docs/experiments/skip.jsonl for each finished run, and writes skip.json (`saved_`, `points_lost_` and
`points_over_static_` of each network, at the first of its alphas that has run), skip.svg and docs/skip.md.
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
SUPERVISED, HYBRID = 5, 5  # epochs
WAYS = ("original", "supervised", "hybrid", "static", "exits")
OF_ALPHA = ("supervised", "hybrid", "static")  # once for each alpha; all else once
ABLATION = ("free", "soft", "highway")
BEFORE = tuple(f"{way}, before" for way in OF_ALPHA)  # as this was done at first
GATES = {
    "free": ["--gate", "recurrent"],
    "soft": ["--gate", "recurrent", "--gate-learning", "soft"],
    "highway": ["--gate", "highway"],
    "exits": ["--exits", "2"],
}
BETWEEN = (0.05, 0.95)  # of the images, for which a gate runs that decides


@dataclass(frozen=True)
class Network:
    """A base, how many blocks a gate decides for, and what running all of them costs, in units of the cross-entropy:
    what is claimed is of the first of these that has run."""

    base: str
    group: int
    alphas: tuple[float, ...]

    @property
    def file(self) -> Path:
        """The committed weights."""
        return BASES / f"{self.base}.safetensors"


NETWORKS = {
    "resnet38": Network("cifar_resnet38", 1, (0.15, 0.05)),
    "mobilenet_v2": Network("cifar_mobilenet_v2", 1, (0.03, 0.1)),
}


def trained(data: Path, network: Network, way: str, alpha: float | None, threads: int, more: list[str]) -> Path:
    """The run of a way, after those that it starts from."""
    out, words = _folder(network, way, alpha), [*RECIPE, "--seed", "0", "--threads", str(threads), *more]
    start, epochs = network.file, SUPERVISED + HYBRID
    words += GATES.get(way, [])
    if way == "supervised":
        words += ["--gate", "recurrent", "--gate-group", str(network.group)]
        words += ["--gate-learning", "supervised", "--alpha", str(alpha), "--schedule", "constant"]
        epochs = SUPERVISED
    if way == "hybrid":
        start, epochs = trained(data, network, "supervised", alpha, threads, more), HYBRID
        words += ["--gate-learning", "hybrid", "--alpha", str(alpha), "--gate-temperature", "0.2", "--warmup", "0"]
    words += MUON
    if way == "static":
        start = out.with_name(f"{out.name}.safetensors")
        if not start.exists():
            smaller(network, line_of(network, "hybrid", alpha), start)
    return done(out, "train", data / "train.parquet", "--weights", start, *words, "--epochs", epochs)


def _folder(network: Network, way: str, alpha: float | None) -> Path:
    return LEDGER.runs / "hard" / "-".join((network.base, way, *([] if alpha is None else [f"{alpha:g}"])))


def line_of(network: Network, way: str, alpha: float | None) -> Line:
    """The finished run of a way. Raises SystemExit where there is none."""
    wanted = {"network": network.base, "way": way, "alpha": alpha}
    lines = [line for line in LEDGER.lines if wanted.items() <= line.items()]
    if not lines:
        raise SystemExit(f"{network.base}: the way {way} has to run first, with alpha {alpha}")
    return lines[0]


def smaller(network: Network, hybrid: Line, file: Path) -> None:
    """Writes the base without the blocks that run for the fewest images, until it costs as little as the hybrid one."""
    base, header = load(network.file)
    rows = base.architecture
    rates: dict[str, float] = hybrid["validation_rates"]
    for gate in sorted(rates, key=lambda name: rates[name]):
        if count(rows).macs <= hybrid["validation_macs"]:
            break
        block = gate.removesuffix("_gate")
        if block in rows.shapes and _is_whole(rows, block):
            rows = rows.without(block)
    save(file, subnetwork(base, rows), header.for_rows(rows))


def _is_whole(rows: Architecture, block: str) -> bool:
    """Whether a block's output has its input's shape, so that it can be left out."""
    node = rows.graph.by_path[block]
    return node.in_shapes == (node.out_shape,)


def measured(data: Path, network: Network, way: str, alpha: float | None, run: Path) -> Line:
    """Test accuracy, and what an image costs."""
    if way == "exits":
        hybrid = line_of(network, "hybrid", network.alphas[0])
        share = hybrid["validation_macs"] / count(load(run)[1].architecture).macs
        leannet.choose_exits(run, cost=share, quiet=True)
        run = run / "exits.safetensors"
    found = leannet.evaluate(run, str(data / "test.parquet"), quiet=True)
    rows = load(run)[1].architecture
    line: Line = {"network": network.base, "way": way, "alpha": alpha, "accuracy": found.scores.accuracy}
    line["macs"] = count(rows).macs
    if found.costs is not None:
        costs = found.costs.to_dict()
        line |= {"macs": costs["mean_macs"], "tenths": costs["macs_by_tenths"], "rates": costs["rates"]}
    if way == "hybrid":  # by which the others are chosen
        own = leannet.evaluate(run, quiet=True).costs
        assert own is not None
        line |= {"validation_macs": own.mean, "validation_rates": own.to_dict()["rates"]}
    return line | {"machine": machine().line()}


def summary(lines: list[Line]) -> Line:
    """What the hybrid networks save and lose, in shares and points."""
    results: Line = {}
    for word, network in NETWORKS.items():
        ready = [line["alpha"] for line in lines if (line["network"], line["way"]) == (network.base, "hybrid")]
        claimed = next((alpha for alpha in network.alphas if alpha in ready), None)
        of = {
            line["way"]: line for line in lines if line["network"] == network.base and line["alpha"] in {None, claimed}
        }
        if {"original", "hybrid"} <= of.keys():
            hybrid, original = of["hybrid"], of["original"]
            results[f"saved_{word}"] = 1 - hybrid["macs"] / original["macs"]
            results[f"points_lost_{word}"] = 100 * (original["accuracy"] - hybrid["accuracy"])
            results[f"gates_that_decide_{word}"] = deciding(hybrid)
        if {"hybrid", "static"} <= of.keys():
            results[f"points_over_static_{word}"] = 100 * (of["hybrid"]["accuracy"] - of["static"]["accuracy"])
    return results


def deciding(line: Line) -> float:
    """The share of gates that run their block for some images and not for others."""
    low, high = BETWEEN
    rates = line["rates"].values()
    return sum(rate is not None and low < rate < high for rate in rates) / len(rates)


def page(lines: list[Line]) -> str:
    """docs/skip.md."""
    text = [
        "# What skipping is worth", "", "![Test accuracy against mult-adds](experiments/skip.svg)", "",
        "Written by `python experiments/skip.py DATA`: recurrent gates on CIFAR-10, test accuracy, and mult-adds of an "
        f"image in the mean over the test images; {SUPERVISED + HYBRID} epochs from the base, of which hybrid learning "
        f"has the last {HYBRID}. Before: seven epochs of noisy decisions, charged, then three of hybrid learning by "
        f"Adam at a rate of 0.0001. {'; '.join(sorted({line['machine'] for line in lines}))}.", "",
        "| network | way | alpha | test accuracy | M mult-adds | gates that run for 5 to 95 % |",
        "|---|---|--:|--:|--:|--:|",
    ]  # fmt: skip
    bases, ways = [network.base for network in NETWORKS.values()], (*WAYS, *ABLATION, *BEFORE)
    for line in sorted(
        lines, key=lambda each: (bases.index(each["network"]), ways.index(each["way"]), each["alpha"] or 0)
    ):
        alpha = "" if line["alpha"] is None else f"{line['alpha']:g}"
        share = f"{deciding(line):.0%}" if line["way"].startswith("hybrid") else ""
        cells = f"{alpha} | {100 * line['accuracy']:.2f} % | {line['macs'] / 1e6:.1f} | {share}"
        text.append(f"| {line['network']} | {line['way']} | {cells} |")
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
            for way in WAYS:  # along a line: the same with other alphas
                of_way = sorted((line for line in members if line["way"] == way), key=lambda line: line["macs"])
                places = [(line["macs"] / 1e6, 100 * line["accuracy"]) for line in of_way]
                axes.plot(*zip(*places, strict=True), "o-", color=COLORS[WAYS.index(way)]) if places else None
                for line, place in zip(of_way, places, strict=True):
                    alpha = "" if line["alpha"] is None else f" {line['alpha']:g}"
                    axes.annotate(way + alpha, place, (5, 4), textcoords="offset points", fontsize=9)
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
    todo = [
        (way, alpha, network)
        for word, network in ((word, NETWORKS[word]) for word in arguments.networks)
        for number in range(len(network.alphas))
        for way in arguments.only
        for alpha in [network.alphas[number] if way in OF_ALPHA else None]
        if (way in WAYS or word == "resnet38") and (number == 0 or way in OF_ALPHA)
    ]
    for way, alpha, network in todo:
        if not LEDGER.has(network=network.base, way=way, alpha=alpha):
            run = trained(arguments.data, network, way, alpha, arguments.threads, more)
            LEDGER.add(measured(arguments.data, network, way, alpha, run))
            write(LEDGER.lines)
    write(LEDGER.lines)


def write(lines: list[Line]) -> None:
    """Results, figure and page."""
    LEDGER.write(summary(lines), page(lines))
    draw(lines, LEDGER.file.with_suffix(".svg"))


if __name__ == "__main__":
    main()
