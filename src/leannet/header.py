"""The header of a checkpoint: everything but the tensors. Reading it needs no torch.

A checkpoint is a safetensors file whose metadata holds one JSON under the key `leannet` (checkpoint.py).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open

from leannet.errors import LeannetError
from leannet.onnx_file import split_metadata
from leannet.preprocessing import GREY_MEAN, GREY_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from leannet.retired import header_of_version_1
from leannet.rows import Architecture, first_error
from leannet.rows.fields import Frozen
from leannet.run_files import FOLDS, MODEL
from leannet.sections import Metrics, Provenance, Shipping, SplitRecord

DENSE_VERSION, SPARSE_VERSION = 2, 3  # of files without, and with, tensors that are kept as a bitmask and values
FORMAT_VERSION = SPARSE_VERSION  # the newest that is read
KEY = "leannet"
ARTIFACT_HEADER = f"{KEY}.json"  # of an artifact that is a folder
TORCH_STARTS = (b"PK", b"\x80\x02")  # zip, and how its files began before
COLORS = {1: ("L", GREY_MEAN, GREY_STD), 3: ("RGB", IMAGENET_MEAN, IMAGENET_STD)}


class Header(Frozen):
    """Everything but the tensors. shipping: of an artifact alone."""

    architecture: Architecture
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    split: SplitRecord = SplitRecord()
    metrics: Metrics = Metrics()
    provenance: Provenance = Field(default_factory=Provenance)
    shipping: Shipping | None = None

    def for_rows(self, architecture: Architecture, fresh_head: bool = False) -> "Header":
        """What of it holds for other rows that took over its weights.

        Class names hold while the head is the same one: a fresh one has numbers, and a backbone has none.
        Preprocessing holds in the size of the input, its colors while the network reads as many channels. Scores hold
        for the same network alone. fresh_head: whether the row of classes is new.
        """
        size, old = architecture.input, self.architecture
        preprocessing = self.preprocessing
        if (size.height, size.width) != (old.input.height, old.input.width):
            preprocessing = preprocessing.model_copy(update={"height": size.height, "width": size.width})
        if size.channels in COLORS and size.channels != preprocessing.channels:
            color, mean, std = COLORS[size.channels]
            preprocessing = preprocessing.model_copy(update={"color": color, "mean": mean, "std": std})
        names = self.classes
        if architecture.output_names[0] != old.output_names[0]:
            names = ()
        elif fresh_head:
            names = tuple(f"class {number}" for number in range(architecture.classes))
        update = {
            "architecture": architecture,
            "classes": names,
            "preprocessing": preprocessing,
            "metrics": self.metrics if architecture == old and not fresh_head else Metrics(),
        }
        return self.model_copy(update=update)

    def to_dict(self, version: int = DENSE_VERSION) -> dict[str, Any]:
        """As plain data, for JSON. version: of the format of the file."""
        data = {
            "format_version": version,
            "architecture": self.architecture.to_dict(),
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            "split": self.split.to_dict(),
            "metrics": self.metrics.to_dict(),
            "provenance": self.provenance.to_dict(),
        }
        return data if self.shipping is None else data | {"shipping": self.shipping.to_dict()}


def read_header(path: str | Path) -> Header:
    """The header alone, of a checkpoint or an artifact, without reading the tensors or checking the digest."""
    if (about := Path(path) / ARTIFACT_HEADER).is_file():
        return parse_header(_parsed(about.read_bytes(), about).get("header"), about)
    file = checkpoint_file(path)
    if file.suffix == ".onnx":
        return parse_header(onnx_header(split_metadata(file.read_bytes(), file)[1], file), file)
    with open_tensors(file) as tensors:
        data = metadata(tensors, file)
    return parse_header(data, file)


def checkpoint_file(path: str | Path) -> Path:
    """The checkpoint that a path means: itself, or the best weights of a run folder."""
    file = Path(path)
    if file.is_dir():
        if (file / FOLDS).exists():
            fold = file / "fold-1"
            raise LeannetError(f"{path}: expected one run, found the folds of a cross-validation: name {fold}")
        file = file / MODEL
        if not file.exists():
            raise LeannetError(f"{path}: expected a run folder with a model.safetensors, found none")
    if not file.exists():
        raise LeannetError(f"{path}: no such checkpoint or run folder")
    return file


def is_artifact(path: str | Path) -> bool:
    """Whether a path is meant as an artifact: by an ONNX file's name, or by what lies in a folder."""
    return Path(path).suffix == ".onnx" or (Path(path) / ARTIFACT_HEADER).is_file()


def bytes_on_disk(path: str | Path) -> int:
    """Of a checkpoint, or of all files of an artifact."""
    if (Path(path) / ARTIFACT_HEADER).is_file():
        return sum(file.stat().st_size for file in Path(path).iterdir())
    return checkpoint_file(path).stat().st_size


def open_tensors(file: Path, framework: str = "numpy") -> Any:
    """The opened safetensors file. Raises LeannetError for what is none."""
    try:
        return safe_open(file, framework=framework)
    except (SafetensorError, OSError) as error:
        if file.suffix == ".onnx":
            raise LeannetError(
                f"{file}: expected a run or a checkpoint (.safetensors), found an ONNX file: name the run it is made of"
            ) from None
        found = f"something else ({error})"
        if hint := other_file(file):
            found = hint
        if _starts(file) in TORCH_STARTS:
            found = "a file of torch: name the network it is for, as leannet train --model NAME --weights FILE"
        raise LeannetError(f"{file}: expected a leannet checkpoint (.safetensors), found {found}") from None


def other_file(file: Path) -> str:
    """What a file of another kind is, and what is meant by it; empty for one that says nothing by its name."""
    if file.suffix == ".json":
        return f"an architecture: leannet train DATA --model {file} makes a run of it"
    if (file.parent / ARTIFACT_HEADER).is_file():
        return f"a file of an artifact: name its folder, {file.parent}"
    if file.suffix == ".py":
        return "a Python module: of blocks of your own it is --import MODULE, before the verb"
    return ""


def _starts(file: Path) -> bytes:
    try:
        with file.open("rb") as start:
            return start.read(2)
    except OSError:
        return b""


def metadata(tensors: Any, file: Path) -> dict[str, Any]:
    """The header as plain data. Raises LeannetError for a file without one, a damaged and a newer one."""
    text = (tensors.metadata() or {}).get(KEY)
    if text is None:
        raise LeannetError(f"{file}: a safetensors file without leannet's header: no checkpoint of leannet")
    return _parsed(text, file)


def onnx_header(pairs: Mapping[str, str], file: Path) -> dict[str, Any]:
    """The header of an artifact as plain data. Raises LeannetError for a file without one, and a newer one."""
    if KEY not in pairs:
        raise LeannetError(f"{file}: an ONNX file without leannet's header: make one with leannet export RUN")
    return _parsed(pairs[KEY], file)


def _parsed(text: str | bytes, file: Path) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LeannetError(f"{file}: its header is not JSON ({error}): the file is damaged") from None
    if not isinstance(data, dict):
        raise LeannetError(f"{file}: its header is no JSON object: the file is damaged")
    version = data.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise LeannetError(
            f"{file}: format_version {version} is newer than this leannet reads ({FORMAT_VERSION}): upgrade"
        )
    return dict(data)


def parse_header(data: Any, file: Path) -> Header:
    """The header from plain data. Raises LeannetError naming the field."""
    if not isinstance(data, dict):
        raise LeannetError(f"{file}: its header is no JSON object: the file is damaged")
    if data.get("format_version") == 1:
        data = header_of_version_1(data)
    fields = {key: value for key, value in data.items() if key not in {"format_version", "digest", "architecture"}}
    architecture = Architecture.from_dict(data.get("architecture"), f"{file}, architecture")
    try:
        return Header(architecture=architecture, **fields)
    except ValidationError as error:
        raise LeannetError(f"{file}, header: {first_error(error)}") from None
