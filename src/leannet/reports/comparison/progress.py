"""How far a run has come, from config.toml, log.csv and its state alone: no scikit-learn, for the terminal's table."""

import csv
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leannet.files import is_training_in
from leannet.reports.completion import unfinished
from leannet.run_files import CONFIG, LOG, STATE, epochs_done


@dataclass(frozen=True)
class Progress:
    """epochs: "9 of 40" before the last. unfinished: in words; empty where a run has finished."""

    epochs: str = ""
    unfinished: str = ""


def read_progress(run: Path) -> Progress:
    """How far a run has come, as far as its files tell."""
    settings, log = _read_settings(run), _read_log(run)
    done, epochs = epochs_done(log), settings.get("epochs")
    if not unfinished(run, settings, log):
        return Progress(str(done) if done else "")
    has_time_limit = bool(settings.get("time"))
    share = _epochs(done) if has_time_limit else f"{done} of its {_epochs(int(str(epochs)))}"
    if is_training_in(run):
        return Progress(str(done) if has_time_limit else f"{done} of {epochs}", f"is still training, after {share}")
    if has_time_limit:
        return Progress(str(done), f"was stopped after {share}, before its time was up")
    # Patience may have ended it: the state alone tells.
    is_certain = (run / STATE).is_file() or not settings.get("patience")
    words = f"was stopped after {share}" if is_certain else f"has {share}, and nothing tells whether it was stopped"
    return Progress(f"{done} of {epochs}", words)


def _read_settings(run: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((run / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _read_log(run: Path) -> list[dict[str, float]]:
    """The whole lines of log.csv."""
    lines = []
    try:
        with (run / LOG).open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                with suppress(TypeError, ValueError):  # a line with too few values, or with words in it
                    lines.append({name: float(value) for name, value in line.items()})
    except (OSError, ValueError, csv.Error):
        return []
    return lines


def _epochs(number: int) -> str:
    return f"{number} epoch{'' if number == 1 else 's'}"
