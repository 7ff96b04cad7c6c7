"""Cross-validation: every picture validates once, so a small set is judged by all of its pictures."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.training.run import Run, train


@dataclass(frozen=True)
class Folds:
    """The runs of a cross-validation, one a fold. `predictions.csv` beside them holds every picture's, out of fold."""

    path: Path
    runs: tuple[Run, ...]

    @property
    def accuracies(self) -> list[float]:
        """The validation accuracy of each fold, 0 to 1."""
        return [run.validation.accuracy for run in self.runs if run.validation]

    def line(self) -> str:
        """For a person."""
        values = [100 * value for value in self.accuracies]
        pictures = sum(run.validation.pictures for run in self.runs if run.validation)
        spread = f"{min(values):.1f} to {max(values):.1f}, deviation {pstdev(values):.1f}"
        return f"{mean(values):.2f} % over {len(values)} folds ({spread}), {pictures:,} pictures"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "path": str(self.path),
            "accuracy": mean(self.accuracies),
            "accuracy_deviation": pstdev(self.accuracies),
            "accuracies": self.accuracies,
            "runs": [run.to_dict() for run in self.runs],
        }


def cross_validate(data: str | Path, folds: int, out: str | Path, quiet: bool = False, **settings: Any) -> Folds:
    """Trains a network a fold, each judged on the pictures that it did not see, and returns the runs.

    data, settings: as for `train`. out: a new folder, which gets `fold-1` to `fold-K`, `folds.json`, and
    `predictions.csv` with a line for each picture, from the run that did not train on it. A test part stays untouched
    by training, and every run scores it.
    Raises LeannetError, one line, as `train` does, and where `out` holds something already.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise LeannetError("folds are trained by one process each: start without a launcher")
    path = Path(out)
    if path.exists() and (path.is_file() or list(path.iterdir())):
        raise LeannetError(f"--out {out}: expected a new or empty folder")
    runs = []
    for fold in range(1, folds + 1):
        run = train(data, path / f"fold-{fold}", quiet, **(settings | {"folds": folds, "fold": fold}))
        runs.append(run)
        if not run.finished:
            break
    found = Folds(path, tuple(runs))
    write_whole(path / "predictions.csv", _joined([run.path / "predictions.csv" for run in runs]))
    write_whole(path / "folds.json", (json.dumps(found.to_dict(), indent=1) + "\n").encode())
    return found


def _joined(files: Sequence[Path]) -> bytes:
    """Tables of one header as one; a run that was stopped in its first epoch has none."""
    tables = [file.read_text(encoding="utf-8").splitlines() for file in files if file.exists()] or [[""]]
    return ("\n".join([tables[0][0], *(line for table in tables for line in table[1:])]) + "\n").encode()
