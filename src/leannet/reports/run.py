"""report.html: one self-contained page of a run. What is missing is named, and the rest is shown."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leannet.cost import CONVENTION, Count, count
from leannet.errors import LeannetError
from leannet.evaluation.metrics import Scores, interval, score
from leannet.evaluation.predictions import read_predictions
from leannet.files import write_whole
from leannet.header import Header, read_header
from leannet.reports.curves import learning_curves
from leannet.training.settings import read_toml


def report(run: str | Path, out: str | Path | None = None) -> Path:
    """Writes the page of a run and returns its path; None: report.html in the run.

    Raises LeannetError where the folder is no run at all.
    """
    from jinja2 import Environment, PackageLoader

    path = Path(run)
    if not path.is_dir() or not any((path / name).exists() for name in ("model.safetensors", "config.toml", "log.csv")):
        raise LeannetError(f"{run}: expected a run folder (config.toml, model.safetensors, log.csv), found none")
    environment = Environment(
        loader=PackageLoader("leannet.reports", ""), autoescape=True, trim_blocks=False, keep_trailing_newline=True
    )
    page = environment.get_template("run.html.j2").render(_contents(path))
    target = Path(out) if out is not None else path / "report.html"
    write_whole(target, page.encode())
    return target


def _contents(path: Path) -> dict[str, Any]:
    notes: list[str] = []

    def missing(name: str, error: LeannetError | None = None) -> None:
        notes.append(f"Missing: {name}{f' ({error})' if error else ''}.")

    header, log, scores, settings = None, [], None, {}
    try:
        header = read_header(path)
    except LeannetError as error:
        missing("the best weights", error)
    try:
        log = read_log(path / "log.csv")
    except LeannetError:
        missing("learning curves, as no epoch was finished")
    try:
        _, labels, probabilities, classes = read_predictions(path / "predictions.csv")
        scores = score(probabilities, labels, classes)
    except LeannetError:
        missing("predictions on the validation pictures, as no epoch was finished")
    try:
        settings = read_toml(path / "config.toml")
    except LeannetError as error:
        missing("the settings", error)

    data = Path(settings.get("data", "unknown data")).name
    cost = count(header.architecture) if header else None
    best = header.metrics.get("epoch") if header else None
    provenance = header.provenance if header else {}
    return {
        "title": f"{header.architecture.name if header else path.name} on {data}",
        "subtitle": f"run {path.name}, leannet {provenance.get('leannet', '?')}",
        "tiles": list(_tiles(header, scores, cost, log)),
        "notes": notes,
        "curves": learning_curves(log, best) if log else None,
        "best_epoch": best,
        "smoothing": settings.get("label_smoothing"),
        "scores": scores,
        "convention": CONVENTION[0].upper() + CONVENTION[1:],
        "input": f"{header.architecture.input.width} x {header.architecture.input.height}" if header else "",
        "cost": _cost(cost) if cost else None,
        "widest": max((row["share"] for row in _cost(cost)), default=1) if cost else 1,
        "data": list(_data(header, settings)) if header else [],
        "skipped": provenance.get("skipped", []),
        "command": provenance.get("command", ""),
        "settings": list(_flat(settings)),
    }


def _tiles(
    header: Header | None, scores: Scores | None, cost: Count | None, log: list[dict[str, float]]
) -> Iterator[dict[str, str]]:
    if scores:
        note = interval(scores.accuracy_low, scores.accuracy_high)
        yield {"name": "validation accuracy", "value": f"{100 * scores.accuracy:.1f} %", "note": note}
        if scores.top5 is not None and scores.top5_low is not None and scores.top5_high is not None:
            note = interval(scores.top5_low, scores.top5_high)
            yield {"name": "top-5", "value": f"{100 * scores.top5:.1f} %", "note": note}
    test = header.metrics.get("test") if header else None
    if test:
        note = f"{interval(test['accuracy_low'], test['accuracy_high'])}, scored once"
        yield {"name": "test accuracy", "value": f"{100 * test['accuracy']:.1f} %", "note": note}
    if cost:
        yield {
            "name": "parameters",
            "value": _short(cost.params),
            "note": f"{cost.weight_bytes / 1e6:.1f} MB in float32",
        }
        yield {"name": "mult-adds", "value": _short(cost.macs), "note": "a picture"}
    if log:
        seconds = sum(line["seconds"] for line in log)
        yield {"name": "training", "value": f"{seconds / 60:.1f} min", "note": f"{len(log)} epochs"}


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)


def _cost(cost: Count) -> list[dict[str, Any]]:
    last = {layer.row: layer for layer in cost.layers}
    kinds: dict[str, list[str]] = {}
    for layer in cost.layers:
        if layer.weights:
            kinds.setdefault(layer.row, []).append(layer.type)
    return [
        {
            "name": group.name,
            "what": ", ".join(dict.fromkeys(kinds[group.name])),
            "out": str(last[group.name].out_shape),
            "params": group.params,
            "macs": group.macs,
            "share": group.macs / max(cost.macs, 1),
        }
        for group in cost.by_row()
        if group.params
    ]


def _data(header: Header, settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    sizes = header.split.get("sizes", {})
    yield "pictures", ", ".join(f"{number:,} {part}" for part, number in sizes.items() if number)
    ratio = header.split.get("ratio")
    if ratio:
        shares = ":".join(f"{100 * share:.0f}" for share in ratio)
        yield "split", f"{shares} by content, seed {header.split.get('seed')}"
    else:
        yield "split", "as the data comes"
    yield (
        "classes",
        f"{len(header.classes)}: {', '.join(header.classes[:12])}{', ...' if len(header.classes) > 12 else ''}",
    )
    p = header.preprocessing
    cut = f", the middle {100 * p.crop_ratio:g} %" if p.resize == "crop" and p.crop_ratio < 1 else ""
    yield "preparation", f"{p.resize}{cut} to {p.width} x {p.height} px, {p.interpolation}, {p.color}"
    yield "normalisation", f"mean {', '.join(f'{m:g}' for m in p.mean)}; deviation {', '.join(f'{s:g}' for s in p.std)}"


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value != []:
            yield prefix + key, f"{value:g}" if isinstance(value, float) else value


def read_log(path: Path) -> list[dict[str, float]]:
    """log.csv, a dict an epoch. Raises LeannetError where there is none or it is broken."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = [{key: float(value) for key, value in line.items()} for line in csv.DictReader(file)]
    except (OSError, ValueError, TypeError) as error:
        raise LeannetError(f"{path}: expected a line an epoch, found: {error}") from None
    if not lines:
        raise LeannetError(f"{path}: no epoch is finished")
    return lines
