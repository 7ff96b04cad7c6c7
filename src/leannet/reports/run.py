"""report.html: one self-contained page of a run. What is missing is named, and the rest is shown."""

from pathlib import Path
from typing import Any

from leannet.cost import CONVENTION, Count, count
from leannet.data.augment import Augment
from leannet.data.sources.splits import split_word
from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.reports.boxes import FoundBoxes, found_boxes, precision_recall, shown_images
from leannet.reports.confusion import FEW, MANY, NARROW, cells, heat_map, most_confused
from leannet.reports.costs import GROUPS, conditions, costs_by_kind, costs_by_row, measures, pointwise_words
from leannet.reports.curves import learning_curves, rate_curve
from leannet.reports.figures import write_figures
from leannet.reports.images import RunImages, mistakes, open_run, samples
from leannet.reports.page import render
from leannet.reports.reliability import calibration_words, reliability_diagram
from leannet.reports.run_contents import RunContents, read_log, read_run
from leannet.reports.skipping import RunCosts, run_costs, shown, skipping_figures
from leannet.reports.summary import data_words, flat, resolved, split_name, summary, tiles
from leannet.run_files import REPORT
from leannet.tasks.detection import SHOWN

__all__ = ["read_log", "report"]

SKIPPED = 20  # names of images that were left out


def report(run: str | Path, out: str | Path | None = None, figures: str | Path | None = None) -> Path:
    """Writes the page of a run and returns its path; out: None: report.html in the run.

    figures: a folder for every figure as PNG and SVG and its data as CSV; None: none is written. Times of rows are
    shown where `measure` (costs.py) has stored them.
    Raises LeannetError where the folder is no run.
    """
    contents = read_run(run)
    cost = count(contents.header.architecture) if contents.header else None
    images, problem = _open(contents)
    counts = class_counts(contents, images)
    boxes = _found(contents, images)
    page = render("run.html.j2", **_page(contents, cost, images, problem, counts, boxes))
    target = Path(out) if out is not None else contents.path / REPORT
    write_whole(target, page)
    if figures is not None:
        write_figures(contents, cost, counts, Path(figures), boxes)
    return target


def _open(contents: RunContents) -> tuple[RunImages | None, str]:
    try:
        return open_run(contents), ""
    except LeannetError as error:
        return None, str(error)


def class_counts(contents: RunContents, images: RunImages | None) -> dict[str, list[int]]:
    """The images of each class in each split that has any: as the run recorded them, or by the images' content."""
    recorded = contents.header.split.counts if contents.header else {}
    counts = {split: list(numbers) for split, numbers in recorded.items()}
    if not counts and images is not None:
        counts = images.class_counts() or {}
    if not any(sum(numbers) for numbers in counts.values()):
        predictions = contents.predictions
        counts = {"validation": [c.images for c in predictions.scores.per_class]} if predictions else {}
    return {split: numbers for split, numbers in counts.items() if sum(numbers)}


def _page(
    contents: RunContents,
    cost: Count | None,
    images: RunImages | None,
    problem: str,
    counts: dict[str, list[int]],
    boxes: FoundBoxes | None,
) -> dict[str, Any]:
    """The fields of the template. problem: why the images cannot be read again; empty where they can."""
    header, settings = contents.header, contents.settings
    provenance = header.provenance if header else None
    data = _data_name(str(settings.get("data") or (provenance and provenance.data) or "unknown data"))
    skipped = provenance.skipped if provenance else ()
    curves = []
    if contents.log:
        curves = learning_curves(contents.log, contents.best_epoch)
        curves.append(rate_curve(contents.log, contents.best_epoch))
    return {
        "title": f"{header.architecture.name if header else contents.path.resolve().name} on {data}",
        "subtitle": f"run {contents.path.resolve().name}, leannet {provenance.leannet if provenance else '?'}",
        "run": str(contents.path),
        "summary": summary(contents, cost),
        "tiles": list(tiles(contents, cost)),
        "unfinished": contents.unfinished,
        "missing": contents.missing,
        "curves": curves,
        "best_epoch": contents.best_epoch,
        "measure": "accuracy" if contents.found is None else "AP",
        "has_best_weights": contents.has_best_weights,
        "smoothing": _smoothing(contents),
        **_predictions(contents, images),
        **_boxes(contents, images, boxes),
        **_skipping(run_costs(contents), images),
        **_costs(contents, cost),
        "data": list(data_words(header)) if header else [],
        "problem": problem,
        **_data(contents, images, counts),
        "skipped": skipped[:SKIPPED],
        "skipped_more": max(len(skipped) - SKIPPED, 0),
        "remarks": _remarks(contents, images),
        "command": (provenance and provenance.command) or "",
        "settings": list(flat(resolved(settings))),
    }


def _remarks(contents: RunContents, images: RunImages | None) -> list[str]:
    """Training's remarks on the files that it could read; for older runs, those that the data gives rise to now."""
    recorded = contents.header.provenance.remarks if contents.header else None
    if recorded is not None:
        return [line for line in recorded if "cannot be read" not in line]
    return images.dataset.lines() if images else []


def _data_name(path: str) -> str:
    """What a person calls the data: cifar10 for cifar10/train.parquet."""
    data = Path(path)
    return data.parent.name if split_word(data.stem) and data.parent.name else data.name


def _predictions(contents: RunContents, images: RunImages | None) -> dict[str, Any]:
    """Confusion matrix, classes, calibration and mistakes of the validation images."""
    predictions = contents.predictions
    if predictions is None:
        return {"scores": None}
    scores = predictions.scores
    number = len(scores.per_class)
    worst = {cell.truth: cell for cell in reversed(most_confused(scores, None))}
    return {
        "scores": scores,
        "few": number <= FEW,
        "upright": all(len(name) <= NARROW for name in predictions.classes),
        "matrix": cells(scores) if number <= MANY else None,
        "heat": heat_map(scores) if number > MANY else None,
        "pairs": most_confused(scores) if number > 2 else [],
        "classes": [(c, worst.get(c.name)) for c in sorted(scores.per_class, key=lambda c: (c.recall, c.precision))],
        "calibration": predictions.calibration,
        "reliability": reliability_diagram(predictions.calibration),
        "confidence": calibration_words(predictions.calibration, _smoothing(contents)),
        "mistakes": mistakes(predictions, images),
    }


def _found(contents: RunContents, images: RunImages | None) -> FoundBoxes | None:
    """What a detector found in the validation images; None where that, or the images, are not there."""
    if contents.found is None or images is None:
        return None
    try:
        return found_boxes(contents.found, images)
    except LeannetError as error:
        contents.missing.append(f"Missing: the boxes of the validation images ({error}).")
        return None


def _boxes(contents: RunContents, images: RunImages | None, found: FoundBoxes | None) -> dict[str, Any]:
    """The fields of the page for a detector."""
    if found is None or images is None:
        return {"boxes": None, "no_boxes": contents.found is not None and images is None}
    by_class = found.precision.by_class.items()
    return {
        "boxes": found,
        "no_boxes": False,
        "least_score": SHOWN,
        "box_kinds": found.kinds,
        "objects": sum(found.counts.values()),
        "precision_recall": precision_recall(found),
        "box_classes": sorted(
            ((name, ap, ap50, found.counts[name]) for name, (ap, ap50) in by_class if found.counts[name]),
            key=lambda line: line[1],
        ),
        "worst_images": shown_images(found, images),
    }


def _skipping(costs: RunCosts | None, images: RunImages | None) -> dict[str, Any]:
    """What images cost a network with gates."""
    if costs is None:
        return {"skipping_figures": []}
    return {
        "skipping_words": costs.words(),
        "skipping_figures": skipping_figures(costs),
        "gates": len(costs.rates),
        "extremes": [
            ("The easiest: images that cost least", shown(costs, images, hardest=False)),
            ("The hardest: images that cost most", shown(costs, images, hardest=True)),
        ],
    }


def _smoothing(contents: RunContents) -> float:
    if contents.found is not None:
        return 0.0
    value = contents.settings.get("label_smoothing")
    return value if isinstance(value, float) else 0.0


def _costs(contents: RunContents, cost: Count | None) -> dict[str, Any]:
    if cost is None:
        return {"cost": [], "times": None}
    rows, columns = costs_by_row(cost, contents.times), measures(contents.times)
    kinds, groups = costs_by_kind(rows), {layer.group for row in rows for layer in row.layers}
    return {
        "cost": rows,
        "kinds": kinds,
        "pointwise": pointwise_words(cost),
        "groups": {group: color for group, color in GROUPS.items() if group in groups},
        "measures": columns,
        "longest": {key: max((row[key] for row in rows), default=0) or 1 for key in columns},
        "totals": {key: sum(row[key] for row in rows) for key in columns},
        "kind_totals": {key: sum(kind[key] for kind in kinds) or 1 for key in ("macs", "params", "bytes_moved")},
        "convention": CONVENTION[0].upper() + CONVENTION[1:],
        "input": f"{cost.input.width} x {cost.input.height}",
        "times": contents.times,
        "conditions": conditions(contents.times) if contents.times else "",
    }


def _data(contents: RunContents, images: RunImages | None, counts: dict[str, list[int]]) -> dict[str, Any]:
    """Classes in each split, and training images as the network's input."""
    header = contents.header
    classes = header.classes if header else contents.predictions.classes if contents.predictions else ()
    augment, mixing = _augment(contents.settings)
    seed = (header.split.seed or 0) if header else 0
    sizes = header.split.sizes if header else {}
    return {
        "counts": {split_name(split): numbers for split, numbers in counts.items()},
        "counted": [
            (name, {split: numbers[i] for split, numbers in counts.items()}) for i, name in enumerate(classes) if counts
        ],
        "most": max((max(numbers) for numbers in counts.values()), default=1) or 1,
        "uncounted": [split_name(split) for split, number in sizes.items() if number and split not in counts],
        "changed": any(sum(numbers) != sizes.get(split, sum(numbers)) for split, numbers in counts.items()),
        "samples": samples(images, augment, seed) if images is not None and augment is not None else [],
        "mixing": mixing,
    }


def _augment(settings: dict[str, Any]) -> tuple[Augment | None, str]:
    """The run's augmentation, and those parts of it that one image cannot show."""
    try:
        augment = Augment.model_validate(settings.get("augment", {}))
    except ValueError:  # settings of another version, or edited
        return None, ""
    return augment, " and ".join(name for name in ("mixup", "cutmix") if getattr(augment, name))
