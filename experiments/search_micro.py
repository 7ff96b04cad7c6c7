"""A network for 256 kB of memory and 512 kB of flash, searched for and trained on CIFAR-10.

    python experiments/search_micro.py DATA     # four hours on two cores; goes on where it stopped

DATA: a folder with train.parquet and test.parquet. The space is around inverted residuals at 32, 16 and 8 px, of every
stage kernel, expansion, squeeze, width and depth; its largest network fits neither memory. `leannet search` with
`--sram 256kB --flash 512kB` alone, so that of what fits accuracy counts: 60 minutes for the supernet, 300 evaluations
by evolution. What it found is trained for 100 minutes on 98 of a hundred images, the epoch chosen by the others,
becomes integers for LiteRT, and the 10,000 test images are scored once in float and once in integers. Appends a line to
docs/experiments/search_micro.jsonl, and writes search_micro.json and docs/search_micro.md.
"""

import argparse
from pathlib import Path

from ledger import Ledger, Line, done, leannet_run
from resnet8 import MLPERF

import leannet
from leannet.artifact import open_artifact
from leannet.cost import count
from leannet.diagrams import draw, write
from leannet.files import write_whole
from leannet.microcontrollers import fit
from leannet.nas.resources import Counted
from leannet.nas.search_request import Search
from leannet.nas.searched import FOUND, Searched, trials_of
from leannet.nas.spaces import space_of
from leannet.nas.trials import results_of
from leannet.rows import Architecture, Conv, GlobalPool, Input, InvertedResidual, Linear, Norm, Row
from leannet.runtime import machine

LEDGER = Ledger("search_micro")
SRAM, FLASH = "256kB", "512kB"
STAGES = ((24, 4, 1), (48, 4, 2), (96, 4, 2))  # channels, rows, stride of the first
STEM, EXPANSION, LAST = 16, 6, 192
SEARCH = ["--sram", SRAM, "--flash", FLASH, "--strategy", "evolution", "--evaluations", "300", "--split", "90:10",
          "--recipe", "cifar-fast", "--progressive-resizing", "1", "--time", "60m"]  # fmt: skip
TRAIN = ["--split", "98:2", "--recipe", "cifar-fast", "--time", "100m", "--seed", "0"]
# Its successor since April 2026: a wider ResNet8, by its file about 40 channels.
SUCCESSOR: Line = {"params": 482_730, "macs": 76.5e6, "file": "512,024 bytes", "accuracy": 0.91}


def base() -> Architecture:
    """The largest network of the space."""
    channels = STEM
    rows: list[Row] = [Conv(name="stem", out_channels=STEM, kernel=3, norm=Norm(), activation="relu6")]
    for out, repeats, first in STAGES:
        for repeat in range(repeats):
            stride = first if repeat == 0 else 1
            rows.append(InvertedResidual(name=f"block_{len(rows)}", expansion_channels=EXPANSION * channels,
                                         out_channels=out, stride=stride,
                                         residual=stride == 1 and channels == out))  # fmt: skip
            channels = out
    rows += [Conv(name="last", out_channels=LAST, norm=Norm(), activation="relu6"), GlobalPool(name="pool"),
             Linear(name="logits", out_channels=10)]  # fmt: skip
    return Architecture(name="micro", input=Input(channels=3, height=32, width=32), rows=tuple(rows))


def searched(data: Path) -> Path:
    """Runs the search, or goes on with it."""
    out, file = LEDGER.runs / "search", LEDGER.runs / "space.json"
    if (out / FOUND).exists():
        return out
    if (out / "search.json").exists():
        leannet_run("search", "--resume", out)
        return out
    space = space_of(base(), kernel=(3, 5), expansion=(2, 3, 4, 6), squeeze=(0, 0.25), width=(0.5, 0.75, 1))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, space.model_dump_json().encode())
    leannet_run("search", data / "train.parquet", "--space", file, *SEARCH, "--out", out)
    return out


def result_of(out: Path) -> Searched:
    """What the search tried."""
    begun = Search.load(out)
    trials = trials_of(results_of(begun.storage or str(out / "study.db"), begun.study), begun.request)
    return Searched.of(out, begun.request, trials, Counted(begun.request.quantity))


def measured(data: Path, result: Searched, run: Path) -> Line:
    """What was found is worth, in float and in integers."""
    small, test = run / "model_litert_int8", str(data / "test.parquet")
    if not small.exists():
        leannet_run("quantize", run, "--engine", "litert", "--input", "int8", "--out", small, "--quiet")
    rows = open_artifact(small).header.architecture
    fitted, cost = fit(rows), count(rows)
    return {
        "flags": " ".join(TRAIN),
        "search": " ".join(SEARCH),
        "evaluations": len(result.trials),
        "supernet": result.best.accuracy,
        "params": cost.params,
        "macs": cost.macs,
        "float": leannet.evaluate(run, test, quiet=True).scores.accuracy,
        "int8": leannet.evaluate(small, test, quiet=True).scores.accuracy,
        "file_bytes": (small / "model.tflite").stat().st_size,
        "sram_bytes": fitted.sram,
        "machine": machine().line(),
    }


def page(line: Line) -> str:
    """docs/search_micro.md."""

    def row(name: str, params: int, macs: float, file: str, accuracy: float) -> str:
        return f"| {name} | {params:,} | {macs / 1e6:.1f} M | {file} | {100 * accuracy:.1f} % |"

    return "\n".join([
        f"# A network for {SRAM} of memory and {FLASH} of flash", "", "![What was found](experiments/search_micro.svg)",
        "", f"Written by `python experiments/search_micro.py DATA`. {line['machine']}.", "",
        f"    leannet search cifar10/train.parquet --space space.json {line['search']} --out runs/search",
        f"    leannet train cifar10/train.parquet --model runs/search/{FOUND} {line['flags']} --out runs/micro",
        "    leannet quantize runs/micro --engine litert --input int8", "",
        f"Of {line['evaluations']} networks that fit, the best had {100 * line['supernet']:.1f} % of the validation "
        "images right with the weights that all share. Trained alone, as 8-bit integers, on the 10,000 test images:",
        "", "| network | parameters | mult-adds | file | accuracy |", "|---|--:|--:|--:|--:|",
        row("found here", line["params"], line["macs"], f"{line['file_bytes']:,} bytes", line["int8"]),
        row("MLPerf Tiny's ResNet8", MLPERF["params"], MLPERF["macs"], f"{MLPERF['file_bytes']:,} bytes",
            MLPERF["accuracy"]),
        row("MLPerf Tiny's of 2026", *SUCCESSOR.values()), "",
        f"In float it has {100 * line['float']:.1f} %. TensorFlow Lite Micro takes {line['sram_bytes']:,} bytes of "
        "memory for it. The benchmark's figures are what it asks for, of 200 lossless images; the images here are "
        "JPEGs in the copy that was at hand, which costs some points: cifar_resnet38 reaches 87.7 % of them "
        "([bases.md](bases.md)).",
    ]) + "\n"  # fmt: skip


def main() -> None:
    """Searches, trains, quantizes, scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    out = searched(data)
    run = done(LEDGER.runs / "trained", "train", data / "train.parquet", "--model", out / FOUND, *TRAIN)
    if not LEDGER.lines:
        LEDGER.add(measured(data, result_of(out), run))
    (line,) = LEDGER.lines
    LEDGER.write(line, page(line))
    write(draw(Architecture.load(out / FOUND)), LEDGER.file.with_suffix(".svg"))


if __name__ == "__main__":
    main()
