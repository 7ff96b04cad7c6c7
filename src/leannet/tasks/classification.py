"""The task of a classifier: one class an image, with the probabilities of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import Dataset
from leannet.errors import LeannetError
from leannet.tasks.metrics import Scores, score
from leannet.tasks.predictions import write_predictions
from leannet.tasks.task import Floats, Task

TOP = 5  # classes that are named


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image: classes and their probabilities, the likeliest first."""

    path: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def counted(self) -> tuple[str, ...]:
        """The likeliest class."""
        return self.classes[:1]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        best = [{"class": c, "probability": p} for c, p in zip(self.classes, self.probabilities, strict=True)]
        return {"path": self.path, "prediction": self.classes[0], "probability": self.probabilities[0], "top": best}

    def line(self) -> str:
        """For a terminal."""
        words = (f"{name} {100 * p:.1f} %" for name, p in zip(self.classes, self.probabilities, strict=True))
        return f"{self.path}: {'  '.join(words)}"


@dataclass(frozen=True)
class Classification(Task):
    """Answers are probabilities (N, classes), outputs those before softmax."""

    name: ClassVar[Literal["classify", "detect"]] = "classify"
    trained: ClassVar[str] = "train_accuracy"
    same: ClassVar[str] = "same classes"
    other: ClassVar[str] = "ANOTHER CLASS"

    def joined(self, outputs: Sequence[NDArray[Any]]) -> Floats:
        return np.asarray(outputs[0])

    def answers(self, outputs: Floats) -> Floats:
        return softmax(outputs)

    def check(self, images: Dataset) -> None:
        if images.truths is not None:
            raise LeannetError(f"{images.where}: expected images with a class each, found a detection set")

    def score(self, answers: Floats, images: Dataset) -> Scores:
        return score(answers, images.labels, self.classes)

    def write(self, path: Path, answers: Floats, images: Dataset) -> None:
        write_predictions(path, images, answers)

    def answer(self, path: str, answers: Floats, size: tuple[int, int], most: int) -> Prediction:
        """The likeliest classes of one image."""
        best = np.argsort(-answers, kind="stable")[:most]
        return Prediction(path, tuple(self.classes[i] for i in best), tuple(float(answers[i]) for i in best))

    def most(self, top: int | None) -> int:
        return TOP if top is None else top

    def outputs_fit(self, shape: tuple[int, ...]) -> bool:
        return shape == (len(self.classes),)

    def difference(self, outputs: Floats, recorded: Floats, tolerance: float) -> float:
        return float(np.abs(outputs - recorded).max()) / max(float(np.abs(recorded).max()), 1e-30)

    def agrees(self, outputs: Floats, recorded: Floats, tolerance: float) -> bool:
        """Whether each image has the same class. Of two classes that are as good as equal, either is correct."""
        same = np.take_along_axis(outputs, recorded.argmax(axis=1)[:, None], axis=1)[:, 0]
        return bool((same >= outputs.max(axis=1) - tolerance * float(np.abs(recorded).max())).all())


def softmax(outputs: Floats) -> Floats:
    """Probabilities (N, classes) of outputs (N, classes)."""
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
