"""What experiments share: lines of JSON, one a finished run, and leannet's verbs in processes of their own.

Several processes may write to one ledger, each to lines of its own.
"""

import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scipy.stats import t

from leannet.files import write_whole

ROOT = Path(__file__).parents[1]
BASES = ROOT / "experiments" / "bases"
Line = dict[str, Any]


class Ledger:
    """docs/experiments/NAME.jsonl, with NAME.json and a page made of it; runs/NAME has the runs."""

    def __init__(self, name: str):
        self.file = ROOT / "docs" / "experiments" / f"{name}.jsonl"
        self.runs = ROOT / "runs" / name
        self.name = name

    @property
    def lines(self) -> list[Line]:
        """Those that there are now."""
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def has(self, **values: object) -> bool:
        """Whether a line has these values."""
        return any(all(line.get(name) == value for name, value in values.items()) for line in self.lines)

    def add(self, line: Line) -> None:
        """Appends a line."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)

    def write(self, results: Any, page: str) -> None:
        """The results, and the page about them in docs/."""
        write_whole(self.file.with_suffix(".json"), (json.dumps(results, indent=1) + "\n").encode())
        write_whole(ROOT / "docs" / f"{self.name}.md", page.encode())


ENDS = {"adapt": (0, 1)}  # 1: its network is there, and takes more than it should
BEGUN = {"prune": "prune.json", "adapt": "adapt.json"}  # the file of a run that has begun, by verb


def leannet_run(*words: object, ends: tuple[int, ...] = (0,)) -> None:
    """A verb in a process of its own. ends: exit statuses that are no failure."""
    command = [sys.executable, "-m", "leannet", *map(str, words)]
    if (status := subprocess.run(command).returncode) not in ends:
        raise SystemExit(f"{' '.join(command)}: exit status {status}")


def done(run: Path, verb: str, *words: object) -> Path:
    """Runs a verb that trains into a folder, or goes on with it, or knows that it has ended."""
    if (run / "done").exists():
        return run
    if verb in BEGUN and (run / BEGUN[verb]).exists():
        leannet_run(verb, "--resume", run, ends=ENDS.get(verb, (0,)))
    elif (run / "state").exists():
        leannet_run("train", "--resume", run)
    else:
        leannet_run(verb, *words, "--out", run, ends=ENDS.get(verb, (0,)))
    (run / "done").touch()
    return run


def interval(values: list[float]) -> list[float] | None:
    """Of the mean, 95 %, by Student's t; None of one value."""
    if len(values) < 2:
        return None
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return [mean(values) - half, mean(values) + half]


def in_words(bounds: list[float] | None) -> str:
    """An interval in a table."""
    return "one seed" if bounds is None else f"{bounds[0]:+.2f} to {bounds[1]:+.2f}"
