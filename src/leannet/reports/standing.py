"""Whether a run has come to its end: said by its lock, by what it left for resuming, by its log, or not at all."""

import json
import shlex
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError
from leannet.files import is_trained_in
from leannet.header import open_tensors
from leannet.retired import current_state

STATE = Path("state") / "resume.safetensors"  # as training.state, which needs torch, calls it


def unfinished(run: Path, settings: dict[str, Any], log: list[dict[str, float]]) -> str:
    """A sentence about a run that is not finished; empty where it is, or where nothing tells."""
    wanted, clock, patience = (settings.get(key) for key in ("epochs", "time", "patience"))
    if not isinstance(wanted, int):
        return ""
    standing = _standing(run)
    done = int(standing["epoch"]) if standing else int(log[-1]["epoch"]) if log else 0
    if not (standing or log) or (not clock and done >= wanted):
        return ""
    if clock:
        share = f"{done} epoch{'' if done == 1 else 's'}"
    else:
        share = f"{done} of {wanted} epochs" if done else f"less than one of {wanted} epochs"
    if is_trained_in(run):
        return f"Still training, after {share}."
    if clock:
        share += ", before its time was up"
    if standing:
        goes_on = f"leannet train --resume {shlex.quote(str(run))} goes on"
        return "" if standing["ended"] else f"Stopped after {share}: {goes_on}."
    if clock:
        return ""
    if not patience:
        return f"Stopped after {share}; {STATE}, which resuming needs, is not there or damaged."
    if done - _best(log) >= patience:
        return ""
    return f"{done} of {wanted} epochs are in log.csv; {STATE}, which tells whether it was stopped, is not there."


def best_of(log: list[dict[str, float]]) -> int | None:
    """The epoch of the highest validation accuracy, of equal ones that of the lower loss; None: no epoch is there."""
    return _best(log) if log else None


def _best(log: list[dict[str, float]]) -> int:
    return int(max(log, key=lambda line: (line["validation_accuracy"], -line["validation_loss"]))["epoch"])


def _standing(run: Path) -> dict[str, Any] | None:
    """`epoch`, how many are done, and `ended`, whether time or patience ended it; None where nothing says so."""
    path = run / STATE
    if not path.is_file():
        return None
    try:
        with open_tensors(path) as opened:
            found: dict[str, Any] = current_state(json.loads((opened.metadata() or {})["state"]))["state"]
        return {"epoch": int(found["epoch"]), "ended": bool(found.get("ended", False))}
    except (LeannetError, ValueError, KeyError, TypeError):
        return None
