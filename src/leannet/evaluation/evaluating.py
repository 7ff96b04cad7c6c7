"""`evaluate`: a run or checkpoint, which torch runs, or an artifact, as it is shipped."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leannet.artifact.opening import open_artifact
from leannet.errors import LeannetError
from leannet.header import is_artifact
from leannet.runtime.processor import cores

if TYPE_CHECKING:
    from leannet.data.sources import ReadingOptions
    from leannet.evaluation import Evaluation


def evaluate(
    run: str | Path,
    data: str | None = None,
    split: str | None = None,
    quiet: bool = False,
    options: "ReadingOptions | None" = None,
) -> "Evaluation":
    """Scores a run, a checkpoint or an artifact on labelled images.

    data: None: the data of the run. split: train, validation or test of that data; None: its validation split, and of
    other images those that did not train the network. An artifact does not know its images: it is scored on all
    that are given to it. options: how the data is to be read where it does not say itself.
    Raises LeannetError where the classes are not the network's, or there is nothing to score.
    """
    from leannet.evaluation.scoring import evaluate as by_torch
    from leannet.evaluation.scoring import evaluate_with

    if not is_artifact(run):
        return by_torch(run, data, split, quiet, options)
    artifact = open_artifact(run)
    if data is None or split is not None:
        raise LeannetError(f"{run}: an artifact does not know which images trained it: name some to score, no --split")

    def answers(images: Any) -> NDArray[np.float32]:
        arrays = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
        return artifact.answers(arrays, cores())

    return evaluate_with(answers, artifact.header, Path(run), data, None, quiet, options)
