"""Activation memory of int8 networks: what `count --target` says from the rows, and what TensorFlow Lite Micro plans.

    python benchmarks/microcontrollers.py [--work FOLDER]

Each network is built with random weights, quantized, written as `quantize --engine litert --input int8` writes it, and
run by the PyPI package tflite-micro in an environment of its own (below FOLDER). Its allocations are read from what it
prints, its outputs compared with LiteRT's. Writes docs/benchmarks/microcontrollers.json and .md.
"""

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from readers import environment, lively

from leannet.files import write_whole
from leannet.microcontrollers import fit
from leannet.network import build
from leannet.quantization.calibration import Calibration
from leannet.rows import Architecture
from leannet.runtime import numpy_weights
from leannet.runtime.programs import quantized_program
from leannet.shrink.rewriting import rewrite
from leannet.what import resolve

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "benchmarks" / "microcontrollers.json"
RUNNER = Path(__file__).with_name("microcontrollers_run.py")
PACKAGES = ("tflite-micro==0.dev20261023182759", "numpy==2.4.6")
IMAGES = 8
# Name, channels of the image, and whether rows with a stride pad by TensorFlow's rule.
NETWORKS = (
    ("mobilenet_v1:0.25@96", 1, True), ("mobilenet_v1:0.25@96", 1, False), ("resnet8", 3, False),
    ("mobilenet_v1_debug", 3, False), ("mobilenet_v2_debug", 3, False),
    ("shufflenet_v1_debug", 3, False), ("shufflenet_v2_debug", 3, False), ("squeezenet_debug", 3, False),
    ("mobilenet_v3_debug", 3, False), ("nasnet_debug", 3, False), ("resnet_debug", 3, False),
    ("googlenet_debug", 3, False), ("mobilenet_v4_debug", 3, False), ("lcnet_debug", 3, False),
    ("mobilenet_v2:0.35@144", 3, False), ("mobilenet_v3_small_minimal:0.5@96", 3, False),
    ("shufflenet_v2:0.5@96", 3, False), ("cifar_mobilenet_v2:0.5", 3, False), ("efficientnet_lite0@160", 3, False),
)  # fmt: skip


def table(name: str, channels: int, one_sided: bool) -> Architecture:
    """The rows."""
    rows = resolve(name, in_channels=channels, classes=2 if "@96" in name else None)
    return rewrite(rows, ["padding:same"]).architecture if one_sided else rows


def compare(name: str, channels: int, one_sided: bool, python: Path, folder: Path) -> dict[str, Any]:
    """One network here and there."""
    import torch

    torch.manual_seed(0)
    network = lively(build(table(name, channels, one_sided)))
    rows, weights = network.architecture, numpy_weights(network.state_dict())
    x = np.random.default_rng(0).normal(size=(IMAGES, *rows.input.shape)).astype(np.float32)
    calibration = Calibration(rows, weights, [x])
    program = quantized_program(
        rows, weights, calibration.ranges(), "litert", bias_corrections=calibration.bias_corrections(8), outside=True
    )
    (data,) = program.form("tflite")
    file, inputs, outputs = folder / "model.tflite", folder / "in.npy", folder / "out.npy"
    file.write_bytes(data)
    low, high = calibration.ranges()["input"]
    integers = np.clip(np.rint((x - min(low, 0)) / (max(high, 0) - min(low, 0)) * 255) - 128, -128, 127)
    np.save(inputs, integers.transpose(0, 2, 3, 1).astype(np.int8))
    done = subprocess.run([python, RUNNER, file, inputs, outputs], capture_output=True, text=True, check=False)
    found = fit(rows)
    line = {
        "network": name, "channels": channels, "one_sided": one_sided, "said_bytes": found.activations,
        "live_bytes": found.live, "said_kept_bytes": found.kept, "said_flash_bytes": found.flash,
        "flash_bytes": len(data),
    }  # fmt: skip
    if done.returncode:
        return line | {"error": done.stderr.strip().splitlines()[-1][:200]}
    sizes = {
        key: int(size)
        for key, size in re.findall(r"Arena allocation (head|tail) (\d+) bytes", done.stdout + done.stderr)
    }
    return line | {
        "planned_bytes": sizes["head"], "kept_bytes_64_bit": sizes["tail"],
        "off": found.activations / sizes["head"] - 1,
        "levels_off": int(np.abs(np.load(outputs).astype(int) - litert(data, np.load(inputs)).astype(int)).max()),
    }  # fmt: skip


def litert(data: bytes, images: Any) -> Any:
    """What LiteRT makes of integers."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # Its plain kernels, which round as those of microcontrollers do; the fast ones may be a level away at each layer.
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for image in images:
        interpreter.set_tensor(given["index"], image[None])
        interpreter.invoke()
        results.append(interpreter.get_tensor(made["index"]))
    return np.concatenate(results)


def write(lines: list[dict[str, Any]]) -> None:
    """The JSON and the page."""
    write_whole(OUT, (json.dumps({"package": PACKAGES[0], "networks": lines}, indent=1) + "\n").encode())
    text = [
        "# Memory on microcontrollers", "",
        "Written by `python benchmarks/microcontrollers.py`: activations of networks of 8-bit integers in bytes, as "
        f"`count --target` says from the rows, and as TensorFlow Lite Micro ({PACKAGES[0]}, 64 bit) plans them for the "
        "file. Live: the most that is needed at once, which no plan can be smaller than. Kept: what the interpreter "
        "keeps beside them, with pointers of 64 bits, and as `count --target` estimates it for 32. Levels: the "
        "largest difference of its outputs from LiteRT's, of 256. *: padding by TensorFlow's rule.", "",
        "| network | said | planned | off | live | kept, 64 bit | kept, estimated | flash | levels |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for line in lines:
        name = line["network"] + (" *" if line["one_sided"] else "")
        if "error" in line:
            text.append(f"| {name} | {line['said_bytes']:,} | {line['error']} | | {line['live_bytes']:,} | | "
                        f"{line['said_kept_bytes']:,} | {line['flash_bytes']:,} | |")  # fmt: skip
            continue
        text.append(
            f"| {name} | {line['said_bytes']:,} | {line['planned_bytes']:,} | {100 * line['off']:+.1f} % | "
            f"{line['live_bytes']:,} | {line['kept_bytes_64_bit']:,} | {line['said_kept_bytes']:,} | "
            f"{line['flash_bytes']:,} | {line['levels_off']} |"
        )
    write_whole(OUT.with_suffix(".md"), ("\n".join(text) + "\n").encode())


def main() -> None:
    """All of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "readers")
    parser.add_argument("--only")
    arguments = parser.parse_args()
    python = environment(PACKAGES, arguments.work)
    lines = []
    for network in NETWORKS:
        if arguments.only and arguments.only not in network[0]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            lines.append(compare(*network, python, Path(folder)))
        print(json.dumps(lines[-1]), flush=True)
    if not arguments.only:
        write(lines)


if __name__ == "__main__":
    main()
