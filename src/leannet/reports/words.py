"""A run in words: the sentence on top of its page, and the few figures below it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leannet.console import duration
from leannet.cost import Count
from leannet.evaluation.metrics import Scores, interval
from leannet.header import Header
from leannet.reports.confusion import Cell, most_confused
from leannet.reports.held import Held
from leannet.reports.page import middle, percent, short, short_bytes

# Peak rate for a batch of 32, and weight decay: training.settings, whose package needs torch, says how both are meant.
USUAL = {"adamw": (2e-3, 0.05), "adam": (2e-3, 1e-4), "sgd": (0.05, 1e-4), "rmsprop": (1e-3, 1e-5)}


@dataclass(frozen=True)
class Tile:
    """One figure, its name, and what it rests on."""

    name: str
    value: str
    note: str


def summary(held: Held, cost: Count | None) -> str:
    """What the run is worth, where it errs and what it costs, for somebody who knows none of the words below."""
    sentences: list[str] = []
    scores = held.judged.scores if held.judged else None
    if scores:
        share = f"Right on {percent(scores.accuracy)} of {_judged_images(held)}"
        sentences.append(f"{share} ({interval(scores.accuracy_low, scores.accuracy_high)}){_worst(scores)}.")
    test = held.header.metrics.test if held.header else None
    if test:
        sure = interval(test.accuracy_low, test.accuracy_high)
        share = f"{percent(test.accuracy)} of {test.images:,} test images"
        sentences.append(f"On images that nothing was chosen by, scored once: {share} ({sure}).")
    if cost:
        size = f"{short(cost.params)} parameters ({short_bytes(cost.weight_bytes)})"
        sentences.append(f"The network has {size} and takes {short(cost.macs)} mult-adds an image.")
    return " ".join(sentences)


def _judged_images(held: Held) -> str:
    """How many the figures rest on; where some are lost, those of the whole run are said beside it."""
    if held.judged is None or held.judged.is_all:
        return f"{held.judged.scores.images if held.judged else 0:,} validation images"
    found = f"the {held.judged.scores.images:,} validation images that are left of {held.judged.of:,}"
    kept = held.header.metrics.accuracy if held.header and held.is_best else None
    return found if kept is None else f"{found}, of which the run recorded {percent(kept)}"


def _worst(scores: Scores) -> str:
    worst = most_confused(scores, 1)
    if not worst:
        return ", without a mistake"
    return f"; most often takes {confusion_words(worst[0])}"


def confusion_words(cell: Cell) -> str:
    """A mistake as people say it."""
    return f"“{middle(cell.truth, 40)}” for “{middle(cell.prediction, 40)}” ({cell.images:,} of {cell.of_truth:,})"


def tiles(held: Held, cost: Count | None) -> Iterator[Tile]:
    """The figures that are asked for first."""
    scores = held.judged.scores if held.judged else None
    if scores:
        some = ""
        if held.judged and not held.judged.is_all:
            some = f"; {scores.images:,} of {held.judged.of:,} images"
        yield _accuracy("validation accuracy", scores.accuracy, scores.accuracy_low, scores.accuracy_high, some)
        if scores.top5 is not None and scores.top5_low is not None and scores.top5_high is not None:
            yield _accuracy("top-5 accuracy", scores.top5, scores.top5_low, scores.top5_high, some)
    test = held.header.metrics.test if held.header else None
    if test:
        yield _accuracy("test accuracy", test.accuracy, test.accuracy_low, test.accuracy_high)
    if cost:
        yield Tile("parameters", short(cost.params), f"{short_bytes(cost.weight_bytes)} in float32")
        yield Tile("mult-adds", short(cost.macs), "an image")
    if held.times:
        threads = held.times["threads"]
        words = f"an image, {threads} thread{'' if threads == 1 else 's'}, {held.times['engine']}"
        yield Tile("time", f"{held.times['whole']['median_ms']:.3g} ms", words)
    if held.log:
        seconds = sum(line["seconds"] for line in held.log)
        epochs = len(held.log)
        yield Tile("training", duration(seconds), f"{epochs} epoch{'' if epochs == 1 else 's'}")


def _accuracy(name: str, share: float, low: float, high: float, some: str = "") -> Tile:
    return Tile(name, percent(share), f"95 %: {100 * low:.1f} to {100 * high:.1f}{some}")


def data_words(header: Header) -> Iterator[tuple[str, str]]:
    """What the images are and how they become the network's input: name and value."""
    sizes = header.split.sizes
    where = header.provenance.data
    if where:
        yield "where", str(where)
    named = [f"{number:,} {'training' if part == 'train' else part}" for part, number in sizes.items() if number]
    yield "images", ", ".join(named) or "not known"
    ratio = header.split.ratio
    if ratio:
        shares = ":".join(f"{100 * share:.0f}" for share in ratio)
        yield "split", f"{shares} by content, seed {header.split.seed}"
    else:
        yield "split", "as the data comes"
    yield "classes", f"{len(header.classes)}"
    p = header.preprocessing
    cut = f", the middle {100 * p.crop_ratio:g} %" if p.resize == "crop" and p.crop_ratio < 1 else ""
    yield "preparation", f"{p.resize}{cut} to {p.width} x {p.height} px, {p.interpolation}, {p.color}"
    yield "normalisation", f"mean {', '.join(f'{m:g}' for m in p.mean)}; deviation {', '.join(f'{s:g}' for s in p.std)}"


def resolved(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the learning rate and the weight decay that training chose where none was said."""
    optimizer = settings.get("optimizer", {})
    usual = USUAL.get(optimizer.get("name", "")) if isinstance(optimizer, dict) else None
    batch = settings.get("batch_size")
    if usual is None or not isinstance(batch, int):
        return settings
    rate = usual[0] * (batch / 32) ** (0.5 if optimizer["name"].startswith("adam") else 1.0)
    chosen = {"lr": f"{rate:.4g} (default)", "weight_decay": f"{usual[1]:g} (default)"}
    return settings | {"optimizer": {"name": optimizer["name"]} | chosen | optimizer}


def flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings as name and value, branches joined by a dot."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        elif value != []:
            yield prefix + key, f"{value:g}" if isinstance(value, float) else str(value)
