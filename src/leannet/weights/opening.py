"""Opens a file of weights by its content, not its extension. Nothing in it is ever run."""

import re
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from leannet.errors import LeannetError
from leannet.header import KEY, open_tensors
from leannet.weights.inert import stand_ins

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the first bytes of torch's files before they were zip files
PICKLE = re.compile(rb"\x80[\x02-\x05]")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")  # torch colors its errors
REFUSED = "not read, as torch's weights-only loader refuses it"
WAY_OUT = "save only its state_dict() where it was created"

# Files that are mistaken for weights: first bytes, what it is, and what to do.
NOT_WEIGHTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: fetch it with git lfs pull"),
    (b"\x89HDF", "an HDF5 file, as Keras writes: this format is not supported"),
    (b"GGUF", "a GGUF file: this format is not supported"),
    (b"\x1f\x8b", "a gzip file: unpack it"),
    (b"<", "a web page or other markup: the download failed"),
)

Kind = Literal["leannet", "safetensors", "torch"]


def kind_of(path: Path) -> Kind | None:
    """The format of a file; None: not weights, for which leannet.checkpoint has the error.

    Raises LeannetError, one line, for known formats of other kinds, and for a truncated torch file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
        size = path.stat().st_size
    except OSError as error:
        raise LeannetError(f"{path}: cannot be read ({error.strerror})") from None
    if not start:
        raise LeannetError(f"{path}: expected weights, found an empty file")
    header_length = int.from_bytes(
        start[:8], "little"
    )  # of safetensors: the header's length, whose bytes may resemble any format
    if start[8:9] == b"{" and header_length + 8 <= size:
        with open_tensors(path) as tensors:
            return "leannet" if KEY in (tensors.metadata() or {}) else "safetensors"
    for magic, description in NOT_WEIGHTS:
        if start.lstrip().startswith(magic):
            raise LeannetError(f"{path}: expected weights, found {description}")
    if start.startswith(b"PK\x03\x04"):
        _check_zip(path)
        return "torch"
    if PICKLE.match(start):
        if not start.startswith(LEGACY):
            raise LeannetError(f"{path}: {REFUSED}: a plain pickle, not a file of torch.save; {WAY_OUT}")
        return "torch"
    if start[4:8] == b"TFL3":
        raise LeannetError(f"{path}: expected weights, found a TensorFlow Lite file: this format is not supported")
    if tarfile.is_tarfile(path):
        raise LeannetError(f"{path}: expected weights, found a tar archive: unpack it")
    if start[8:10] == b'{"':
        raise LeannetError(f"{path}: damaged: a safetensors file that is cut short")
    return None


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] or name for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError):
        raise LeannetError(f"{path}: damaged: a torch file that is cut short, or another zip file") from None
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        raise LeannetError(f"{path}: {REFUSED}: a TorchScript program, not a state dict; {WAY_OUT}")
    if "data.pkl" not in names:
        raise LeannetError(f"{path}: expected weights, found a zip file that torch.save did not write")


def read_file(path: Path, kind: Kind) -> Mapping[Any, Any]:
    """The contents of a file of another library: tensors by name, and what else its training program saved.

    Raises LeannetError, one line, for a file that is refused, damaged, or not a mapping.
    """
    if kind == "safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise LeannetError(f"{path}: damaged, or not a safetensors file: {error}") from None
    try:
        # Opened here: torch goes by the extension, and takes anything named .safetensors for safetensors.
        with path.open("rb") as file, warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins()):
            warnings.simplefilter(
                "ignore"
            )  # about old storages and protocols, which the reader of a file cannot change
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's loader raises pickle's, zip's and its own errors
        if isinstance(error, EOFError) or "unexpected EOF" in str(error):
            raise LeannetError(f"{path}: damaged: a torch file that is cut short") from None
        raise LeannetError(f"{path}: {REFUSED}: {_reason(error)}") from None
    if not isinstance(loaded, Mapping):
        raise LeannetError(f"{path}: expected a dict of tensors, found {type(loaded).__name__}")
    return loaded


def _reason(error: Exception) -> str:
    """torch's error in one line: the class that it refuses, or its first line."""
    text = ESCAPES.sub("", str(error)) or type(error).__name__
    if "Unsupported operand" in text:
        return "its pickle protocol is not known: save it with torch's default protocol"
    if refused := re.search(r"GLOBAL (\S*\w) ", text):
        return f"it holds a pickled {refused[1]}, which would have to be run; {WAY_OUT}"
    if message := re.search(r"WeightsUnpickler error:\s+(.+)", text):
        return f"{message[1].strip()[:160]}; {WAY_OUT}"
    return text.strip().splitlines()[0][:160]
