"""`predict`: what a run, a checkpoint or an artefact says of pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.artifact.opening import open_artefact
from leannet.evaluation.answers import Prediction, answers
from leannet.header import is_artefact


def predict(
    run: str | Path, images: Sequence[str | Path | Image.Image], top: int = 5
) -> tuple[list[Prediction], list[dict[str, str]]]:
    """What a network says of pictures: paths, folders of pictures, or PIL images.

    run: a run folder or checkpoint, which torch runs, or an artefact, which runs in its own engine without torch.
    Returns the predictions in order, and the pictures that cannot be read with the reason.
    Raises LeannetError for a path that does not exist and a folder without pictures.
    """
    if not is_artefact(run):
        from leannet.evaluation import predict as by_torch

        return by_torch(run, images, top)
    artefact = open_artefact(run)

    def probabilities(array: NDArray[np.uint8]) -> NDArray[np.float32]:
        return artefact.probabilities(array[None])[0]

    return answers(images, artefact.header, probabilities, top)
