"""What the page of an experiment shows, computed: curves by step, scores, feature maps, t-SNE."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leannet.console import Console
from leannet.errors import LeannetError, as_items, command_line
from leannet.evaluation.labelled_images import labelled_images
from leannet.header import Header, checkpoint_file
from leannet.looks.embedding import FEWEST, Embedding, embed
from leannet.looks.feature_maps import FeatureMaps, activations
from leannet.reports.comparison.comparing import compare
from leannet.reports.comparison.comparison import Comparison
from leannet.reports.run_contents import RunContents, ValidationPredictions, read_run
from leannet.run_files import STEPS


@dataclass(frozen=True)
class StepLine:
    """A line of steps.csv: the batch's loss and accuracy (0 to 1) in training."""

    step: int
    epoch: int
    loss: float
    accuracy: float
    learning_rate: float


@dataclass(frozen=True)
class Side:
    """One of the two networks. steps: empty where the run has no steps.csv. maps: of one image of each class."""

    label: str
    contents: RunContents
    header: Header
    predictions: ValidationPredictions
    steps: tuple[StepLine, ...]
    maps: tuple[FeatureMaps, ...]
    embedding: Embedding | None  # None: of too few validation images

    @property
    def steps_an_epoch(self) -> int:
        """Steps in the first epoch; 1 where the run has no steps.csv."""
        return max((line.step for line in self.steps if line.epoch == 1), default=1)


@dataclass(frozen=True)
class Experiment:
    """Two runs on the same classes. examples: of each class the image whose feature maps are shown."""

    sides: tuple[Side, Side]
    comparison: Comparison
    examples: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Which network is more accurate, or that no difference is shown, or that they cannot be compared."""
        sentences = " ".join(verdict.sentence() for verdict in self.comparison.verdicts)
        return sentences or (
            "The accuracies cannot be compared: these runs were not evaluated on the same images. Each one's t-SNE is "
            "of its own validation images, and the images of the feature maps are the first one's."
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "verdict": self.verdict,
            "comparison": self.comparison.to_dict(),
            "examples": list(self.examples),
            "networks": [
                {
                    "run": str(side.contents.path),
                    "scores": side.predictions.scores.to_dict(),
                    "steps": len(side.steps),
                    "layer": side.maps[0].layer,
                    "maps": [maps.to_dict() for maps in side.maps],
                    "embedding": side.embedding.to_dict() if side.embedding else None,
                }
                for side in self.sides
            ],
        }


def experiment(
    runs: Sequence[str | Path],
    data: str | None = None,
    layers: Sequence[str] = (),
    limit: int = 1000,
    quiet: bool = False,
) -> Experiment:
    """Compares two runs: scores, learning curves, feature maps of one image of each class, and t-SNE.

    runs: two run folders of the same classes. data: their images, where these have moved since training.
    layers: one for both networks or one for each; none: an early layer of each. limit: the most images that t-SNE
    places. Raises LeannetError for other than two runs, for runs of different classes, and where weights,
    predictions or images are missing.
    """
    if len(as_items(runs)) != 2:
        raise LeannetError(f"expected a list of two runs, found {len(as_items(runs))}")
    contents = [read_run(run) for run in runs]
    headers = [_header(run_contents) for run_contents in contents]
    if set(headers[0].classes) != set(headers[1].classes):
        raise LeannetError(
            f"expected runs of the same classes, found {', '.join(headers[0].classes[:4])} and "
            f"{', '.join(headers[1].classes[:4])}"
        )
    console = Console(quiet)
    comparison = compare([str(run) for run in runs])
    examples = _examples(contents[0], headers[0], data)
    layer_of_each = [*layers, *layers][:2] if layers else [None, None]
    sides = []
    for run, run_contents, header, network, layer in zip(
        runs, contents, headers, comparison.networks, layer_of_each, strict=True
    ):
        assert run_contents.predictions is not None
        console.say(f"{network.label}: feature maps of {len(examples)} images, t-SNE")
        maps = [
            replace(feature_maps, name=name)
            for feature_maps, (name, _) in zip(activations(run, [i for _, i in examples], layer), examples, strict=True)
        ]
        sides.append(
            Side(
                label=network.label,
                contents=run_contents,
                header=header,
                predictions=run_contents.predictions,
                steps=tuple(_read_steps(run_contents.path / STEPS)),
                maps=tuple(maps),
                embedding=embed(run, data, limit=limit, quiet=quiet)
                if len(run_contents.predictions.names) >= FEWEST
                else None,
            )
        )
    return Experiment((sides[0], sides[1]), comparison, tuple(name for name, _ in examples))


def _header(contents: RunContents) -> Header:
    if contents.found is not None:
        raise LeannetError(f"{contents.path}: expected a classifier's run, found a detector's; compare takes both")
    if contents.header is None or not contents.has_best_weights or contents.predictions is None:
        problem = contents.missing[0] if contents.missing else "it has no best weights"
        raise LeannetError(f"{contents.path}: expected a run with weights and predictions; {problem}")
    return contents.header


def _examples(contents: RunContents, header: Header, data: str | None) -> list[tuple[str, Any]]:
    """Of each class the first validation image, known by its content: its name and the image."""
    from leannet.data.images import read, to_image

    if data is not None and data != "digits" and not Path(data).exists():
        raise LeannetError(f"{data}: no such file or folder")
    where = data or header.provenance.data
    if where is None or (where != "digits" and not Path(where).exists()):
        command = command_line("experiment RUN_A RUN_B", "DATA")
        raise LeannetError(f"{where}: not there any more; where the images are now (known by content): {command}")
    images = labelled_images(checkpoint_file(contents.path), header, where, "validation", Console(quiet=True))
    first: dict[int, int] = {}  # class -> image
    for label, index in zip(images.labels.tolist(), images.indices.tolist(), strict=True):
        first.setdefault(label, index)
    examples = []
    for _, index in sorted(first.items())[:10]:
        source = images.dataset.reader(index)
        image = read(source) if isinstance(source, bytes | Path) else to_image(source)
        examples.append((images.dataset.names[index], image))
    return examples


def _read_steps(path: Path) -> list[StepLine]:
    """The lines of steps.csv; none where there is no such file. Raises LeannetError where it is broken."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                StepLine(int(line["step"]), int(line["epoch"]), float(line["loss"]), float(line["accuracy"]),
                         float(line["learning_rate"]))
                for line in csv.DictReader(file)
            ]  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise LeannetError(f"{path}: expected a line a step as training writes them, found {error!r}") from None
