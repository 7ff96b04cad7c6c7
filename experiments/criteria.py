"""Which channels should go? Every criterion, by both rankings, on CIFAR-10.

    python experiments/criteria.py DATA [--part 0/2]     # two hours on two cores; goes on where it stopped

DATA: a folder with train.parquet of CIFAR-10. bases/cifar_mobilenet_v2 (width 0.5) loses half of its mult-adds by each
criterion, rows competing or not, and trains two epochs by the recipe cifar-fast at a quarter of its rate; then the same
for what else can be chosen, by the default criterion. Validation accuracy just after pruning, with batch norm measured
anew, and after the epochs. Writes docs/experiments/criteria.json and docs/criteria.md. --part: a share of the runs, for
a second process.
"""

import argparse
from pathlib import Path
from typing import get_args

from ledger import BASES, Ledger, Line, done

from leannet.header import read_header
from leannet.run_files import MODEL
from leannet.runtime import machine
from leannet.shrink.names import Criterion
from leannet.shrink.progress import Progress

LEDGER = Ledger("criteria")
BASE = BASES / "cifar_mobilenet_v2.safetensors"
EPOCHS = 2
# A quarter of the recipe's rate, and images of full size from the first: what was learned is to be kept.
RECIPE = ["--recipe", "cifar-fast", "--lr", 2e-3, "--progressive-resizing", 1]
OTHERS = {
    "taylor, multiples of 1": ["--round-to", 1],
    "taylor, multiples of 4": ["--round-to", 4],
    "taylor, at least 0.25 of a row": ["--least", 0.25],
    "taylor, at least 0.5 of a row": ["--least", 0.5],
    "taylor, 4,096 images": ["--images", 4096],
}


def variants() -> dict[str, list[object]]:
    """The flags of each."""
    ways: dict[str, list[object]] = {}
    for criterion in get_args(Criterion):
        for ranking in ("global", "per-row"):
            ways[f"{criterion}, {ranking}"] = ["--criterion", criterion, "--ranking", ranking]
    return ways | OTHERS


def page(lines: list[Line]) -> str:
    """docs/criteria.md."""
    text = [
        "# Which channels should go", "",
        "Written by `python experiments/criteria.py DATA`: cifar_mobilenet_v2 (width 0.5, 28 M mult-adds) at half of "
        f"its mult-adds, CIFAR-10, validation accuracy in percent, one seed. {lines[0]['machine']}.", "",
        f"| | just after pruning | after {EPOCHS} epochs |", "|---|--:|--:|",
    ]  # fmt: skip
    for line in sorted(lines, key=lambda line: -line["accuracy"]):
        text.append(f"| {line['way']} | {100 * line['pruned']:.2f} | {100 * line['accuracy']:.2f} |")
    return "\n".join(text) + "\n"


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="0/1", metavar="I/N")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    for way, words in list(variants().items())[part::parts]:
        if LEDGER.has(way=way):
            continue
        common = ["--macs", "50%", "--epochs", EPOCHS, *RECIPE, "--threads", arguments.threads]
        run = LEDGER.runs / way.replace(", ", "-").replace(" ", "-")
        done(run, "prune", BASE, arguments.data / "train.parquet", *words, *common)
        accuracy = read_header(run / MODEL).metrics.accuracy
        pruned = Progress.load(run).rounds[-1].accuracy
        LEDGER.add({"way": way, "pruned": pruned, "accuracy": accuracy, "machine": machine().line()})
        LEDGER.write({"lines": LEDGER.lines}, page(LEDGER.lines))


if __name__ == "__main__":
    main()
