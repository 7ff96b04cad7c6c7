"""Images a second in training, end to end: leannet against timm's own train.py, on the same JPEG folder.

    python benchmarks/train_throughput.py DATA TIMM_TRAIN_PY --before SRC     # three quarters of an hour

SRC: the folder `src` of another commit of leannet, run with the same packages in the same turns. DATA: class folders of
JPEGs under train/ and val/. TIMM_TRAIN_PY: train.py of huggingface/pytorch-image-models, which is not in its wheel.
All train MobileNetV2 and V3-Small at 160 px, batch 32, two threads, SGD, random resized crop (0.08 to 1) and flip, in
turns: timm with two workers, as it comes and with --channels-last; leannet with as many workers as it chooses, in
bfloat16 where the processor computes in it, as `--time` has it, and in float32, as all others. Each image of DATA is
used `COPIES` times, so that an epoch has some dozens of steps. Writes docs/benchmarks/train_throughput.json and .md.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from peers import DECLARED, ROOT, environment

from leannet.runtime import machine
from leannet.runtime.processor import has_bfloat16

COPIES, EPOCHS, ROUNDS = 3, 2, 3
# What leannet is compared with -> the name of the ratio.
OTHERS = {
    "commit fa96df8": "ratio_before",
    "timm": "ratio_timm",
    "timm --channels-last": "ratio_timm_channels_last",
}
# leannet's own ways -> their precision, and what the names of their ratios end with. The first: as `--time` has it.
OURS = {"leannet": ("bf16" if has_bfloat16() else "no", "")}
OURS |= {"leannet, float32": ("no", "_float32")} if has_bfloat16() else {}
WORDS = {"bf16": "bfloat16", "no": "float32"}
NETWORKS = {"mobilenet_v2": "mobilenetv2_100", "mobilenet_v3_small": "mobilenetv3_small_100"}
OUT = ROOT / "docs" / "benchmarks" / "train_throughput.json"
TRAIN = """
import json, sys
from leannet.training import train
train(sys.argv[1], out=sys.argv[2], **json.loads(sys.argv[3]))
"""
THEIRS = "import runpy, sys\nsys.argv = ['train.py', *sys.argv[1:]]\n"
RATE = re.compile(r"Train: (\d+) .*\(\d+\.\d+s, +(\d+\.\d+)/s\)")


def leannet(data: Path, name: str, folder: Path, src: Path, precision: str = "no") -> list[float]:
    """Images a second of each epoch."""
    settings = {
        "model": name, "resolution": 160, "epochs": EPOCHS, "batch_size": 32, "quiet": True,
        "optimizer": {"name": "sgd", "lr": 0.01}, "batch_statistics": "running",
        "precision": precision, "augment": {"crop": 0.08, "stretch": 4 / 3},
    }  # fmt: skip
    run = folder / f"run-{src.parent.name}-{precision}"
    _run([sys.executable, "-c", TRAIN, str(data), str(run), json.dumps(settings)], {"PYTHONPATH": str(src)})
    with (run / "log.csv").open(newline="") as file:
        return [float(line["images_per_s"]) for line in csv.DictReader(file)]


def timm(data: Path, name: str, folder: Path, script: Path, *flags: str) -> list[float]:
    """Images a second of each epoch, as timm logs them: the mean since the epoch began, waiting for data included."""
    words = [
        "--data-dir", str(data), "--model", NETWORKS[name], "--num-classes", "2", "--img-size", "160", "-b", "32",
        "--epochs", str(EPOCHS), "--workers", "2", "--opt", "sgd", "--lr", "0.01", "--color-jitter", "0",
        "--train-interpolation", "bilinear", "--scale", "0.08", "1.0", "--warmup-epochs", "0", "--log-interval", "1",
        "--output", str(folder), "--device", "cpu", *flags,
    ]  # fmt: skip
    code = f"{DECLARED}{THEIRS}runpy.run_path({str(script)!r}, run_name='__main__')"
    done = _run([str(environment()), "-c", code, *words])
    last: dict[int, float] = {}
    for line in (done.stdout + done.stderr).splitlines():
        match = RATE.search(line)
        if match:
            last[int(match[1])] = float(match[2])
    return [last[epoch] for epoch in range(EPOCHS)]


def _run(command: list[str], more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    words = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", **(more or {})}
    done = subprocess.run(command, env=dict(os.environ) | words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr[-3000:]}")
    return done


def copies(data: Path, folder: Path) -> Path:
    """The folder with every image several times, JPEGs only."""
    for file in data.rglob("*.jp*g"):
        for number in range(COPIES):
            target = folder / file.relative_to(data).with_stem(f"{file.stem}-{number}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return folder


def main() -> None:
    """Measures in turns and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("--before", type=Path, metavar="SRC", required=True)
    arguments = parser.parse_args()
    environment()
    rates: dict[str, dict[str, list[list[float]]]] = {}
    with tempfile.TemporaryDirectory() as place:
        data = copies(arguments.data, Path(place) / "data")
        for name in NETWORKS:
            runs: dict[str, list[list[float]]] = {who: [] for who in (*OURS, *OTHERS)}
            for number in range(ROUNDS):
                folder = Path(place) / f"{name}-{number}"
                folder.mkdir()
                script = arguments.train.resolve()
                for who, (precision, _) in OURS.items():
                    runs[who].append(leannet(data, name, folder, ROOT / "src", precision))
                runs["commit fa96df8"].append(leannet(data, name, folder, arguments.before.resolve()))
                runs["timm"].append(timm(data, name, folder, script))
                runs["timm --channels-last"].append(timm(data, name, folder, script, "--channels-last"))
                print(name, {key: [round(rate, 1) for rate in values[-1]] for key, values in runs.items()}, flush=True)
            rates[name] = runs
    write(rates)


def write(rates: dict[str, dict[str, list[list[float]]]]) -> None:
    """The JSON and the page."""
    results: dict[str, Any] = {"machine": machine().line(), "images_per_s": rates, "networks": {}}
    lines = [
        "| network | epoch | leannet | images/s | " + " | ".join(f"{who} | ratio" for who in OTHERS) + " |",
        "|---|---|---|--:|" + "--:|" * 2 * len(OTHERS),
    ]
    for name, runs in rates.items():
        ratios_by_epoch: dict[str, dict[str, float]] = {}
        for epoch, words in enumerate(("first", "second")):
            middle = {who: median(run[epoch] for run in values) for who, values in runs.items()}
            ratios_by_epoch[words] = {}
            for ours, (precision, ending) in OURS.items():
                ratios = {
                    who: geometric_mean(a[epoch] / b[epoch] for a, b in zip(runs[ours], runs[who], strict=True))
                    for who in OTHERS
                }
                ratios_by_epoch[words] |= {OTHERS[who] + ending: ratio for who, ratio in ratios.items()}
                others = " | ".join(f"{middle[who]:.1f} | {ratio:.2f}" for who, ratio in ratios.items())
                lines.append(f"| {name} | {words} | {WORDS[precision]} | {middle[ours]:.1f} | {others} |")
        results["networks"][name] = ratios_by_epoch
    results |= results["networks"]["mobilenet_v2"]["second"]
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    head = (
        "# Training, end to end\n\n"
        "Written by `python benchmarks/train_throughput.py DATA TIMM_TRAIN_PY --before SRC`. Images a "
        f"second, medians of {ROUNDS} rounds in turns; ratios are geometric means of those within a round. 160 px, "
        "batch 32, two threads, random resized crop and flip, JPEGs of about 500 x 375 px. timm with two workers; "
        "leannet with as many as it chooses, on two cores none, and from the second epoch on with its decoded images "
        "in memory. The others train in float32, all, the commit before too; bfloat16 is what `--time` has where a few "
        f"steps show that it is faster. {results['machine']}; timm 1.0.31, torch 2.13.0.\n\n"
    )
    OUT.with_suffix(".md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
