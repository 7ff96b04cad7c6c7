"""What the files of a run are called, in its folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

MODEL = "model.safetensors"  # the best epoch's weights
LAST = "last.safetensors"  # the last epoch's
STATE = Path("state") / "resume.safetensors"  # what resuming needs
CONFIG = "config.toml"
LOG = "log.csv"  # a line for each epoch that was validated
STEPS = "steps.csv"  # a line a step
PREDICTIONS = "predictions.csv"
DECISIONS = "decisions.csv"  # of networks with gates
REPORT = "report.html"
TIMES = "latency.json"  # the time of each row, where it has been measured
FOLDS = "folds.json"  # beside the runs of a cross-validation
LOCK = ".lock"  # held while a process trains here; the system lets go of it when that ends, in whatever way

ALL = (MODEL, LAST, CONFIG, LOG, STEPS, PREDICTIONS)  # of every run


def epochs_done(log: Sequence[Mapping[str, float]]) -> int:
    """How many epochs a log is of: more than its lines, where not every epoch was validated."""
    return int(log[-1]["epoch"]) if log else 0
