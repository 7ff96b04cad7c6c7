"""What a run folder holds, read part by part: what is missing or broken is put into words, and the rest is there."""

import csv
import json
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError
from leannet.evaluation.calibration import Calibration, calibrate
from leannet.evaluation.metrics import Scores, score
from leannet.evaluation.predictions import read_whole_lines
from leannet.header import Header, read_header
from leannet.reports.standing import best_of, unfinished
from leannet.rows import INPUT
from leannet.runtime.processor import Machine

TIMES = "latency.json"  # the time of each row, where it has been measured
COLUMNS = (
    "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "seconds",
)  # fmt: skip
ANY_OF = ("model.safetensors", "config.toml", "log.csv", "predictions.csv")  # what makes a folder a run


@dataclass(frozen=True)
class Judged:
    """The validation images and what the network said of them: labels (N,), probabilities (N, classes)."""

    names: list[str]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    scores: Scores
    calibration: Calibration
    of: int  # validation images that the run had; more than these where lines are broken or gone

    @property
    def is_all(self) -> bool:
        return self.of <= len(self.names)


@dataclass(frozen=True)
class Held:
    """The parts of a run that are there. `missing`: what is not, a sentence each."""

    path: Path
    header: Header | None
    log: list[dict[str, float]]
    judged: Judged | None
    settings: dict[str, Any]
    times: dict[str, Any] | None  # runtime.row_latency.RowTimes as plain data, of this very architecture
    missing: list[str] = field(default_factory=list)
    unfinished: str = ""  # a sentence about a run that is not finished
    is_best: bool = True  # the header is that of the best weights, not of the last

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights the run keeps, counted from 1; without those weights, the best by its log."""
        found: int | None = self.header.metrics.epoch if self.header and self.is_best else None
        return best_of(self.log) if found is None else found


def read_run(run: str | Path) -> Held:
    """Reads a run folder. Raises LeannetError where it is no run at all."""
    path = Path(run)
    fold = next((each for each in sorted(path.glob("fold-*")) if (each / "config.toml").is_file()), None)
    if fold is not None and not (path / "config.toml").exists():
        raise LeannetError(f"{run}: expected one run, found the folds of a cross-validation: leannet report {fold}")
    if not path.is_dir() or not any((path / name).exists() for name in ANY_OF):
        raise LeannetError(f"{run}: expected a run folder (config.toml, model.safetensors, log.csv), found none")
    missing: list[str] = []
    log: list[dict[str, float]] = []
    judged: Judged | None = None
    settings: dict[str, Any] = {}
    header, is_best = _read_header(path, missing)
    try:
        log, broken = _read_log(path / "log.csv")
        if broken:
            missing.append(f"Missing: {broken} of the {len(log) + broken} lines of log.csv, which are broken.")
    except LeannetError as error:
        missing.append(f"Missing: learning curves ({error}).")
    try:
        judged = _read_judged(path / "predictions.csv", header, missing)
        if is_best and judged.is_all:
            _compare(judged.scores, header, missing)
    except LeannetError as error:
        missing.append(f"Missing: what it said of the validation images ({error}).")
    try:
        settings = _read_settings(path / "config.toml")
    except LeannetError as error:
        missing.append(f"Missing: the settings ({error}).")
    times = _read_times(path / TIMES, header, missing)
    return Held(path, header, log, judged, settings, times, missing, unfinished(path, settings, log), is_best)


def _read_header(path: Path, missing: list[str]) -> tuple[Header | None, bool]:
    """That of the best weights, or of the last where those are gone or damaged; and whether it is the best's."""
    try:
        return read_header(path), True
    except LeannetError as error:
        problem = error
    try:
        header = read_header(path / "last.safetensors")
    except LeannetError:
        missing.append(f"Missing: the best weights, and with them their rows, cost and data ({problem}).")
        return None, False
    missing.append(
        f"Missing: the best weights ({problem}). Rows, cost and data are read from last.safetensors instead."
    )
    return header, False


def read_log(path: Path) -> list[dict[str, float]]:
    """log.csv, a dict an epoch. Raises LeannetError where there is none or it is broken."""
    lines, broken = _read_log(path)
    if broken:
        raise LeannetError(f"{path}: expected a line of numbers an epoch, found {broken} broken")
    return lines


def _read_log(path: Path) -> tuple[list[dict[str, float]], int]:
    """The whole lines of log.csv, and how many are broken."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            found, header = list(reader), reader.fieldnames or []
    except FileNotFoundError:
        raise LeannetError(f"{path.name}: not there") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LeannetError(f"{path}: expected a line an epoch, found: {error}") from None
    absent = [name for name in COLUMNS if name not in header]
    if absent:
        raise LeannetError(f"{path}: expected a column '{absent[0]}', found {', '.join(header) or 'none'}")
    lines = []
    for line in found:
        try:
            values = {key: float(value) for key, value in line.items()}
        except (TypeError, ValueError):  # a line with too few or too many values, or with words in it
            continue
        if all(math.isfinite(value) for value in values.values()):
            lines.append(values)
    if not lines:
        raise LeannetError(f"{path}: no epoch is finished")
    return lines, len(found) - len(lines)


def _read_judged(path: Path, header: Header | None, missing: list[str]) -> Judged:
    if not path.exists():
        raise LeannetError("predictions.csv: not there")
    (names, labels, probabilities, classes), broken = read_whole_lines(path)
    if broken and not names:
        raise LeannetError(f"{path}: none of its {broken} lines is whole")
    if not names:
        raise LeannetError(f"{path}: expected a line a validation image, found none")
    if header is not None and classes != header.classes:
        raise LeannetError(
            f"{path}: is not of these weights: it has {_some(classes)}; model.safetensors has {_some(header.classes)}"
        )
    scores, lines = score(probabilities, labels, classes), len(names) + broken
    of = max(lines, header.split.sizes.get("validation", 0) if header else 0)
    if broken:
        be = "is" if broken == 1 else "are"
        missing.append(f"{broken:,} of the {lines:,} lines of predictions.csv {be} broken and left out.")
    if lines < of:
        missing.append(f"{of - lines:,} of the {of:,} validation images are not in predictions.csv.")
    return Judged(names, labels, probabilities, classes, scores, calibrate(probabilities, labels), of)


def _some(classes: tuple[str, ...]) -> str:
    return f"{len(classes)} classes ({', '.join(classes[:3])}{', ...' if len(classes) > 3 else ''})"


def _compare(scores: Scores, header: Header | None, missing: list[str]) -> None:
    """A run killed between two files holds predictions of another epoch than its weights are of."""
    kept = header.metrics.accuracy if header else None
    if kept is not None and abs(kept - scores.accuracy) > 0.002:
        missing.append(
            f"predictions.csv is of another epoch than model.safetensors: {100 * scores.accuracy:.1f} % right, "
            f"the weights {100 * kept:.1f} %. What follows is of predictions.csv."
        )


def _read_settings(path: Path) -> dict[str, Any]:
    """As plain data: settings of any version can be shown, and training need not be imported."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LeannetError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LeannetError(f"{path}: not TOML: {error}") from None


def _read_times(path: Path, header: Header | None, missing: list[str]) -> dict[str, Any] | None:
    """What was measured of these very rows; of others it is left out, with a remark."""
    if header is None or not path.exists():
        return None
    architecture = header.architecture
    shapes, reads = {INPUT: architecture.input.shape, **architecture.shapes}, architecture.reads()
    known = [
        [row.name, str(row.kind), [list(shapes[name]) for name in reads[row.name]], list(shapes[row.name])]
        for row in architecture.rows
    ]
    try:
        times: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if [[row[key] for key in ("row", "kind", "in_shapes", "out_shape")] for row in times["rows"]] != known:
            missing.append(f"Missing: measured times, as {path.name} is of other rows: measure anew, --measure.")
            return None
        _ = float(times["whole"]["median_ms"]), [float(row["ms"]) for row in times["rows"]]
        _ = Machine(**times["machine"]), [times[key] for key in ("engine", "precision", "threads", "batch")]
    except (OSError, ValueError, KeyError, TypeError):
        missing.append(f"Missing: measured times, as {path.name} is broken: measure anew, --measure.")
        return None
    return times
