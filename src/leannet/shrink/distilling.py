"""`distill`: a trained network that learns on from another one, whatever rows either has."""

from pathlib import Path
from typing import Any

from leannet.checkpoint import load_shipped
from leannet.console import Console
from leannet.errors import LeannetError
from leannet.header import checkpoint_file
from leannet.shrink.continuing import training_settings
from leannet.training.folder import check_out
from leannet.training.job import prepare
from leannet.training.reading import Reader
from leannet.training.run import Run, begin


def distill(
    run: str | Path,
    data: str | None = None,
    *,
    teacher: str | Path | None = None,
    out: str | Path | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Trains a run or checkpoint on by the answers of a teacher, a run or checkpoint of the same classes.

    settings: of the training, as for `prune`; `distillation` has share, temperature and features.
    Raises LeannetError, one line, for a teacher with other classes, and settings or data that cannot be used.
    """
    file, console = checkpoint_file(run), Console(quiet)
    section = dict(settings.pop("distillation", {}))
    if teacher is not None:
        section["teacher"] = str(teacher)
    if "teacher" not in section:
        raise LeannetError("distill: expected a teacher: a run or a checkpoint of the same classes")
    chosen = training_settings(file, data, {**settings, "distillation": section})
    check_out(out, chosen)
    return begin(prepare(chosen, Reader(), console, load_shipped(file, branches=True)), out, console)
