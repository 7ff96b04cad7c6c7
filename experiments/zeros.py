"""What zeros are worth: accuracy, bytes on disk and milliseconds of sparse networks, on CIFAR-10.

    python experiments/zeros.py DATA [--part 0/2]     # three hours on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet. bases/cifar_mobilenet_v2 (width 0.5) trains ten epochs more by the
recipe cifar-fast, dense and with `leannet sparsify` in several ways; the best epoch is that of the base's validation
split, and the test images are scored once. Milliseconds: batch 1, float32, one thread, dense and sparse in turns, in
every engine. Writes docs/experiments/zeros.json and docs/zeros.md. --part: a share of the runs, for a second process.
"""

import argparse
from pathlib import Path

from ledger import BASES, Ledger, Line, done

import leannet
from leannet.checkpoint import load_shipped
from leannet.header import bytes_on_disk
from leannet.run_files import MODEL
from leannet.runtime import machine
from leannet.shrink.sparsifying import latencies
from leannet.training.sparsity import zeros_of

LEDGER = Ledger("zeros")
BASE = BASES / "cifar_mobilenet_v2.safetensors"
EPOCHS = 10
DENSE = "dense"
WAYS: dict[str, list[object]] = {
    DENSE: [],
    "80 %, gradually": ["--sparsity", 0.8],
    "80 %, at once": ["--sparsity", 0.8, "--sparsity-schedule", "one-shot"],
    "80 % of each layer, gradually": ["--sparsity", 0.8, "--sparsity-scope", "layer"],
    "50 %, gradually": ["--sparsity", 0.5],
    "2:4": ["--sparsity-level", "2:4"],
}


def page(lines: list[Line]) -> str:
    """docs/zeros.md."""
    dense = next((line for line in lines if line["way"] == DENSE), lines[0])
    text = [
        "# What zeros are worth", "",
        "Written by `python experiments/zeros.py DATA`: cifar_mobilenet_v2 (width 0.5) on CIFAR-10, "
        f"{EPOCHS} epochs after the base's 20, test accuracy in percent, one seed. {dense['machine']}.", "",
        "| | zeros | test accuracy | bytes on disk | " + " | ".join(dense["latencies_ms"]) + " |",
        "|---|--:|--:|--:|" + "--:|" * len(dense["latencies_ms"]),
    ]  # fmt: skip
    for line in lines:
        ratios = [f"{sparse / of_dense:.2f}" for of_dense, sparse in line["latencies_ms"].values()]
        if line["way"] == DENSE:
            ratios = [f"{of_dense:.3f} ms" for of_dense, _ in line["latencies_ms"].values()]
        text.append(
            f"| {line['way']} | {100 * line['sparsity']:.1f} % | {100 * line['accuracy']:.2f} | "
            f"{line['bytes']:,} | {' | '.join(ratios)} |"
        )
    text += ["", "Of an engine: milliseconds, then the share of the dense network's that a sparse one takes."]
    return "\n".join(text) + "\n"


def main() -> None:
    """Runs what has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="0/1", metavar="I/N")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    table = arguments.data / "train.parquet"
    for way, words in list(WAYS.items())[part::parts]:
        if LEDGER.has(way=way):
            continue
        run = LEDGER.runs / way.replace(", ", "-").replace(" ", "").replace("%", "").replace(":", "")
        common = ["--epochs", EPOCHS, "--recipe", "cifar-fast", "--threads", arguments.threads]
        if way == DENSE:
            done(run, "train", table, "--weights", BASE, "--split", "weights", *common)
        else:
            done(run, "sparsify", BASE, table, *words, *common)
        scores = leannet.evaluate(run, str(arguments.data / "test.parquet"), quiet=True).scores
        network = load_shipped(run)[0]
        zeros, sizes = zeros_of(network), {key: each.numel() for key, each in network.named_parameters()}
        LEDGER.add(
            {
                "way": way, "accuracy": scores.accuracy, "bytes": bytes_on_disk(run / MODEL),
                "sparsity": sum(zeros[key] * sizes[key] for key in zeros) / sum(sizes[key] for key in zeros),
                "latencies_ms": latencies(load_shipped(BASE)[0], network), "machine": machine().line(),
            }
        )  # fmt: skip
        LEDGER.write({"lines": LEDGER.lines}, page(LEDGER.lines))


if __name__ == "__main__":
    main()
