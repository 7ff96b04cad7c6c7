"""What a run folder contains, read part by part: what is missing or broken is said, and the rest is used."""

import csv
import json
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError, command_line
from leannet.evaluation.calibration import Calibration, calibrate
from leannet.evaluation.decisions import read_decisions
from leannet.evaluation.skipped import Decisions
from leannet.header import Header, read_header
from leannet.reports.completion import best_logged_epoch, unfinished
from leannet.run_files import CONFIG, DECISIONS, LAST, LOG, MODEL, PREDICTIONS, TIMES
from leannet.runtime.processor import Machine
from leannet.tasks import finds_boxes
from leannet.tasks.detection import Found, read_found
from leannet.tasks.metrics import Scores, score
from leannet.tasks.predictions import read_whole_lines

LOG_COLUMNS = ("epoch", "train_loss", "learning_rate", "seconds")
# Of each task, more.
TASK_COLUMNS = (
    ("train_accuracy", "validation_loss", "validation_accuracy"),
    ("train_recall", "validation_ap", "validation_ap50"),
)
LOG_ORDER = (  # of the columns in a table
    "epoch", "train_loss", "train_accuracy", "train_recall", "validation_loss", "validation_accuracy", "validation_ap",
    "validation_ap50", "learning_rate", "seconds",
)  # fmt: skip
EVIDENCE = (MODEL, CONFIG, LOG, PREDICTIONS)  # any of them makes a folder a run
SAME_ACCURACY = 0.002  # predictions whose accuracy differs more from the header's are of another epoch


@dataclass(frozen=True)
class ValidationPredictions:
    """The validation images and the network's answers: labels (N,), probabilities (N, classes)."""

    names: list[str]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    scores: Scores
    calibration: Calibration
    images_in_run: int  # more than the names where lines are broken or missing

    @property
    def is_complete(self) -> bool:
        return self.images_in_run <= len(self.names)


@dataclass(frozen=True)
class RunContents:
    """The parts of a run that are there. `missing`: those that are not, a sentence each."""

    path: Path
    header: Header | None
    log: list[dict[str, float]]
    predictions: ValidationPredictions | None  # of a classifier
    settings: dict[str, Any]
    times: dict[str, Any] | None  # runtime.row_latency.RowTimes as plain data, of this very architecture
    missing: list[str] = field(default_factory=list)
    unfinished: str = ""  # a sentence about a run that has not finished
    decisions: tuple[list[str], Decisions] | None = (
        None  # of networks with gates: the images' names, and what gates said
    )
    has_best_weights: bool = True  # the header is that of the best weights, not of the last
    found: list[tuple[str, Found]] | None = None  # of a detector: the validation images' names, and what was found

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights the run keeps, counted from 1; without those weights, the best in its log."""
        epoch: int | None = self.header.metrics.epoch if self.header and self.has_best_weights else None
        return best_logged_epoch(self.log) if epoch is None else epoch


def read_run(run: str | Path) -> RunContents:
    """Reads a run folder. Raises LeannetError where the folder is no run."""
    path = Path(run)
    fold = next((child for child in sorted(path.glob("fold-*")) if (child / CONFIG).is_file()), None)
    if fold is not None and not (path / CONFIG).exists():
        to_report = command_line("report", fold)
        raise LeannetError(f"{run}: expected one run, found the folds of a cross-validation: {to_report}")
    if not path.is_dir() or not any((path / name).exists() for name in EVIDENCE):
        raise LeannetError(f"{run}: expected a run folder ({CONFIG}, {MODEL}, {LOG}), found none")
    missing: list[str] = []
    log: list[dict[str, float]] = []
    predictions: ValidationPredictions | None = None
    settings: dict[str, Any] = {}
    header, has_best_weights = _read_header(path, missing)
    try:
        log, broken = _read_log(path / LOG)
        if broken:
            missing.append(f"Missing: {broken} of the {len(log) + broken} lines of {LOG}, which are broken.")
    except LeannetError as error:
        missing.append(f"Missing: learning curves ({error}).")
    found = None
    try:
        if header is not None and finds_boxes(header.architecture):
            found = read_found(path / PREDICTIONS, header.classes)
        else:
            predictions = _read_predictions(path / PREDICTIONS, header, missing)
        if predictions is not None and has_best_weights and predictions.is_complete:
            _check_epoch(predictions.scores, header, missing)
    except LeannetError as error:
        missing.append(f"Missing: the predictions of the validation images ({error}).")
    try:
        settings = _read_settings(path / CONFIG)
    except LeannetError as error:
        missing.append(f"Missing: the settings ({error}).")
    times = _read_times(path / TIMES, header, missing)
    decisions = None
    try:
        decisions = read_decisions(path / DECISIONS) if (path / DECISIONS).exists() else None
    except LeannetError as error:
        missing.append(f"Missing: what the gates decided ({error}).")
    return RunContents(
        path, header, log, predictions, settings, times, missing, unfinished(path, settings, log), decisions,
        has_best_weights, found,
    )  # fmt: skip


def _read_header(path: Path, missing: list[str]) -> tuple[Header | None, bool]:
    """The header of the best weights, else of the last ones; and whether it is that of the best."""
    try:
        return read_header(path), True
    except LeannetError as error:
        problem = error
    try:
        header = read_header(path / LAST)
    except LeannetError:
        missing.append(f"Missing: the best weights, and with them their rows, cost and data ({problem}).")
        return None, False
    missing.append(f"Missing: the best weights ({problem}). Rows, cost and data are read from {LAST} instead.")
    return header, False


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of log.csv, one an epoch. Raises LeannetError where the file is missing or broken."""
    lines, broken = _read_log(path)
    if broken:
        raise LeannetError(f"{path}: expected a line of numbers an epoch, found {broken} broken")
    return lines


def _read_log(path: Path) -> tuple[list[dict[str, float]], int]:
    """The whole lines of log.csv, and how many are broken."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            records, header = list(reader), reader.fieldnames or []
    except FileNotFoundError:
        raise LeannetError(f"{path.name}: not there") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LeannetError(f"{path}: expected a line an epoch, found: {error}") from None
    of_task = next((names for names in TASK_COLUMNS if names[-1] in header), TASK_COLUMNS[0])
    absent = [name for name in (*LOG_COLUMNS, *of_task) if name not in header]
    if absent:
        raise LeannetError(f"{path}: expected a column '{absent[0]}', found {', '.join(header) or 'none'}")
    lines = []
    for record in records:
        try:
            values = {key: float(value) for key, value in record.items()}
        except (TypeError, ValueError):  # a line with too few or too many values, or with words in it
            continue
        if all(math.isfinite(value) for value in values.values()):
            lines.append(values)
    if not lines:
        raise LeannetError(f"{path}: no epoch is finished")
    return lines, len(records) - len(lines)


def _read_predictions(path: Path, header: Header | None, missing: list[str]) -> ValidationPredictions:
    if not path.exists():
        raise LeannetError(f"{path.name}: not there")
    (names, labels, probabilities, classes), broken = read_whole_lines(path)
    if broken and not names:
        raise LeannetError(f"{path}: none of its {broken} lines is whole")
    if not names:
        raise LeannetError(f"{path}: expected a line a validation image, found none")
    if header is not None and classes != header.classes:
        raise LeannetError(
            f"{path}: belongs to other weights: it has {_listed(classes)}; {MODEL} has {_listed(header.classes)}"
        )
    scores, lines = score(probabilities, labels, classes), len(names) + broken
    images_in_run = max(lines, header.split.sizes.get("validation", 0) if header else 0)
    if broken:
        be = "is" if broken == 1 else "are"
        missing.append(f"{broken:,} of the {lines:,} lines of {PREDICTIONS} {be} broken and left out.")
    if lines < images_in_run:
        absent = images_in_run - lines
        missing.append(f"{absent:,} of the {images_in_run:,} validation images are not in {PREDICTIONS}.")
    calibration = calibrate(probabilities, labels)
    return ValidationPredictions(names, labels, probabilities, classes, scores, calibration, images_in_run)


def _listed(classes: tuple[str, ...]) -> str:
    return f"{len(classes)} classes ({', '.join(classes[:3])}{', ...' if len(classes) > 3 else ''})"


def _check_epoch(scores: Scores, header: Header | None, missing: list[str]) -> None:
    """A run killed between two files has predictions of another epoch than its weights."""
    recorded = header.metrics.accuracy if header else None
    if recorded is not None and abs(recorded - scores.accuracy) > SAME_ACCURACY:
        missing.append(
            f"{PREDICTIONS} is of another epoch than {MODEL}: its accuracy is {100 * scores.accuracy:.1f} "
            f"%, that of the weights {100 * recorded:.1f} %. The figures below are those of {PREDICTIONS}."
        )


def _read_settings(path: Path) -> dict[str, Any]:
    """As plain data: so settings of any version can be shown, and training is not imported."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LeannetError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LeannetError(f"{path}: not TOML: {error}") from None


def _read_times(path: Path, header: Header | None, missing: list[str]) -> dict[str, Any] | None:
    """The times measured of these very rows; times of other rows are left out, with a remark."""
    if header is None or not path.exists():
        return None
    rows = [
        [node.path, str(node.row.kind), [list(shape) for shape in node.in_shapes], list(node.out_shape)]
        for node in header.architecture.graph.nodes
    ]
    try:
        times: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if [[row[key] for key in ("row", "kind", "in_shapes", "out_shape")] for row in times["rows"]] != rows:
            missing.append(f"Missing: measured times, as {path.name} is of other rows: measure again with --measure.")
            return None
        _ = float(times["whole"]["median_ms"]), [float(row["ms"]) for row in times["rows"]]
        _ = Machine(**times["machine"]), [times[key] for key in ("engine", "precision", "threads", "batch")]
    except (OSError, ValueError, KeyError, TypeError):
        missing.append(f"Missing: measured times, as {path.name} is broken: measure again with --measure.")
        return None
    return times
