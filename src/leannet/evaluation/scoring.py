"""`evaluate` and `predict`: what a trained network says of pictures, from its checkpoint alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from leannet.checkpoint import load
from leannet.console import Console
from leannet.data.loader import Batches, Loader, PictureSet, normalize
from leannet.data.scan import Scan, report_skipped, scan
from leannet.data.sources import open_pictures
from leannet.data.split import PART_NAMES, membership
from leannet.errors import LeannetError
from leannet.evaluation.answers import Prediction, answers
from leannet.evaluation.metrics import Scores, score
from leannet.header import Header, checkpoint_file
from leannet.network import Network

BATCH = 64


@dataclass(frozen=True)
class Evaluation:
    """The scores of a checkpoint on pictures, and which pictures those were."""

    checkpoint: Path
    data: str
    part: str  # "all" of the data given that did not train it, or a recorded part of the data of the run
    why: str
    scores: Scores
    skipped: list[dict[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "checkpoint": str(self.checkpoint),
            "data": self.data,
            "part": self.part,
            "why": self.why,
            **self.scores.to_dict(),
            "skipped": self.skipped,
        }


def evaluate(run: str | Path, data: str | None = None, part: str | None = None, quiet: bool = False) -> Evaluation:
    """Scores a checkpoint or run on labelled pictures.

    data: None: the data of the run. part: train, validation or test of that data; None: its validation part, and of
    other pictures those that did not train the network.
    Raises LeannetError where the classes are not the checkpoint's, or there is nothing to score.
    """
    file = checkpoint_file(run)
    network, header = load(file)
    return evaluate_with(lambda images: probabilities_of(network, images, header), header, file, data, part, quiet)


def evaluate_with(
    probabilities: Callable[[torch.Tensor], NDArray[np.float32]],
    header: Header,
    file: Path,
    data: str | None = None,
    part: str | None = None,
    quiet: bool = False,
) -> Evaluation:
    """The same of whatever runs a network. probabilities: of prepared pictures (N, C, H, W) uint8 -> (N, classes)."""
    console = Console(quiet)
    where = data or header.provenance.get("data")
    if not where:
        raise LeannetError(f"{file}: says nothing of the data it was trained on: name some")
    pictures = open_pictures(where)
    unknown = sorted(set(pictures.classes) - set(header.classes))
    if unknown:
        raise LeannetError(
            f"{where}: has a class '{unknown[0]}' that {file} does not know; it knows {', '.join(header.classes[:8])}"
        )
    renumber = np.array([header.classes.index(name) for name in pictures.classes])
    found = scan(pictures, console.reading, training=False, color=header.preprocessing.color)
    for line in found.lines():
        console.say(f"  {line}", style="yellow")
    name, why, indices = _which_part(found, header, part, where, given=data is not None)
    if why:
        console.say(f"{why}", style="yellow")
    plain = PictureSet(found.pictures, header.preprocessing)
    batches = Loader(plain, Batches(indices, BATCH), workers=0)
    steps = console.track(iter(batches), len(batches), "evaluating")
    outputs = np.concatenate([probabilities(images) for images, _, _ in steps])
    labels = renumber[found.pictures.labels[indices]]
    return Evaluation(file, where, name, why, score(outputs, labels, header.classes), report_skipped(found))


def _which_part(
    found: Scan, header: Header, part: str | None, where: str, given: bool
) -> tuple[str, str, NDArray[np.int64]]:
    """The part to score, why, and its pictures: never a training picture unless they are asked for by name."""
    known = membership(found.digests, header.split.get("marks", {}))
    members = {name: np.flatnonzero(getattr(known, name)) for name in PART_NAMES}
    number, trained = len(found.pictures), len(members["train"])
    if part is not None:
        if not len(members[part]):
            has = ", ".join(name for name in PART_NAMES if len(members[name])) or "none of its pictures"
            raise LeannetError(f"{where}: the run has no {part} picture there; it has {has}")
        return part, "", members[part]
    if trained or not given:
        if len(members["validation"]):
            scored = len(members["validation"])
            why = f"{trained:,} of the {number:,} pictures trained this network: only its validation part is scored"
            return "validation", f"{why}, {scored:,}", members["validation"]
        if not given:
            raise LeannetError(f"{where}: the pictures of the run are not there any more: name some to score")
    others = np.flatnonzero(~known.train & known.decidable)
    if not len(others):
        raise LeannetError(f"{where}: these are pictures it was trained on; if you mean it, say --part train")
    for name in ("validation", "test"):
        if len(members[name]) == number:
            return name, f"{where} is of the {name} part of the run", members[name]
    left_out = number - len(others)
    why = f"{left_out:,} of the {number:,} pictures trained this network, or may have, and are left out"
    return "all", why if left_out else "", others


@torch.no_grad()
def probabilities_of(network: Network, images: torch.Tensor, header: Header) -> NDArray[np.float32]:
    """(N, C, H, W) uint8 -> (N, classes) float32."""
    return torch.softmax(network(normalize(images, header.preprocessing)), dim=1).numpy()


def predict(
    run: str | Path, images: Sequence[str | Path | Image.Image], top: int = 5
) -> tuple[list[Prediction], list[dict[str, str]]]:
    """What a checkpoint says of pictures: paths, folders of pictures, or PIL images.

    Returns the predictions in order, and the pictures that cannot be read with the reason.
    Raises LeannetError for a path that does not exist and a folder without pictures.
    """
    network, header = load(run)

    def probabilities(array: NDArray[np.uint8]) -> NDArray[np.float32]:
        return probabilities_of(network, torch.from_numpy(array.transpose(2, 0, 1).copy())[None], header)[0]

    return answers(images, header, probabilities, top)
