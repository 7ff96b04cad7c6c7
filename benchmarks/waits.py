"""How long each command takes before it is done, how much memory it takes, and what it waits for.

    python benchmarks/waits.py DATA [--against SRC]   # half an hour; leave the machine alone meanwhile

DATA: a folder of images with train/ and val/, as ants and bees. Two networks are trained on it for five epochs (kept in
runs/waits), then each command runs in a process of its own, three times in turns, or once where it takes longer than
half a minute: seconds from start to exit, and the most memory that it held. SRC: the folder `src` of another commit,
which each command runs with in turn too, on networks that it trained itself. What a command waits for: seconds of
importing packages, those that take most named, from Python's own `-X importtime`. Then how long each verb takes to
begin, by its `--help`.
Writes docs/benchmarks/waits.json and .md, or what `--out` names. It goes on where it stopped: what is measured stands
in runs/waits until the page is written.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from leannet.files import write_whole
from leannet.runtime import machine

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "benchmarks" / "waits.json"
KEPT = ROOT / "runs" / "waits"
ROUNDS, LONG = 3, 30.0  # seconds
EPOCHS = 5  # after fewer the classes are a toss-up, which no integer keeps
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")
TRAINED = {"a": "--model mobilenet_v2 --resolution 160", "b": "--model mobilenet_v3_small --resolution 160"}
COMMANDS = (
    "--version", "--help", "models", "recipes", "rows inverted_residual", "count mobilenet_v2", "count {a}",
    "draw mobilenet_v2 --out drawn.svg", "compare mobilenet_v1 mobilenet_v2", "compare {a} {b}",
    "compare {a} {b} --out compared.html", "experiment {a} {b} --out experiment.html", "report {a} --out report.html",
    "evaluate {a}", "evaluate {onnx} {data}", "predict {a} {image}", "predict {onnx} {image}",
    "predict {litert} {image}", "activations {a} {image} --out maps.png", "attention {a} {image} --out attention.png",
    "filters {a} --out filters.png", "embed {a} --out embedded.html", "export {a} --out model.onnx",
    "export {a} --format litert --out phone", "export {a} --fastest --out fastest", "quantize {a} --out integers.onnx",
    "quantize {a} --engine litert --out integers", "check {onnx}", "bench mobilenet_v2 --seconds 1",
    "advise {data} --latency 5 --seconds 1", "web {onnx} --out page",
)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A commit: the folder of its source, None for this one, and what its commands read."""

    source: Path | None
    places: dict[str, str]


def prepare(data: Path, kept: Path, source: Path | None) -> Program:
    """A commit with the runs and artifacts that its commands read, made where they are not there yet."""

    def program(*words: object) -> None:
        command = [sys.executable, "-m", "leannet", *map(str, words)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment_of(source))

    kept.mkdir(parents=True, exist_ok=True)
    for name, words in TRAINED.items():
        if not (kept / name / "model.safetensors").exists():
            shutil.rmtree(kept / name, ignore_errors=True)
            program("train", data, *words.split(), "--epochs", EPOCHS, "--quiet", "--out", kept / name)
    onnx, litert = kept / "model.onnx", kept / "litert"
    if not onnx.exists():
        program("export", kept / "a", "--out", onnx)
    if not litert.exists():
        program("export", kept / "a", "--format", "litert", "--out", litert)
    image = min((data / "val").rglob("*.jpg"))
    places = {"data": data, "image": image, "onnx": onnx, "litert": litert, "a": kept / "a", "b": kept / "b"}
    return Program(source, {name: str(path.resolve()) for name, path in places.items()})


def environment_of(source: Path | None) -> dict[str, str]:
    """The environment in which Python finds a commit, and keeps its bytecode, as of an installed package."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return own | ({"PYTHONPATH": str(source)} if source else {})


def run(words: list[str], source: Path | None, flags: tuple[str, ...] = ()) -> tuple[float, int, int, str]:
    """Seconds, peak bytes, exit status and standard error of one command in an empty folder."""
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "stderr"), "w+") as errors:
        place = Path(folder) / "here"
        place.mkdir()
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *flags, "-m", "leannet", *words],
            cwd=place, env=environment_of(source), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        return seconds, usage.ru_maxrss * 1024, process.returncode, errors.read()


def imports(words: list[str]) -> tuple[float, list[tuple[str, float]]]:
    """Seconds that a command imports for, and the packages that take most, each without what it imports itself."""
    seconds: dict[str, float] = defaultdict(float)
    for line in run(words, None, ("-X", "importtime"))[3].splitlines():
        if match := IMPORT.match(line):
            seconds[match[4].split(".")[0]] += int(match[1]) / 1e6
    most = sorted(seconds.items(), key=lambda item: -item[1])[:3]
    return sum(seconds.values()), [(name, value) for name, value in most if value >= 0.05]


def measured(command: str, programs: dict[str, Program]) -> dict[str, Any] | None:
    """One line of the table; None where the command fails, whose words it prints."""
    times: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, program in programs.items():
            words = [word.format_map(program.places) for word in shlex.split(command)]
            seconds, peak, status, errors = run(words, program.source)
            if status and name == "now":
                print(f"{command}: exit {status}: {errors.strip().splitlines()[-1:]}", flush=True)
                return None
            if not status:
                times[name].append((seconds, peak))
        if times["now"][-1][0] > LONG:
            break
    line: dict[str, Any] = {
        name: {"seconds": median(seconds for seconds, _ in values), "peak_bytes": max(peak for _, peak in values)}
        for name, values in times.items()
    }
    importing, most = imports(words)
    return {"command": command, **line, "import_seconds": importing, "imports": most}


def verbs() -> list[str]:
    """All of leannet's."""
    text = subprocess.run(
        [sys.executable, "-m", "leannet", "--help"], check=True, capture_output=True, text=True
    ).stdout
    return re.findall(r"^  ([a-z][a-z-]*)  +[A-Z]", text, re.MULTILINE)


def page(results: dict[str, Any]) -> str:
    """The table, longest first."""
    against = any("before" in line for line in results["lines"])
    head = ["command", *(["seconds before"] if against else []), "seconds", "importing", "peak memory", "imports most"]
    lines = [
        "# What one waits for", "",
        f"Written by `python benchmarks/waits.py DATA`. {results['machine']}. DATA: {results['images']} photographs; "
        "runs a and b: MobileNetV2 and MobileNetV3-Small at 160 px. Seconds from start to exit, medians of "
        f"{ROUNDS}, or once where that is longer than {LONG:.0f}; importing is part of them.", "",
        "| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 2) + "---|",
    ]  # fmt: skip
    for line in sorted(results["lines"], key=lambda line: -line["now"]["seconds"]):
        before = [f"{line['before']['seconds']:.2f}" if "before" in line else "-"] if against else []
        most = ", ".join(f"{name} {value:.2f}" for name, value in line["imports"])
        cells = [
            f"`leannet {line['command'].replace('{', '').replace('}', '')}`", *before, f"{line['now']['seconds']:.2f}",
            f"{line['import_seconds']:.2f}", f"{line['now']['peak_bytes'] / 1e6:.0f} MB", most or "-",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    for name, word in (("before", "Before"), ("now", "Now")):
        starts = {line["command"]: line[name]["seconds"] for line in results["starts"] if name in line}
        if starts:
            slowest = max(starts, key=lambda command: starts[command])
            middle = median(starts.values())
            lines += ["", f"{word}, the help of {len(starts)} verbs takes {middle:.2f} s (median), the longest "
                      f"{starts[slowest]:.2f} s (`leannet {slowest}`)."]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Times and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--against", type=Path, metavar="SRC", help="the folder src of another commit")
    parser.add_argument("--only", metavar="WORD", help="only commands that hold this word")
    parser.add_argument("--out", type=Path, default=OUT, help="JSON, with a page beside it. Default: docs/benchmarks")
    options = parser.parse_args()
    data = options.data.resolve()
    programs = {"now": prepare(data, KEPT / "now", None)}
    if options.against:
        programs = {"before": prepare(data, KEPT / "before", options.against.resolve())} | programs
    results: dict[str, Any] = {"machine": machine().line(), "images": sum(1 for _ in data.rglob("*.jpg"))}
    partial = KEPT / f"{options.out.stem}.jsonl"
    known = (
        {line["command"]: line for line in map(json.loads, partial.read_text().splitlines())}
        if partial.exists()
        else {}
    )
    for part, commands in (("lines", COMMANDS), ("starts", [f"{verb} --help" for verb in verbs()])):
        results[part] = []
        for command in commands:
            if options.only and options.only not in command:
                continue
            if line := known.get(command) or measured(command, programs):
                results[part].append(line)
                print(f"{line['now']['seconds']:6.2f} s  {command}", flush=True)
                if command not in known:
                    with partial.open("a") as file:
                        file.write(json.dumps(line) + "\n")
    write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())
    write_whole(options.out.with_suffix(".md"), page(results).encode())
    partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
