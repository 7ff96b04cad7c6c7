"""Whether a run has finished: its lock tells, or what it left for resuming, or its log, or nothing does."""

import json
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError, command_line
from leannet.files import is_training_in
from leannet.header import open_tensors
from leannet.retired import current_state
from leannet.run_files import LOG, STATE, epochs_done


def unfinished(run: Path, settings: dict[str, Any], log: list[dict[str, float]]) -> str:
    """A sentence about a run that has not finished; empty where it has, or where nothing tells."""
    epochs, time, patience = (settings.get(key) for key in ("epochs", "time", "patience"))
    if not isinstance(epochs, int):
        return ""
    state = _resume_state(run)
    done = int(state["epoch"]) if state else epochs_done(log)
    if not (state or log) or (not time and done >= epochs):
        return ""
    if time:
        progress = f"{done} epoch{'' if done == 1 else 's'}"
    else:
        progress = f"{done} of {epochs} epochs" if done else f"less than one of {epochs} epochs"
    if is_training_in(run):
        return f"Still training, after {progress}."
    if time:
        progress += ", before its time was up"
    if state:
        to_resume = f"to go on: {command_line('train --resume', run)}"
        return "" if state["ended"] else f"Stopped after {progress}; {to_resume}"
    if time:
        return ""
    if not patience:
        return f"Stopped after {progress}. It cannot be resumed: {STATE} is missing or damaged."
    if done - _best_epoch(log) >= patience:
        return ""
    return f"{LOG} has {done} of {epochs} epochs. {STATE}, which says whether it was stopped, is missing."


def best_logged_epoch(log: list[dict[str, float]]) -> int | None:
    """The epoch of the highest validation accuracy, of equal ones that of the lower loss; of a detector the one of the
    highest AP, and of gates that are charged that of the least loss and charge. None without an epoch."""
    return _best_epoch(log) if log else None


def _best_epoch(log: list[dict[str, float]]) -> int:
    def rank(line: dict[str, float]) -> tuple[float, float]:
        if "validation_ap" in line:
            return line["validation_ap"], line["validation_ap50"]
        if "validation_charge" in line:
            return -line["validation_loss"] - line["validation_charge"], 0.0
        return line["validation_accuracy"], -line["validation_loss"]

    return int(max(log, key=rank)["epoch"])


def _resume_state(run: Path) -> dict[str, Any] | None:
    """`epoch`, how many are done, and `ended`, whether time or patience ended it; None where nothing says so."""
    path = run / STATE
    if not path.is_file():
        return None
    try:
        with open_tensors(path) as tensors:
            state: dict[str, Any] = current_state(json.loads((tensors.metadata() or {})["state"]))["state"]
        return {"epoch": int(state["epoch"]), "ended": bool(state.get("ended", False))}
    except (LeannetError, ValueError, KeyError, TypeError):
        return None
