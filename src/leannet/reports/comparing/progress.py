"""How far a run has come, from config.toml, log.csv and its state alone: no scikit-learn, for the terminal's table."""

import csv
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leannet.reports.standing import STATE, stopped


@dataclass(frozen=True)
class Progress:
    """epochs: "9 of 40" where a run was stopped before the last. stopped: in words; empty where it has finished."""

    epochs: str = ""
    stopped: str = ""


def read_progress(run: Path) -> Progress:
    """How far a run has come, as far as its files tell."""
    settings, log = _settings(run), _log(run)
    done, wanted = len(log), settings.get("epochs")
    if not stopped(run, settings, log):
        return Progress(str(done) if done else "")
    if settings.get("time"):
        return Progress(str(done), f"was stopped after {_epochs(done)}, before its time was up")
    share = f"{done} of its {_epochs(int(str(wanted)))}"
    # Patience may have ended it: the state alone tells.
    sure = (run / STATE).is_file() or not settings.get("patience")
    said = f"was stopped after {share}" if sure else f"has {share}, and nothing tells whether it was stopped"
    return Progress(f"{done} of {wanted}", said)


def _settings(run: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _log(run: Path) -> list[dict[str, float]]:
    """The whole lines of log.csv."""
    lines = []
    try:
        with (run / "log.csv").open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                with suppress(TypeError, ValueError):  # a line with too few values, or with words in it
                    lines.append({name: float(value) for name, value in line.items()})
    except (OSError, ValueError, csv.Error):
        return []
    return lines


def _epochs(number: int) -> str:
    return f"{number} epoch{'' if number == 1 else 's'}"
