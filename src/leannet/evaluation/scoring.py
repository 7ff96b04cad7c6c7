"""`evaluate` and `predict`: what a trained network says of images, from its checkpoint alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from leannet.blocks.table import recording
from leannet.checkpoint import load
from leannet.console import Console
from leannet.cost.skipping import skipping
from leannet.data.loader import Batches, Loader, PreparedDataset, normalize
from leannet.data.sources import ReadingOptions
from leannet.evaluation.drawn import drawings_in
from leannet.evaluation.labelled_images import LabelledImages, labelled_images
from leannet.evaluation.predicted import predictions_of_images
from leannet.evaluation.skipped import ImageCosts, image_costs
from leannet.header import Header, checkpoint_file
from leannet.network import Network, folded
from leannet.tasks import Result, task_of
from leannet.tasks.task import Answer, Floats

BATCH = 64


@dataclass(frozen=True)
class Evaluation:
    """The scores of a checkpoint on images, and which images those were."""

    checkpoint: Path
    data: str
    split: str  # "all" of the data given that did not train it, or a recorded split of the data of the run
    why: str
    scores: Result
    skipped: list[dict[str, str]]  # images that cannot be read
    left_out: list[dict[str, Any]]  # what is no labelled image, by reason
    costs: ImageCosts | None = None  # of a network with gates

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "checkpoint": str(self.checkpoint),
            "data": self.data,
            "split": self.split,
            "why": self.why,
            **self.scores.to_dict(),
            "skipped": self.skipped,
            "left_out": self.left_out,
            **({} if self.costs is None else {"skipping": self.costs.to_dict()}),
        }


def evaluate(
    run: str | Path,
    data: str | None = None,
    split: str | None = None,
    quiet: bool = False,
    options: ReadingOptions | None = None,
) -> Evaluation:
    """Scores a checkpoint or run on labelled images.

    data: None: the data of the run. split: train, validation or test of that data; None: its validation split, and of
    other images those that did not train the network. options: how the data is to be read, where it does not say.
    Raises LeannetError where the classes are not the checkpoint's, or there is nothing to score.
    """
    file = checkpoint_file(run)
    network, header = load(file)
    network = folded(network)
    cost = skipping(header.architecture)
    with recording(network) as decided:
        taken: dict[str, list[NDArray[np.int8]]] = {name: [] for name in (cost.decisions if cost else ())}

        def answers(images: torch.Tensor) -> Floats:
            made = answers_of_network(network, images, header)
            for name, decisions in taken.items():
                decisions.append(decided[name].numpy() if name in decided else np.full(len(images), -1, np.int8))
            return made

        evaluation = evaluate_with(answers, header, file, data, split, quiet, options)
    if cost is None:
        return evaluation
    return replace(evaluation, costs=image_costs(cost, {name: np.concatenate(each) for name, each in taken.items()}))


def evaluate_with(
    answers: Callable[[torch.Tensor], Floats],
    header: Header,
    file: Path,
    data: str | None = None,
    split: str | None = None,
    quiet: bool = False,
    options: ReadingOptions | None = None,
) -> Evaluation:
    """The same of whatever runs a network. answers: the task's, of prepared images (N, C, H, W) uint8."""
    images, of_images = answers_of(answers, header, file, data, split, quiet, options)
    scores = task_of(header).score(of_images, images.dataset.keep(images.indices))
    return Evaluation(file, images.data, images.split, images.why, scores, images.skipped, images.left_out)


def answers_of(
    answers: Callable[[torch.Tensor], NDArray[np.float32]],
    header: Header,
    file: Path,
    data: str | None = None,
    split: str | None = None,
    quiet: bool = False,
    options: ReadingOptions | None = None,
) -> tuple[LabelledImages, NDArray[np.float32]]:
    """Labelled images, and what something says of them, (N, ...). answers: of prepared images (N, C, H, W) uint8."""
    console = Console(quiet)
    images = labelled_images(file, header, data, split, console, options)
    batches = Loader(PreparedDataset(images.dataset, header.preprocessing), Batches(images.indices, BATCH), workers=0)
    steps = console.track(iter(batches), len(batches), "evaluating")
    return images, np.concatenate([answers(part) for part, _, _ in steps])


@torch.no_grad()
def answers_of_network(network: Network, images: torch.Tensor, header: Header) -> Floats:
    """The task's answers, of prepared images (N, C, H, W) uint8: (N, ...)."""
    task = task_of(header)
    return task.answers(task.joined([network(normalize(images, header.preprocessing)).numpy()]))


def predict(
    run: str | Path,
    images: Sequence[str | Path | Image.Image],
    top: int | None = None,
    out: str | Path | None = None,
    score: float | None = None,
) -> tuple[list[Answer], list[dict[str, str]]]:
    """What a checkpoint says of images: paths, folders of images, or PIL images.

    Returns the predictions in order, and the images that cannot be read with the reason.
    Raises LeannetError for a path that does not exist and a folder without images.
    """
    network, header = load(run)

    def answers(array: NDArray[np.uint8]) -> Floats:
        image = torch.from_numpy(array.transpose(2, 0, 1).copy())[None]
        return np.asarray(answers_of_network(network, image, header)[0])

    task = task_of(header)
    with drawings_in(out, task) as drawings:
        return predictions_of_images(images, task, answers, task.most(top), drawings, score)
