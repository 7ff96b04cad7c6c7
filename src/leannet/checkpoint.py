"""The one file format: weights, and in the header everything needed to use them. Never a pickle.

A checkpoint is a safetensors file whose metadata holds one JSON under the key `leannet`. Its `digest` covers the
tensors and the rest of the header, and loading verifies it.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from leannet import __version__
from leannet.rows import Architecture, first_error
from leannet.rows.fields import Frozen
from leannet.errors import LeannetError
from leannet.network import Network, build
from leannet.preprocessing import Preprocessing

FORMAT_VERSION = 1
KEY = "leannet"


class Header(Frozen):
    """Everything but the tensors. Sections that only some readers know (split, metrics, provenance) are plain data."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    architecture: Architecture
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    split: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "format_version": FORMAT_VERSION,
            "architecture": self.architecture.to_dict(),
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            "split": self.split,
            "metrics": self.metrics,
            "provenance": {"leannet": __version__} | self.provenance,
        }


def digest(state: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    """SHA-256 over the header and every tensor: its name, type, shape and bytes."""
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.view(-1).numpy().tobytes())
    return total.hexdigest()


def save(path: str | Path, network: Network, header: Header) -> None:
    """Writes a checkpoint, whole or not at all."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    data = header.to_dict()
    data["digest"] = digest(state, data)
    write_whole(path, serialize(state, {KEY: json.dumps(data)}))


def write_whole(path: str | Path, data: bytes) -> None:
    """Writes a file so that it is either the old one or all of the new one, whenever the process ends."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise LeannetError(f"{path}: cannot be written ({error.strerror}); what was there before is still whole") from None


def load(path: str | Path) -> tuple[Network, Header]:
    """A network in evaluation mode, and its header.

    path: a checkpoint, or a run folder with a `model.safetensors`.
    Raises LeannetError, one line, for what is no checkpoint, a newer one, and one that is damaged or was edited.
    """
    file = checkpoint_file(path)
    state, data = _read(file)
    header = _header(data, file)
    network = build(header.architecture)
    own = network.state_dict()
    problems = [key for key in own if key not in state or state[key].shape != own[key].shape]
    if problems or len(own) != len(state):
        found = problems[0] if problems else next(key for key in state if key not in own)
        raise LeannetError(f"{file}: its tensors and its rows do not agree, first at {found}: the file is damaged")
    network.load_state_dict(state)
    return network.eval(), header


def read_header(path: str | Path) -> Header:
    """The header alone, without reading the tensors or checking the digest."""
    file = checkpoint_file(path)
    with _open(file) as opened:
        data = _metadata(opened, file)
    return _header(data, file)


def checkpoint_file(path: str | Path) -> Path:
    """The checkpoint that a path means: itself, or the best weights of a run folder."""
    file = Path(path)
    if file.is_dir():
        file = file / "model.safetensors"
        if not file.exists():
            raise LeannetError(f"{path}: expected a run folder with a model.safetensors, found none")
    if not file.exists():
        raise LeannetError(f"{path}: no such checkpoint or run folder")
    return file


def _open(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise LeannetError(f"{file}: expected a leannet checkpoint (.safetensors), found something else ({error})") from None


def _metadata(opened: Any, file: Path) -> dict[str, Any]:
    text = (opened.metadata() or {}).get(KEY)
    if text is None:
        raise LeannetError(f"{file}: a safetensors file without leannet's header: no checkpoint of leannet")
    try:
        data = json.loads(text)
    except ValueError as error:
        raise LeannetError(f"{file}: its header is not JSON ({error}): the file is damaged") from None
    version = data.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise LeannetError(f"{file}: format_version {version} is newer than this leannet reads ({FORMAT_VERSION}): upgrade")
    return dict(data)


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with _open(file) as opened:
        data = _metadata(opened, file)
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (no mapping)
    if data.pop("digest", None) != digest(state, data):
        raise LeannetError(f"{file}: its digest does not match: the file is damaged or was edited; train or copy it again")
    return state, data


def _header(data: dict[str, Any], file: Path) -> Header:
    fields = {key: value for key, value in data.items() if key not in {"format_version", "digest", "architecture"}}
    architecture = Architecture.from_dict(data.get("architecture"), f"{file}, architecture")
    try:
        return Header(architecture=architecture, **fields)
    except ValidationError as error:
        raise LeannetError(f"{file}, header: {first_error(error)}") from None
