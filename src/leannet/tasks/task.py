"""What a task is: all that differs between networks that name classes and networks that find boxes.

Loop, artifact, evaluation, server and pages ask it, and know no answer of their own.
"""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import Dataset
from leannet.preprocessing import Preprocessing
from leannet.sections import BoxSummary, Summary

Floats = NDArray[np.float32]


class Result(Protocol):
    """The scores of a task on some images."""

    @property
    def images(self) -> int:
        """How many there are."""

    @property
    def rank(self) -> tuple[float, ...]:
        """Compared between epochs: the largest is best."""

    @property
    def loss(self) -> float:
        """What a curve shows of it that falls; finite, unless the network's answers are not."""

    @property
    def accuracy(self) -> float:
        """What a curve shows of it that rises, 0 to 1."""

    @property
    def logged(self) -> Mapping[str, float]:
        """Columns of log.csv."""

    def summary(self) -> Summary | BoxSummary:
        """For the checkpoint's header."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""

    def line(self) -> str:
        """As people quote it."""

    def short(self) -> str:
        """In a line of an epoch."""


class Answer(Protocol):
    """What a network says of one image."""

    @property
    def path(self) -> str:
        """Of the image."""

    @property
    def counted(self) -> tuple[str, ...]:
        """The classes that a server counts of it."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""

    def line(self) -> str:
        """For a terminal."""


@dataclass(frozen=True)
class Task(abc.ABC):
    """What a network of these classes is for. preprocessing: how images become its inputs.

    Answers are arrays, a row an image: (N, ...).
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing

    name: ClassVar[Literal["classify", "detect"]]
    trained: ClassVar[str]  # the column of log.csv that says how much of a training batch was right
    same: ClassVar[str]  # what `agrees` says, in words
    other: ClassVar[str]  # what it denies

    @abc.abstractmethod
    def joined(self, outputs: Sequence[NDArray[Any]]) -> Floats:
        """A network's outputs, as an engine gives them, as one array: (N, ...)."""

    @abc.abstractmethod
    def answers(self, outputs: Floats) -> Floats:
        """The answers in joined outputs, (N, ...)."""

    @abc.abstractmethod
    def check(self, images: Dataset) -> None:
        """Raises LeannetError for images that say nothing of what is asked."""

    @abc.abstractmethod
    def score(self, answers: Floats, images: Dataset) -> Result:
        """The scores of answers, one an image. The images' classes have the network's numbers."""

    @abc.abstractmethod
    def write(self, path: Path, answers: Floats, images: Dataset) -> None:
        """Writes predictions.csv."""

    @abc.abstractmethod
    def answer(self, path: str, answers: Floats, size: tuple[int, int], most: int) -> Answer:
        """What the answers of one image, (...), say of it. size: its width and height. most: how much of it."""

    @abc.abstractmethod
    def most(self, top: int | None) -> int:
        """How much of an image is said where `top` is asked for; None: what is usual."""

    @abc.abstractmethod
    def outputs_fit(self, shape: tuple[int, ...]) -> bool:
        """Whether outputs of one image have a shape that is this network's."""

    @abc.abstractmethod
    def difference(self, outputs: Floats, recorded: Floats, tolerance: float) -> float:
        """How far joined outputs are from those recorded, over the largest. tolerance: what is allowed, by which it may
        be told what can be compared."""

    @abc.abstractmethod
    def agrees(self, outputs: Floats, recorded: Floats, tolerance: float) -> bool:
        """Whether joined outputs say the same of every image, but for what the tolerance allows."""
