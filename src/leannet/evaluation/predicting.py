"""`predict`: what a run, a checkpoint or an artifact says of images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.artifact.opening import open_artifact
from leannet.evaluation.predicted import Prediction, predictions_of_images
from leannet.header import is_artifact


def predict(
    run: str | Path, images: Sequence[str | Path | Image.Image], top: int = 5
) -> tuple[list[Prediction], list[dict[str, str]]]:
    """What a network says of images: paths, folders of images, or PIL images.

    run: a run folder or checkpoint, which torch runs, or an artifact, which runs in its own engine without torch.
    Returns the predictions in order, and the images that cannot be read with the reason.
    Raises LeannetError for a path that does not exist and a folder without images.
    """
    if not is_artifact(run):
        from leannet.evaluation.scoring import predict as by_torch

        return by_torch(run, images, top)
    artifact = open_artifact(run)

    def probabilities(array: NDArray[np.uint8]) -> NDArray[np.float32]:
        return artifact.probabilities(array[None])[0]

    return predictions_of_images(images, artifact.header, probabilities, top)
