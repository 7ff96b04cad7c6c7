"""MLPerf Tiny's image classifier, trained here: CIFAR-10, 8-bit integers in and out, as a microcontroller runs it.

    python experiments/resnet8.py DATA [--epochs 120] [--alone]    # goes on where it stopped

DATA: a folder with train.parquet and test.parquet. `leannet train` on 98 of a hundred training images, the epoch chosen
by the others, and with a teacher but for --alone; `quantize --engine litert --input int8`; then the 10,000 test images,
scored once in float and once in integers by LiteRT. Memory and file are those of `count --target`, beside the
benchmark's. Writes docs/experiments/resnet8.json and docs/resnet8.md.
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
# Whole images from the first epoch: in so small a network those of 16 px teach filters that 32 px unlearns.
RECIPE = ["--recipe", "cifar-fast", "--precision", "bf16", "--progressive-resizing", "1", "--label-smoothing", "0",
          "--weight-decay", "0.03"]  # fmt: skip
TEACHER = "experiments/bases/cifar_mobilenet_v3_small.safetensors"  # 87.7 % of the test images, docs/bases.md
# mlcommons/tiny, v1.4: its float network in Keras is quantized after training; the target is of 200 of the test images.
MLPERF: Line = {"accuracy": 0.85, "file_bytes": 98_496, "params": 78_666, "macs": 12_501_632}


def flags(epochs: int, alone: bool) -> list[str]:
    """Of `leannet train`, after the data."""
    teacher = [] if alone else ["--teacher", TEACHER]
    return ["--model", NETWORK, "--split", "98:2", *RECIPE, "--epochs", str(epochs), "--seed", "0", *teacher]


def measured(data: Path, run: Path, epochs: int, alone: bool, threads: int) -> Line:
    """What has been trained, in float and in integers."""
    small = run / "model_litert_int8"
    if not small.exists():
        leannet_run("quantize", run, "--engine", "litert", "--input", "int8", "--c-array", "--quiet")
    test = str(data / "test.parquet")
    with (run / "log.csv").open(newline="") as file:
        minutes = sum(float(line["seconds"]) for line in csv.DictReader(file)) / 60
    found = fit(open_artifact(small).header.architecture)
    return {
        "epochs": epochs,
        "alone": alone,
        "flags": " ".join(flags(epochs, alone)),
        "minutes": minutes,
        "threads": threads,
        "float": leannet.evaluate(run, test, quiet=True).scores.accuracy,
        "int8": leannet.evaluate(small, test, quiet=True).scores.accuracy,
        "file_bytes": (small / "model.tflite").stat().st_size,
        "activations_bytes": found.activations,
        "kept_bytes": found.kept,
        "machine": machine().line(),
    }


def page(line: Line, others: list[Line]) -> str:
    """docs/resnet8.md. others: what else has been tried."""
    threads = f"{line['threads']} thread{'s' if line['threads'] > 1 else ''}"
    return "\n".join([
        "# MLPerf Tiny's image classifier, trained here", "",
        f"Written by `python experiments/resnet8.py DATA`. {line['machine']}; {line['epochs']} epochs in "
        f"{line['minutes']:.0f} minutes with {threads}.", "",
        f"    leannet train cifar10/train.parquet {line['flags']} --out runs/resnet8",
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
        "([microcontrollers.md](microcontrollers.md)).", "",
        "What else was tried, scored in the same way:", "",
        "| flags | epochs | float32 | 8-bit integers |", "|---|--:|--:|--:|",
        *(f"| `{each['flags']}` | {each['epochs']} | {100 * each['float']:.2f} % | {100 * each['int8']:.2f} % |"
          for each in others),
    ]) + "\n"  # fmt: skip


def main() -> None:
    """Trains, quantizes, scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--alone", action="store_true", help="without a teacher")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    epochs, alone, threads = arguments.epochs, arguments.alone, arguments.threads
    run = LEDGER.runs / f"{epochs}-epochs{'-alone' if alone else ''}"
    if not LEDGER.has(epochs=epochs, alone=alone):
        done(run, "train", arguments.data / "train.parquet", *flags(epochs, alone), "--threads", str(threads))
        LEDGER.add(measured(arguments.data, run, epochs, alone, threads))
    shown = max(LEDGER.lines, key=lambda line: (not line["alone"], line["epochs"]))  # the test images choose nothing
    LEDGER.write(shown | {"mlperf_tiny": MLPERF}, page(shown, [line for line in LEDGER.lines if line != shown]))


if __name__ == "__main__":
    main()
