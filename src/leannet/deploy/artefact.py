"""The artefact: a network that is ready to run, with the checkpoint's header and golden pictures. It needs no torch.

As a rule it is one ONNX file, whose metadata hold the header as JSON under `leannet`, golden pictures with their
answers under `leannet_golden`, and a SHA-256 over graph, header and golden pictures under `leannet_digest`, which
opening verifies. For runtimes with files of their own it is a folder (folders.py).
"""

import abc
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.data.pictures import prepare
from leannet.deploy.golden import Golden
from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.header import KEY, Header, of_onnx, parse_header
from leannet.onnx_file import split_metadata, with_metadata
from leannet.preprocessing import Preprocessing
from leannet.runtime import ENGINES, Program, engine
from leannet.runtime.engines import Floats, Run, is_installed
from leannet.runtime.processor import weight_bits

GOLDEN, DIGEST = f"{KEY}_golden", f"{KEY}_digest"
RUNNERS = tuple(name for name, each in ENGINES.items() if each.form == "onnx")


@dataclass(frozen=True, kw_only=True)
class Artefact(abc.ABC):
    """A network that is ready to run, and what using it needs.

    path: where it was opened. digest: SHA-256 of all that it is, of one that was opened.
    """

    header: Header
    golden: tuple[Golden, ...]
    path: Path | None = None
    digest: str = ""
    _runs: dict[tuple[str, int], Run] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def open(path: str | Path) -> "Artefact":
        """Reads an ONNX file, or a folder of another runtime's files, and verifies it.

        Raises LeannetError, one line, for what is no artefact, a newer one, and one that is damaged or was edited.
        """
        file = Path(path)
        if file.suffix == ".safetensors" or (file / "model.safetensors").exists():
            raise LeannetError(f"{path}: expected an artefact, found a checkpoint: leannet export {path} makes one")
        if file.is_dir():
            from leannet.deploy.folders import FolderArtefact

            return FolderArtefact.read(file)
        if not file.is_file():
            raise LeannetError(f"{path}: no such artefact; make one with leannet export RUN")
        return OnnxArtefact.read(file)

    @property
    @abc.abstractmethod
    def engines(self) -> tuple[str, ...]:
        """Those that it is made for."""

    @property
    @abc.abstractmethod
    def program(self) -> Program:
        """What engines prepare."""

    @property
    @abc.abstractmethod
    def size_bytes(self) -> int:
        """Of the network's own files."""

    @abc.abstractmethod
    def save(self, path: str | Path) -> None:
        """Writes it, whole or not at all."""

    @property
    def precision(self) -> str:
        """Of its weights: float32, float16, bfloat16 or int8."""
        return str(self.header.artefact.get("precision", "float32"))

    @property
    def compute(self) -> str:
        """What is no integer is computed in: float32, or bfloat16 in an engine and on a processor that have it."""
        return str(self.header.artefact.get("compute", "float32"))

    @property
    def takes_pictures(self) -> bool:
        """Whether its input is (N, height, width, C) uint8 of any size, instead of normalised floats."""
        return bool(self.header.artefact.get("input") == "uint8")

    @cached_property
    def _engine(self) -> str:
        return next(filter(is_installed, self.engines), self.engines[0])

    def run(self, name: str | None = None, threads: int = 1) -> Run:
        """What runs it in an engine: the graph's own input -> its outputs. Prepared once.

        name: None: the first that it is made for and that is here.

        Raises LeannetError for an engine that is not here, and a processor that it would give wrong answers on.
        """
        key = name or self._engine, threads
        bits = self.header.artefact.get("weight_bits", 7)
        if bits > weight_bits():
            raise LeannetError(
                f"{self.path or 'the artefact'}: its integers of {bits} bits overflow on this processor, which adds "
                "their products in 16; make it here: leannet quantize RUN"
            )
        if key not in self._runs:
            self._runs[key] = engine(key[0]).prepare(self.program, threads)
        return self._runs[key]

    def inputs(self, pictures: Sequence[Image.Image]) -> NDArray[np.generic]:
        """Pictures as the graph takes them. Raises BrokenPicture."""
        arrays = np.stack([prepare(picture, self.header.preprocessing) for picture in pictures])
        return arrays if self.takes_pictures else as_floats(arrays, self.header.preprocessing)

    def outputs(self, pictures: Sequence[Image.Image], name: str | None = None, threads: int = 1) -> Floats:
        """(N, classes) before softmax. Raises BrokenPicture."""
        return self.run(name, threads)(self.inputs(pictures))[0]  # type: ignore[arg-type]  # uint8 where it takes that


@dataclass(frozen=True, kw_only=True)
class OnnxArtefact(Artefact):
    """One ONNX file. graph: the same without metadata."""

    graph: bytes

    @classmethod
    def read(cls, file: Path) -> "OnnxArtefact":
        """Opens a file, verified. Raises LeannetError."""
        graph, pairs = split_metadata(file.read_bytes(), file)
        data = of_onnx(pairs, file)
        digest = _digest(graph, pairs)
        if pairs.get(DIGEST) != digest:
            raise LeannetError(f"{file}: its digest does not match: the file is damaged or was edited; export it again")
        golden = tuple(Golden.from_dict(each, file) for each in json.loads(pairs.get(GOLDEN, "[]")))
        header = parse_header(data, file)
        check_parts(header, golden, file)
        return cls(graph=graph, header=header, golden=golden, path=file, digest=digest)

    def save(self, path: str | Path) -> None:
        pairs = {
            KEY: json.dumps(self.header.to_dict()),
            GOLDEN: json.dumps([each.to_dict() for each in self.golden]),
        }
        write_whole(path, with_metadata(self.graph, pairs | {DIGEST: _digest(self.graph, pairs)}))

    @property
    def engines(self) -> tuple[str, ...]:
        """Those that it is made for: integers may be written in a form that only one reads."""
        return tuple(self.header.artefact.get("engines", RUNNERS))

    @property
    def program(self) -> Program:
        return Program.of_file(self.header.architecture, self.graph, self.compute)

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path else len(self.graph)


def check_parts(header: Header, golden: Sequence[Golden], where: Path) -> None:
    """Whether what was read belongs together. Raises LeannetError."""
    about, number = header.artefact, len(header.classes)
    right = (
        all(each.outputs.shape == (number,) for each in golden)
        and about.get("input", "float32") in ("float32", "uint8")
        and isinstance(about.get("tolerance", 0.0), float | int)
        and isinstance(about.get("weight_bits", 7), int)
        and isinstance(about.get("engines", []), list)
        and about.get("compute", "float32") in ("float32", "bfloat16")
    )
    if not right:
        raise LeannetError(f"{where}: its header, classes and golden pictures do not belong together: export it again")


def artefact_path(out: str | Path | None, usual: Path) -> Path:
    """Where an artefact is to be written. Raises LeannetError, before any work, where it cannot be."""
    target = Path(out) if out is not None else usual
    if target.suffix != ".onnx" or target.is_dir() or not target.absolute().parent.is_dir():
        raise LeannetError(f"--out {target}: expected a name that ends in .onnx, in a folder that exists")
    return target


def as_floats(pictures: NDArray[np.uint8], preprocessing: Preprocessing) -> Floats:
    """(N, H, W, C) uint8 -> (N, C, H, W) float32, scaled and normalised as in training."""
    mean, std = (np.array(values, np.float32) for values in (preprocessing.mean, preprocessing.std))
    scaled = pictures.astype(np.float32) * np.float32(preprocessing.scale)
    return np.ascontiguousarray(((scaled - mean) / std).transpose(0, 3, 1, 2))


def softmax(outputs: Floats) -> Floats:
    """Probabilities (N, classes) of outputs (N, classes)."""
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _digest(graph: bytes, pairs: dict[str, str]) -> str:
    total = hashlib.sha256(graph)
    for key in (KEY, GOLDEN):
        total.update(hashlib.sha256(pairs.get(key, "").encode()).digest())
    return total.hexdigest()
