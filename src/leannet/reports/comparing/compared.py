"""One network of a comparison: what it costs, what it is worth and on which images, and what its run kept."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leannet.cost import Count, Graph, count, graph
from leannet.cost.published import find
from leannet.header import Header, bytes_on_disk, is_artifact, read_header
from leannet.reports.comparing.progress import Progress, read_progress
from leannet.rows import Architecture
from leannet.what import resolve
from leannet.zoo import FAMILIES

if TYPE_CHECKING:
    from leannet.reports.comparing.pairs import Answers
    from leannet.reports.held import Held
    from leannet.runtime import Latency

PUBLISHED = "published"  # as `judged_on`: on ImageNet, by others


@dataclass(frozen=True)
class Accuracy:
    """Top-1, 0 to 1, with its 95 % interval where the number of images is known."""

    value: float
    low: float | None
    high: float | None
    images: int | None
    judged_on: str  # equal where it was the same images; PUBLISHED
    source: str  # for a person
    loss: float | None = None


@dataclass(frozen=True)
class Compared:
    """One network. What it does not have is None."""

    what: str
    label: str
    kind: str  # zoo name, architecture file, run, checkpoint, artifact
    architecture: Architecture
    header: Header | None  # None also where options changed its rows: then its accuracy is that of other rows
    accuracy: Accuracy | None
    size_bytes: int | None  # on disk
    latency: "Latency | None" = None

    @cached_property
    def cost(self) -> Count:
        return count(self.architecture)

    @cached_property
    def shape(self) -> Graph:
        return graph(self.architecture)

    @cached_property
    def held(self) -> "Held | None":
        """What its run folder holds, read when it is first asked for."""
        if self.kind != "run" or self.header is None:
            return None
        from leannet.reports.held import read_run

        return read_run(self.what)

    @property
    def log(self) -> list[dict[str, float]]:
        """An epoch each; none where it is no run."""
        return self.held.log if self.held else []

    @cached_property
    def progress(self) -> Progress:
        """How far its run has come; nothing where it is no run."""
        return read_progress(Path(self.what)) if self.kind == "run" and self.header else Progress()

    @property
    def precision(self) -> str:
        """Of an artifact its own."""
        return self.header.shipping.precision if self.header and self.header.shipping else "float32"

    @property
    def best_epoch(self) -> int | None:
        """Counted from 1; its weights are those that are compared."""
        return self.header.metrics.epoch if self.header else None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON, without the log."""
        accuracy, latency = self.accuracy, self.latency
        return {
            "name": self.architecture.name if self.kind == "zoo name" else self.what,
            "kind": self.kind,
            "resolution": self.architecture.input.height,
            "params": self.cost.params,
            "macs": self.cost.macs,
            "bytes_moved": self.cost.total.bytes_moved,
            **self.shape.to_dict(),
            "receptive_field": max(layer.receptive_field for layer in self.cost.layers),
            "accuracy": accuracy.value if accuracy else None,
            "accuracy_low": accuracy.low if accuracy else None,
            "accuracy_high": accuracy.high if accuracy else None,
            "accuracy_source": accuracy.source if accuracy else "",
            "judged_on": accuracy.judged_on if accuracy else None,
            "loss": accuracy.loss if accuracy else None,
            "precision": self.precision,
            "size_bytes": self.size_bytes,
            "latency_ms": latency.median_ms if latency else None,
            "latency_p90_ms": latency.p90_ms if latency else None,
            "best_epoch": self.best_epoch,
            "epochs": len(self.log) or None,
            "finished": not self.progress.unfinished if self.kind == "run" else None,
            "training_seconds": sum(line["seconds"] for line in self.log) if self.log else None,
        }


def look(
    word: str, label: str, width: float, resolution: int | None, classes: int | None, latency: "Latency | None" = None
) -> Compared:
    """What a word means, with the options that change it. Raises LeannetError where it means no network."""
    if word in FAMILIES:
        table = resolve(word, width, resolution, classes)
        top1, source = find(word, width, table.input.height)
        told = None if top1 is None else Accuracy(top1 / 100, None, None, None, PUBLISHED, source)
        return Compared(word, label, "zoo name", table, None, told, None, latency)
    table = resolve(word, 1.0, resolution, classes)
    path = Path(word)
    if path.suffix == ".json":
        return Compared(word, label, "architecture file", table, None, None, None, latency)
    kind = "artifact" if is_artifact(path) else "run" if path.is_dir() else "checkpoint"
    header = read_header(path)
    if table != header.architecture:
        return Compared(word, label, kind, table, None, None, None, latency)
    accuracy = own_accuracy(header, word)
    return Compared(word, label, kind, table, header, accuracy, bytes_on_disk(path), latency)


def own_accuracy(header: Header, word: str) -> Accuracy | None:
    """What a header says of its network on validation images; integers were judged again when they were made."""
    from leannet.evaluation.metrics import wilson

    digest = header.split.digests.get("validation")
    judged_on = f"validation {digest}, {len(header.classes)} classes" if digest else f"images of {word}"
    shipping = header.shipping
    if shipping is not None and shipping.accuracy_after is not None:
        value, number = shipping.accuracy_after, shipping.evaluated_on or 0
        if number != header.split.sizes.get("validation"):
            judged_on = f"images that quantize was given for {word}"
        low, high = wilson(round(value * number), number)
        return Accuracy(value, low, high, number, judged_on, "as quantize judged it")
    own = header.metrics.validation
    if own is None or own.accuracy is None:
        return None
    return Accuracy(
        own.accuracy,
        own.accuracy_low,
        own.accuracy_high,
        own.images,
        judged_on,
        "its own validation split",
        own.loss,
    )


def answers_of(network: Compared) -> "Answers | None":
    """What a run's network said of each validation image, by the image's name.

    None where it is no run, where predictions.csv is of other weights, and where two images have one name.
    """
    from leannet.reports.comparing.pairs import answers

    judged = network.held.judged if network.held else None
    if judged is None or network.accuracy is None or len(set(judged.names)) < len(judged.names):
        return None
    if abs(judged.scores.accuracy - network.accuracy.value) * len(judged.names) > 0.5:
        return None
    return answers(judged.names, judged.labels, judged.probabilities, judged.classes)
