"""Cross-validation: every image validates once, so a small set is evaluated on all of its images."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from statistics import mean, pstdev
from typing import Any

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.retired import current_settings
from leannet.run_files import CONFIG, FOLDS, PREDICTIONS, STATE
from leannet.training import processes
from leannet.training.reading import Reader
from leannet.training.run import Run, continue_run, join, make_settings, start
from leannet.training.settings import Settings, read_toml


@dataclass(frozen=True)
class Folds:
    """The runs of a cross-validation, one per fold; the last may be unfinished.

    `predictions.csv` beside them holds the out-of-fold prediction of every image.
    """

    path: Path
    runs: tuple[Run, ...]
    total: int  # folds, with those that have not begun

    @property
    def finished(self) -> tuple[Run, ...]:
        """The runs that have finished."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def accuracies(self) -> list[float]:
        """The validation accuracy of each finished fold, 0 to 1."""
        return [run.validation.accuracy for run in self.finished if run.validation]

    def line(self) -> str:
        """The mean accuracy and its spread, in one line."""
        values = [100 * value for value in self.accuracies]
        if not values:
            return f"no fold of {self.total} has finished"
        images = sum(run.validation.images for run in self.finished if run.validation)
        spread = f"{min(values):.1f} to {max(values):.1f}, deviation {pstdev(values):.1f}"
        folds = f"{len(values)} folds" if len(values) == self.total else f"{len(values)} of {self.total} folds"
        return f"{mean(values):.2f} % over {folds} ({spread}), {images:,} images"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "path": str(self.path),
            "folds": self.total,
            "finished": len(self.finished) == self.total,
            "accuracy": mean(self.accuracies) if self.accuracies else None,
            "accuracy_deviation": pstdev(self.accuracies) if self.accuracies else None,
            "accuracies": self.accuracies,
            "runs": [run.to_dict() for run in self.runs],
        }


def cross_validate(data: str | Path, folds: int, out: str | Path, quiet: bool = False, **settings: Any) -> Folds:
    """Trains a network a fold, each evaluated on the images that it did not see, and returns the runs.

    data, settings: as for `train`. out: a new folder, which gets `fold-1` to `fold-K`, `folds.json`, and
    `predictions.csv` with a line for each image, from the run that did not train on it. A test split stays untouched
    by training, and every run scores it.
    Raises LeannetError, one line, as `train` does, and if `out` is not empty.
    """
    path = Path(out)
    fold_settings = [make_settings(data, settings | {"folds": folds, "fold": fold}) for fold in range(1, folds + 1)]
    join(fold_settings[0])
    if path.exists() and (path.is_file() or list(path.iterdir())):
        resume_hint = f", or go on with its folds, --resume {quote(str(out))}" if are_folds(path) else ""
        raise LeannetError(f"--out {out}: expected a new or empty folder, found another{resume_hint}")
    processes.barrier()  # no process creates the folder before all have checked that it is free
    reader = Reader()
    return _run_folds(path, folds, lambda fold, run: start(fold_settings[fold - 1], run, quiet, reader))


def resume_folds(out: str | Path, quiet: bool = False, cpu: bool = False, data: str | None = None) -> Folds:
    """Continues a cross-validation that was stopped: scores finished folds again, and trains the others.

    cpu: does not use a GPU, even if the folds began on one. data: where the images are now.
    Raises LeannetError if the folder has no folds, or as `resume` does.
    """
    path = Path(out)
    if not are_folds(path):
        raise LeannetError(f"{out}: expected the folds of a cross-validation (fold-1, ...), found none")
    first = path / "fold-1" / CONFIG
    settings = Settings.make(current_settings(read_toml(first)), str(first))
    if settings.folds is None:
        raise LeannetError(f"{first}: expected a fold of a cross-validation, found a run of its own")
    folds, reader = settings.folds, Reader()
    join(settings.model_copy(update={"cpu": settings.cpu or cpu}))

    def run_fold(fold: int, run: Path) -> Run:
        if processes.main_process_first(lambda: (run / STATE).exists()):
            return continue_run(run, quiet, cpu, reader, data, finished_too=True)
        values = settings.model_dump(exclude_none=True, exclude={"data"}) | {"fold": fold, "cpu": settings.cpu or cpu}
        return start(make_settings(data or settings.data, values), run, quiet, reader)

    return _run_folds(path, folds, run_fold)


def are_folds(path: Path) -> bool:
    """Whether a folder holds a cross-validation."""
    return (path / "fold-1" / CONFIG).is_file()


def _run_folds(path: Path, folds: int, run_fold: Callable[[int, Path], Run]) -> Folds:
    """Runs one fold after the other, until one is stopped; then writes predictions.csv and folds.json of all."""
    runs: list[Run] = []
    while len(runs) < folds and all(run.finished and not run.interrupted for run in runs):
        fold = len(runs) + 1
        try:
            runs.append(run_fold(fold, path / f"fold-{fold}"))
        except KeyboardInterrupt:  # between two folds, or the second Ctrl-C in a fold
            if not runs or processes.world() > 1:
                raise
            break
    cross_validation = Folds(path, tuple(runs), folds)
    if processes.rank() == 0:
        write_whole(path / PREDICTIONS, _concatenated([run.path / PREDICTIONS for run in cross_validation.finished]))
        write_whole(path / FOLDS, (json.dumps(cross_validation.to_dict(), indent=1) + "\n").encode())
    return cross_validation


def _concatenated(files: Sequence[Path]) -> bytes:
    """CSV files with the same header as one."""
    tables = [file.read_text(encoding="utf-8").splitlines() for file in files] or [[""]]
    return ("\n".join([tables[0][0], *(line for table in tables for line in table[1:])]) + "\n").encode()
