"""A run in words: the sentences at the top of its page, and the few figures below them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leannet.console import duration
from leannet.cost import Count
from leannet.header import Header
from leannet.preprocessing import CROPS
from leannet.reports.confusion import Cell, most_confused
from leannet.reports.page import middle, percent, short, short_bytes
from leannet.reports.run_contents import RunContents
from leannet.run_files import epochs_done
from leannet.sections import BoxSummary, of_classes
from leannet.tasks.metrics import Scores, interval

# Peak rate for a batch of 32, and weight decay: training.settings, whose package needs torch, says how both are meant.
DEFAULTS = {
    "adamw": (2e-3, 0.05),
    "adam": (2e-3, 1e-4),
    "muon": (4e-3, 0.05),
    "sgd": (0.05, 1e-4),
    "rmsprop": (1e-3, 1e-5),
}


@dataclass(frozen=True)
class Tile:
    """One figure, its name, and what it is a figure of."""

    name: str
    value: str
    note: str


def summary(contents: RunContents, cost: Count | None) -> str:
    """Accuracy, the commonest mistake and cost, for a reader who knows none of the words below."""
    sentences: list[str] = []
    scores = contents.predictions.scores if contents.predictions else None
    if scores:
        accuracy = f"Correct on {percent(scores.accuracy)} of {_validation_images(contents)}"
        sentences.append(f"{accuracy} ({interval(scores.accuracy_low, scores.accuracy_high)}){_worst(scores)}.")
    for what, of_boxes, ap, ap50 in _boxes(contents):
        figures = f"{percent(ap50)} at an IoU of 0.5, and {percent(ap)} from 0.5 to 0.95"
        where = f"{of_boxes.images:,} {what} images with {of_boxes.objects:,} objects"
        sentences.append(f"Finds objects with an average precision of {figures}, in {where}.")
    test = of_classes(contents.header.metrics.test) if contents.header else None
    if test:
        accuracy = f"Correct on {percent(test.accuracy)} of {test.images:,} test images"
        bounds = interval(test.accuracy_low, test.accuracy_high)
        sentences.append(f"{accuracy} ({bounds}), which were evaluated once, at the end, and decided nothing.")
    if cost:
        size = f"{short(cost.params)} parameters ({short_bytes(cost.weight_bytes)})"
        sentences.append(f"The network has {size} and takes {short(cost.macs)} mult-adds an image.")
    return " ".join(sentences)


def _boxes(contents: RunContents) -> Iterator[tuple[str, BoxSummary, float, float]]:
    """A detector's scores by split, with AP and AP50, where there are objects to find."""
    metrics = contents.header.metrics if contents.header else None
    for what, scores in (("validation", metrics and metrics.validation), ("test", metrics and metrics.test)):
        if isinstance(scores, BoxSummary) and scores.ap is not None and scores.ap50 is not None:
            yield what, scores, scores.ap, scores.ap50


def _validation_images(contents: RunContents) -> str:
    """The images that the figures are of; where some are missing, the accuracy of all of them too."""
    predictions = contents.predictions
    if predictions is None or predictions.is_complete:
        return f"{predictions.scores.images if predictions else 0:,} validation images"
    images = f"the {predictions.scores.images:,} validation images that are left of {predictions.images_in_run:,}"
    recorded = contents.header.metrics.accuracy if contents.header and contents.has_best_weights else None
    return images if recorded is None else f"{images}, of which the run recorded {percent(recorded)}"


def _worst(scores: Scores) -> str:
    worst = most_confused(scores, 1)
    if not worst:
        return ", without a mistake"
    return f"; most often takes {confusion_words(worst[0])}"


def confusion_words(cell: Cell) -> str:
    """A mistake in words."""
    return f"“{middle(cell.truth, 40)}” for “{middle(cell.prediction, 40)}” ({cell.images:,} of {cell.of_truth:,})"


def tiles(contents: RunContents, cost: Count | None) -> Iterator[Tile]:
    """The figures that are asked for first."""
    predictions = contents.predictions
    scores = predictions.scores if predictions else None
    if predictions and scores:
        images = ""
        if not predictions.is_complete:
            images = f"; {scores.images:,} of {predictions.images_in_run:,} images"
        yield _accuracy("validation accuracy", scores.accuracy, scores.accuracy_low, scores.accuracy_high, images)
        if scores.top5 is not None and scores.top5_low is not None and scores.top5_high is not None:
            yield _accuracy("top-5 accuracy", scores.top5, scores.top5_low, scores.top5_high, images)
    for what, of_boxes, ap, ap50 in _boxes(contents):
        yield Tile(f"{what} AP50", percent(ap50), f"AP {percent(ap)}, of {of_boxes.objects:,} objects")
    test = of_classes(contents.header.metrics.test) if contents.header else None
    if test:
        yield _accuracy("test accuracy", test.accuracy, test.accuracy_low, test.accuracy_high)
    if cost:
        yield Tile("parameters", short(cost.params), f"{short_bytes(cost.weight_bytes)} in float32")
        yield Tile("mult-adds", short(cost.macs), "an image")
    if contents.times:
        threads = contents.times["threads"]
        conditions = f"an image, {threads} thread{'' if threads == 1 else 's'}, {contents.times['engine']}"
        yield Tile("time", f"{contents.times['whole']['median_ms']:.3g} ms", conditions)
    if contents.log:
        seconds = sum(line["seconds"] for line in contents.log)
        epochs = epochs_done(contents.log)
        yield Tile("training", duration(seconds), f"{epochs} epoch{'' if epochs == 1 else 's'}")


def _accuracy(name: str, accuracy: float, low: float, high: float, images: str = "") -> Tile:
    return Tile(name, percent(accuracy), f"95 %: {100 * low:.1f} to {100 * high:.1f}{images}")


def data_words(header: Header) -> Iterator[tuple[str, str]]:
    """What the images are and how they become the network's input: name and value."""
    sizes = header.split.sizes
    folder = header.provenance.data
    if folder:
        yield "where", str(folder)
    splits = [f"{number:,} {split_name(split)}" for split, number in sizes.items() if number]
    yield "images", ", ".join(splits) or "not known"
    ratio = header.split.ratio
    if ratio:
        shares = ":".join(f"{100 * share:.0f}" for share in ratio)
        yield "split", f"{shares} by content, seed {header.split.seed}"
    else:
        yield "split", "as the data comes"
    yield "classes", f"{len(header.classes)}"
    p = header.preprocessing
    crop = f", the middle {100 * p.crop_ratio:g} %" if p.resize in CROPS and p.crop_ratio < 1 else ""
    yield "preprocessing", f"{p.resize}{crop} to {p.width} x {p.height} px, {p.interpolation}, {p.color}"
    yield "normalization", f"mean {', '.join(f'{m:g}' for m in p.mean)}; deviation {', '.join(f'{s:g}' for s in p.std)}"


def split_name(split: str) -> str:
    """A split as readers call it: `train` is training."""
    return "training" if split == "train" else split


def resolved(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the learning rate and the weight decay that training chose where none was set."""
    optimizer = settings.get("optimizer", {})
    defaults = DEFAULTS.get(optimizer.get("name", "")) if isinstance(optimizer, dict) else None
    batch = settings.get("batch_size")
    if defaults is None or not isinstance(batch, int):
        return settings
    rate = defaults[0] * (batch / 32) ** (1.0 if optimizer["name"] in {"sgd", "rmsprop"} else 0.5)
    chosen = {"lr": f"{rate:.4g} (default)", "weight_decay": f"{defaults[1]:g} (default)"}
    return settings | {"optimizer": {"name": optimizer["name"]} | chosen | optimizer}


def flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings as name and value, nested names joined by a dot."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        elif value != []:
            yield prefix + key, f"{value:g}" if isinstance(value, float) else str(value)
