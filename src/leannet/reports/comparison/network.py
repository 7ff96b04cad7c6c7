"""One network of a comparison: what it costs, how accurate it is and on which images, and what its run recorded."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leannet.cost import Count, Graph, count, graph
from leannet.cost.published import BY_SOURCE, MOBILENET_V1_PAPER, V1_PAPER
from leannet.header import Header, bytes_on_disk, is_artifact, read_header
from leannet.reports.comparison.progress import Progress, read_progress
from leannet.rows import Architecture
from leannet.rows.branches import shipped
from leannet.run_files import DECISIONS, epochs_done
from leannet.sections import BoxSummary, of_classes
from leannet.what import parse, resolve

if TYPE_CHECKING:
    from leannet.reports.comparison.pairs import Answers
    from leannet.reports.run_contents import RunContents
    from leannet.runtime import Latency

PUBLISHED = "published"  # as `evaluated_on`: on ImageNet, by others


@dataclass(frozen=True)
class Accuracy:
    """Top-1, 0 to 1, with its 95 % interval where the number of images is known."""

    value: float
    low: float | None
    high: float | None
    images: int | None
    evaluated_on: str  # equal for the same images; PUBLISHED
    source: str  # for a person
    loss: float | None = None


@dataclass(frozen=True)
class ComparedNetwork:
    """One network. What it does not have is None."""

    what: str
    label: str
    kind: str  # zoo name, architecture file, run, checkpoint, artifact
    architecture: Architecture
    header: Header | None  # None also where options changed its rows: then its accuracy is that of other rows
    accuracy: Accuracy | None
    size_bytes: int | None  # on disk
    latency: "Latency | None" = None
    family: str | None = None  # of a zoo name, ...
    width: float | None = None  # ... with its width multiplier, ...
    published: tuple[tuple[str, float], ...] = ()  # ... and all its published top-1: source, 0 to 1

    @cached_property
    def cost(self) -> Count:
        """Of what is exported and timed: branches folded, auxiliary heads left out."""
        return count(shipped(self.architecture))

    @cached_property
    def macs(self) -> int:
        """Mult-adds of an image. Of a run with gates in the mean over its validation images."""
        has_gates = self.kind == "run" and (Path(self.what) / DECISIONS).exists()  # asked first: reading takes seconds
        if has_gates and self.contents is not None:
            from leannet.reports.skipping import run_costs

            costs = run_costs(self.contents)
            if costs is not None:
                return round(costs.images.mean)
        return self.cost.macs

    @cached_property
    def shape(self) -> Graph:
        """Of the same."""
        return graph(shipped(self.architecture))

    @cached_property
    def contents(self) -> "RunContents | None":
        """What its run folder contains, read when it is first asked for."""
        if self.kind != "run" or self.header is None:
            return None
        from leannet.reports.run_contents import read_run

        return read_run(self.what)

    @property
    def log(self) -> list[dict[str, float]]:
        """A line an epoch; none where it is no run."""
        return self.contents.log if self.contents else []

    @cached_property
    def progress(self) -> Progress:
        """How far its run has come; nothing where it is no run."""
        return read_progress(Path(self.what)) if self.kind == "run" and self.header else Progress()

    @property
    def precision(self) -> str:
        """That of an artifact, else float32."""
        return self.header.shipping.precision if self.header and self.header.shipping else "float32"

    @property
    def ap(self) -> float | None:
        """A detector's average precision on its own validation images, 0 to 1; of integers as quantize measured it."""
        shipping = self.header.shipping if self.header else None
        if shipping is not None and shipping.ap_after is not None:
            return shipping.ap_after
        return self._boxes.ap if self._boxes else None

    @property
    def ap50(self) -> float | None:
        """The same at an IoU of 0.5; None of integers, which quantize chooses by AP."""
        shipping = self.header.shipping if self.header else None
        if shipping is not None and shipping.ap_after is not None:
            return None
        return self._boxes.ap50 if self._boxes else None

    @property
    def _boxes(self) -> BoxSummary | None:
        summary = self.header.metrics.validation if self.header else None
        return summary if isinstance(summary, BoxSummary) else None

    @property
    def best_epoch(self) -> int | None:
        """Counted from 1; its weights are those that are compared."""
        return self.header.metrics.epoch if self.header else None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON, without the log."""
        accuracy, latency = self.accuracy, self.latency
        return {
            "name": self.what,
            "architecture": self.architecture.name,
            "kind": self.kind,
            "width": self.width,
            "resolution": self.architecture.input.height,
            "params": self.cost.params,
            "macs": self.macs,
            "bytes_moved": self.cost.total.bytes_moved,
            **self.shape.to_dict(),
            "receptive_field": max(layer.receptive_field for layer in self.cost.layers),
            "accuracy": accuracy.value if accuracy else None,
            "accuracy_low": accuracy.low if accuracy else None,
            "accuracy_high": accuracy.high if accuracy else None,
            "accuracy_source": accuracy.source if accuracy else "",
            "evaluated_on": accuracy.evaluated_on if accuracy else None,
            "published": [{"source": source, "accuracy": top1} for source, top1 in self.published],
            "loss": accuracy.loss if accuracy else None,
            "ap": self.ap,
            "ap50": self.ap50,
            "precision": self.precision,
            "size_bytes": self.size_bytes,
            "latency_ms": latency.median_ms if latency else None,
            "latency_p90_ms": latency.p90_ms if latency else None,
            "best_epoch": self.best_epoch,
            "epochs": epochs_done(self.log) or None,
            "finished": not self.progress.unfinished if self.kind == "run" else None,
            "training_seconds": sum(line["seconds"] for line in self.log) if self.log else None,
        }


def read_network(
    word: str, label: str, width: float, resolution: int | None, classes: int | None, latency: "Latency | None" = None
) -> ComparedNetwork:
    """The network that a WHAT means; the options change what the word leaves open.

    Raises LeannetError where it means none.
    """
    pieces = parse(word)
    if pieces.in_zoo:
        architecture = resolve(word, width, resolution, classes)
        multiplier = width if pieces.width is None else pieces.width
        published = tuple(_published(pieces.name, multiplier, architecture.input.height))
        accuracy = Accuracy(published[0][1], None, None, None, PUBLISHED, published[0][0]) if published else None
        return ComparedNetwork(
            word, label, "zoo name", architecture, None, accuracy, None, latency, pieces.name, multiplier, published
        )
    architecture = resolve(word, 1.0, resolution, classes)
    path = Path(pieces.name)
    if path.suffix == ".json":
        return ComparedNetwork(word, label, "architecture file", architecture, None, None, None, latency)
    kind = "artifact" if is_artifact(path) else "run" if path.is_dir() else "checkpoint"
    header = read_header(path)
    if architecture != header.architecture:
        return ComparedNetwork(word, label, kind, architecture, None, None, None, latency)
    accuracy = own_accuracy(header, word)
    return ComparedNetwork(word, label, kind, architecture, header, accuracy, bytes_on_disk(path), latency)


def _published(name: str, width: float, resolution: int) -> Iterator[tuple[str, float]]:
    """Each published top-1 of a network, 0 to 1, with its source."""
    for source, rows in (*BY_SOURCE, (V1_PAPER, MOBILENET_V1_PAPER)):
        for row in rows:
            if (row.name, row.width, row.resolution) == (name, width, resolution):
                yield source, row.top1 / 100


def own_accuracy(header: Header, word: str) -> Accuracy | None:
    """The accuracy in a header, on validation images; integers were evaluated again when they were made."""
    from leannet.tasks.metrics import wilson

    digest = header.split.digests.get("validation")
    evaluated_on = f"validation {digest}, {len(header.classes)} classes" if digest else f"images of {word}"
    shipping = header.shipping
    if shipping is not None and shipping.accuracy_after is not None:
        accuracy, images = shipping.accuracy_after, shipping.evaluated_on or 0
        if images != header.split.sizes.get("validation"):
            evaluated_on = f"images that quantize was given for {word}"
        low, high = wilson(round(accuracy * images), images)
        return Accuracy(accuracy, low, high, images, evaluated_on, "as quantize evaluated it")
    own = of_classes(header.metrics.validation)
    if own is None:
        return None
    return Accuracy(
        own.accuracy,
        own.accuracy_low,
        own.accuracy_high,
        own.images,
        evaluated_on,
        "its own validation split",
        own.loss,
    )


def answers_of(network: ComparedNetwork) -> "Answers | None":
    """What a run's network predicts of each validation image, by the image's name.

    None where it is no run, where predictions.csv is of other weights, and where two images have one name.
    """
    from leannet.reports.comparison.pairs import answers

    predictions = network.contents.predictions if network.contents else None
    if predictions is None or network.accuracy is None or len(set(predictions.names)) < len(predictions.names):
        return None
    if abs(predictions.scores.accuracy - network.accuracy.value) * len(predictions.names) > 0.5:
        return None
    return answers(predictions.names, predictions.labels, predictions.probabilities, predictions.classes)
