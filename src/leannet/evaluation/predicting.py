"""`predict`: what a run, a checkpoint or an artifact says of images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.artifact.opening import open_artifact
from leannet.evaluation.drawn import drawings_in
from leannet.evaluation.predicted import predictions_of_images
from leannet.header import is_artifact
from leannet.tasks.task import Answer


def predict(
    run: str | Path,
    images: Sequence[str | Path | Image.Image],
    top: int | None = None,
    out: str | Path | None = None,
    score: float | None = None,
) -> tuple[list[Answer], list[dict[str, str]]]:
    """What a network says of images: paths, films, folders of images, or PIL images.

    run: a run folder or checkpoint, which torch runs, or an artifact, which runs in its own engine without torch. top:
    how many classes, or objects, of an image; None: 5 classes, or all objects. out: a folder that every image is drawn
    into with its boxes, and of a film (mp4, mov, avi, mkv, webm) the film. score: the least of an object that is given
    and drawn; None: 0.01 and 0.3.
    Returns the predictions in order, and the images that cannot be read with the reason.
    Raises LeannetError for a path that does not exist and a folder without images.
    """
    if not is_artifact(run):
        from leannet.evaluation.scoring import predict as by_torch

        return by_torch(run, images, top, out, score)
    artifact = open_artifact(run)

    def answers(array: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(artifact.answers(array[None])[0])

    with drawings_in(out, artifact.task) as drawings:
        return predictions_of_images(images, artifact.task, answers, artifact.task.most(top), drawings, score)
