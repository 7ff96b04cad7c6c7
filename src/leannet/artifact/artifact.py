"""The artifact: a network that is ready to run, with the checkpoint's header and golden images. It needs no torch.

It is one ONNX file (onnx_artifact.py), or for runtimes with files of their own a folder (folder_artifact.py).
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.artifact.golden import Golden
from leannet.data.images import prepare
from leannet.errors import LeannetError
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.runtime import Program, engine
from leannet.runtime.engines import Floats, Run, is_installed
from leannet.runtime.processor import weight_bits
from leannet.sections import Input, Shipping
from leannet.tasks import Task, task_of


@dataclass(frozen=True, kw_only=True)
class Artifact(abc.ABC):
    """A network that is ready to run, and what using it needs.

    path, digest: of one that was opened: where, and a SHA-256 of the whole.
    """

    header: Header
    golden: tuple[Golden, ...]
    path: Path | None = None
    digest: str = ""
    _runs: dict[tuple[str, int, bool], Run] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    @abc.abstractmethod
    def engines(self) -> tuple[str, ...]:
        """The engines that it is made for."""

    @property
    @abc.abstractmethod
    def program(self) -> Program:
        """The network in the form that engines read."""

    @property
    @abc.abstractmethod
    def size_bytes(self) -> int:
        """Of the network's own files."""

    @abc.abstractmethod
    def save(self, path: str | Path) -> None:
        """Writes it, whole or not at all."""

    @property
    def shipping(self) -> Shipping:
        """What its header says of the shipped form."""
        return self.header.shipping or Shipping()

    @property
    def precision(self) -> str:
        """Of its weights: float32, float16, bfloat16 or int8."""
        return self.shipping.precision

    @property
    def compute(self) -> str:
        """The type of what is computed in float: float32, or bfloat16 where engine and processor have it."""
        return self.shipping.compute

    @property
    def input(self) -> Input:
        """What it takes: float32, normalized (N, C, H, W); int8, the same as integers of the file's range; uint8,
        images (N, height, width, C) of any size; or uint8-sized, images of the network's size."""
        return self.shipping.input

    @property
    def takes_uint8(self) -> bool:
        """Whether its input is (N, height, width, C) uint8, instead of what is normalized."""
        return self.input in ("uint8", "uint8-sized")

    @property
    def wrong_in(self) -> dict[str, str]:
        """Programs that, as the file says itself, give other answers without an error, and why."""
        return self.shipping.wrong_in

    @cached_property
    def _default_engine(self) -> str:
        return next(filter(is_installed, self.engines), self.engines[0])

    def run(self, engine_name: str | None = None, threads: int = 1, alone: bool = True) -> Run:
        """The function that runs it in an engine: the graph's own input -> its outputs. Prepared once.

        engine_name: None: the first that it is made for and that is installed. alone: nothing else computes meanwhile.
        Raises LeannetError for an engine that is not installed, and a processor that it would be wrong on.
        """
        key = engine_name or self._default_engine, threads, alone
        if key not in self._runs:
            self._runs[key] = self._prepare(*key)
        return self._runs[key]

    def _prepare(self, engine_name: str, threads: int, alone: bool) -> Run:
        bits = self.shipping.weight_bits
        if bits is not None and bits > weight_bits():
            raise LeannetError(
                f"{self.path or 'the artifact'}: its integers of {bits} bits overflow on this processor, which adds "
                "their products in 16; make it here: leannet quantize RUN"
            )
        return engine(engine_name).prepare(self.program, threads, alone)

    def as_input(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Images (N, height, width, C) of the network's size as the graph takes them: as they are, or normalized."""
        return images if self.takes_uint8 else normalized(images, self.header.preprocessing)

    @property
    def task(self) -> Task:
        """What the network is for."""
        return task_of(self.header)

    def answers(self, images: NDArray[np.uint8], threads: int = 1) -> Floats:
        """The task's answers (N, ...) of images (N, height, width, C) of the network's size, in its own engine.

        Others are decoded meanwhile, so it leaves them the cores between its own work.
        """
        task = self.task
        return task.answers(task.joined(self.run(None, threads, alone=False)(self.as_input(images))))

    def outputs(self, images: Sequence[Image.Image], engine_name: str | None = None, threads: int = 1) -> Floats:
        """The task's joined outputs (N, ...), of images of any size. Raises BrokenImage."""
        arrays = np.stack([prepare(image, self.header.preprocessing) for image in images])
        return self.task.joined(self.run(engine_name, threads)(self.as_input(arrays)))


def check_consistent(header: Header, golden: Sequence[Golden], file: Path) -> None:
    """Whether classes and golden images belong together. Raises LeannetError."""
    task = task_of(header)
    if not all(task.outputs_fit(each.outputs.shape) for each in golden):
        raise LeannetError(f"{file}: its classes and golden images do not belong together: export it again")


def normalized(images: NDArray[np.uint8], preprocessing: Preprocessing) -> Floats:
    """(N, H, W, C) uint8 -> (N, C, H, W) float32, scaled and normalized as in training.

    A channel at a time and in place: what is read and written stays in the processor's cache.
    """
    number, height, width, channels = images.shape
    values = np.empty((number, channels, height, width), np.float32)
    for channel, (mean, std) in enumerate(zip(preprocessing.mean, preprocessing.std, strict=True)):
        of_channel = values[:, channel]
        np.multiply(images[..., channel], np.float32(preprocessing.scale), out=of_channel)
        of_channel -= np.float32(mean)
        of_channel /= np.float32(std)
    return values
