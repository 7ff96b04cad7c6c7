"""How much noise may integers add? The noise, the agreement and the accuracy lost, at 8 to 4 bits of the weights.

    python experiments/int8_noise.py DATA        # a quarter of an hour; the networks of bases.py

DATA: a folder with train.parquet and test.parquet. Fewer bits make more noise, so that one network becomes five. Ranges
are measured on 512 training images; all 10,000 test images are scored, in ONNX Runtime. From this comes the limit in
quantization/comparison.py, by which `quantize` decides where images are too few for accuracy. Writes
docs/experiments/int8_noise.json; `python experiments/int8.py --page` then writes docs/int8.md.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from bases import BASES, NETWORKS
from int8 import FEW, ROOT

from leannet.artifact.artifact import normalized
from leannet.checkpoint import load
from leannet.data.images import prepare, read
from leannet.files import write_whole
from leannet.header import Header
from leannet.quantization.calibration import Calibration
from leannet.quantization.comparison import decibels, relative_noise
from leannet.runtime import ENGINES, Program, numpy_weights
from leannet.runtime.programs import quantized_program

RESULTS = ROOT / "docs" / "experiments" / "int8_noise.json"
BATCH = 250


def floats(table: Any, header: Header) -> np.ndarray:
    """Images (N, C, H, W) as the network reads them."""
    images = [prepare(read(image["bytes"]), header.preprocessing) for image in table["img"].to_pylist()]
    return normalized(np.stack(images), header.preprocessing)


def outputs(program: Program, x: np.ndarray) -> np.ndarray:
    """(N, classes)."""
    run = ENGINES["onnxruntime"].prepare(program, 1)
    return np.concatenate([run(x[start : start + BATCH])[0] for start in range(0, len(x), BATCH)])


def deviation(after: np.ndarray, before: np.ndarray, images: int = 80) -> float:
    """The standard deviation of the decibels of so few images: of 500 draws."""
    generator = np.random.default_rng(0)
    draws = [generator.permutation(len(before))[:images] for _ in range(500)]
    return float(np.std([decibels(relative_noise(after[draw], before[draw])) for draw in draws]))


def measured(name: str, data: Path) -> Iterator[dict[str, Any]]:
    """One network at each number of bits."""
    network, header = load(BASES / f"{name}.safetensors")
    architecture, weights = header.architecture, numpy_weights(network.state_dict())
    test = pq.read_table(data / "test.parquet")
    x, labels = floats(test, header), np.array(test["label"].to_pylist())
    some = floats(pq.read_table(data / "train.parquet").slice(0, FEW), header)
    calibration = Calibration(architecture, weights, [some[start : start + 16] for start in range(0, FEW, 16)])
    before = outputs(Program(architecture, weights), x)
    for bits in (8, 7, 6, 5, 4):
        corrections = calibration.bias_corrections(bits)
        program = quantized_program(
            architecture, weights, calibration.ranges(), "onnxruntime", bits=bits, bias_corrections=corrections
        )
        after = outputs(program, x)
        correct = [float((each.argmax(axis=1) == labels).mean()) for each in (before, after)]
        yield {
            "network": name,
            "weight_bits": bits,
            "decibels": round(decibels(relative_noise(after, before)), 1),
            "decibels_deviation_of_80": round(deviation(after, before), 1),
            "agreement": float((before.argmax(axis=1) == after.argmax(axis=1)).mean()),
            "drop_points": round(100 * (correct[0] - correct[1]), 2),
        }


def main() -> None:
    """Measures what is kept in bases/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    results = []
    for name in NETWORKS:
        if (BASES / f"{name}.safetensors").exists():
            for line in measured(name, data):
                print(line, flush=True)
                results.append(line)
    write_whole(RESULTS, (json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
