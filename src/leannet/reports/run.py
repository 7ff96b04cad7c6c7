"""report.html: one self-contained page of a run. What is missing is named, and the rest is shown."""

from pathlib import Path
from typing import Any

from leannet.cost import CONVENTION, Count, count
from leannet.data.augment import Augment
from leannet.data.sources.splits import split_word
from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.reports.confusion import FEW, MANY, NARROW, cells, heat_map, most_confused
from leannet.reports.costs import conditions, costs_by_row, measures
from leannet.reports.curves import learning_curves, rate_curve
from leannet.reports.figures import write_figures
from leannet.reports.held import Held, read_log, read_run
from leannet.reports.images import RunImages, mistakes, open_run, samples
from leannet.reports.page import render
from leannet.reports.reliability import calibration_words, reliability_diagram
from leannet.reports.words import data_words, flat, resolved, summary, tiles

__all__ = ["read_log", "report"]

SKIPPED = 20  # names of images that were left out


def report(run: str | Path, out: str | Path | None = None, images: str | Path | None = None) -> Path:
    """Writes the page of a run and returns its path; None: report.html in the run.

    images: a folder for every figure as PNG and SVG and its data as CSV; None: none is written. Times of rows are
    shown where `measure` (costs.py) has kept them.
    Raises LeannetError where the folder is no run at all.
    """
    held = read_run(run)
    cost = count(held.header.architecture) if held.header else None
    opened, problem = _open(held)
    counts = class_counts(held, opened)
    page = render("run.html.j2", **_contents(held, cost, opened, problem, counts))
    target = Path(out) if out is not None else held.path / "report.html"
    write_whole(target, page)
    if images is not None:
        write_figures(held, cost, counts, Path(images))
    return target


def _open(held: Held) -> tuple[RunImages | None, str]:
    try:
        return open_run(held), ""
    except LeannetError as error:
        return None, str(error)


def class_counts(held: Held, opened: RunImages | None) -> dict[str, list[int]]:
    """The images of each class in each part that has any: as the run recorded them, or told by their content."""
    kept = held.header.split.counts if held.header else {}
    recorded = {name: list(numbers) for name, numbers in kept.items()}
    found = recorded or (opened.class_counts() if opened else None)
    if not found or not any(sum(numbers) for numbers in found.values()):
        found = {"validation": [c.images for c in held.judged.scores.per_class]} if held.judged else {}
    return {part: numbers for part, numbers in found.items() if sum(numbers)}


def _contents(
    held: Held, cost: Count | None, opened: RunImages | None, problem: str, counts: dict[str, list[int]]
) -> dict[str, Any]:
    header, settings = held.header, held.settings
    provenance = header.provenance if header else None
    data = _data_name(str(settings.get("data") or (provenance and provenance.data) or "unknown data"))
    skipped = provenance.skipped if provenance else ()
    return {
        "title": f"{header.architecture.name if header else held.path.resolve().name} on {data}",
        "subtitle": f"run {held.path.resolve().name}, leannet {provenance.leannet if provenance else '?'}",
        "run": str(held.path),
        "summary": summary(held, cost),
        "tiles": list(tiles(held, cost)),
        "unfinished": held.unfinished,
        "missing": held.missing,
        "curves": [*learning_curves(held.log, held.best_epoch), rate_curve(held.log, held.best_epoch)]
        if held.log
        else [],
        "best_epoch": held.best_epoch,
        "kept": held.is_best,
        "smoothing": _smoothing(held),
        **_judged(held, opened),
        **_costs(held, cost),
        "data": list(data_words(header)) if header else [],
        "problem": problem,
        **_data(held, opened, counts),
        "skipped": skipped[:SKIPPED],
        "skipped_more": max(len(skipped) - SKIPPED, 0),
        "remarks": _remarks(held, opened),
        "command": (provenance and provenance.command) or "",
        "settings": list(flat(resolved(settings))),
    }


def _remarks(held: Held, opened: RunImages | None) -> list[str]:
    """What training said of the files beside those that it could not read; of older runs what a look still tells."""
    kept = held.header.provenance.remarks if held.header else None
    if kept is not None:
        return [line for line in kept if "cannot be read" not in line]
    return opened.images.lines() if opened else []


def _data_name(where: str) -> str:
    """What a person calls the data: cifar10 for cifar10/train.parquet."""
    path = Path(where)
    return path.parent.name if split_word(path.stem) and path.parent.name else path.name


def _judged(held: Held, opened: RunImages | None) -> dict[str, Any]:
    """What was said of the validation images."""
    if held.judged is None:
        return {"scores": None}
    scores = held.judged.scores
    number = len(scores.per_class)
    worst = {each.truth: each for each in reversed(most_confused(scores, None))}
    return {
        "scores": scores,
        "few": number <= FEW,
        "upright": all(len(name) <= NARROW for name in held.judged.classes),
        "matrix": cells(scores) if number <= MANY else None,
        "heat": heat_map(scores) if number > MANY else None,
        "pairs": most_confused(scores) if number > 2 else [],
        "classes": [(c, worst.get(c.name)) for c in sorted(scores.per_class, key=lambda c: (c.recall, c.precision))],
        "calibration": held.judged.calibration,
        "reliability": reliability_diagram(held.judged.calibration),
        "sureness": calibration_words(held.judged.calibration, _smoothing(held)),
        "mistakes": mistakes(held.judged, opened),
    }


def _smoothing(held: Held) -> float:
    value = held.settings.get("label_smoothing")
    return value if isinstance(value, float) else 0.0


def _costs(held: Held, cost: Count | None) -> dict[str, Any]:
    if cost is None:
        return {"cost": [], "times": None}
    rows, columns = costs_by_row(cost, held.times), measures(held.times)
    totals = {key: sum(row[key] for row in rows) for key in columns}
    return {
        "cost": rows,
        "measures": columns,
        "longest": {key: max((row[key] for row in rows), default=0) or 1 for key in columns},
        "totals": totals,
        "convention": CONVENTION[0].upper() + CONVENTION[1:],
        "input": f"{cost.input.width} x {cost.input.height}",
        "times": held.times,
        "conditions": conditions(held.times) if held.times else "",
    }


def _data(held: Held, opened: RunImages | None, counts: dict[str, list[int]]) -> dict[str, Any]:
    """Classes in each part, and training images as the network sees them."""
    names = held.header.classes if held.header else held.judged.classes if held.judged else ()
    augment, mixes = _augment(held.settings)
    seed = (held.header.split.seed or 0) if held.header else 0
    shown = samples(opened, augment, seed) if opened is not None and augment is not None else []
    sizes = held.header.split.sizes if held.header else {}
    return {
        "counts": counts,
        "counted": [(name, {part: counts[part][i] for part in counts}) for i, name in enumerate(names) if counts],
        "most": max((max(numbers) for numbers in counts.values()), default=1) or 1,
        "uncounted": [part for part, number in sizes.items() if number and part not in counts],
        "changed": any(sum(numbers) != sizes.get(part, sum(numbers)) for part, numbers in counts.items()),
        "samples": shown,
        "mixes": mixes,
    }


def _augment(settings: dict[str, Any]) -> tuple[Augment | None, str]:
    """The run's changes of training images, and those of them that one image cannot show."""
    try:
        augment = Augment.model_validate(settings.get("augment", {}))
    except ValueError:  # settings of another version, or edited
        return None, ""
    return augment, " and ".join(name for name in ("mixup", "cutmix") if getattr(augment, name))
