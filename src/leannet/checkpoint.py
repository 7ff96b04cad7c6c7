"""leannet's file format: weights, and a header with everything needed to use them. Never a pickle.

A checkpoint is a safetensors file whose metadata holds one JSON under the key `leannet`. Its `digest` covers the
tensors and the rest of the header, and loading verifies it.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialize
from torch import Tensor

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.header import KEY, Header, checkpoint_file, metadata, open_tensors, parse_header
from leannet.network import Network, build


def digest(state: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    """SHA-256 over the header and every tensor: its name, type, shape and bytes."""
    sha256 = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        sha256.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha256.update(tensor.view(-1).view(torch.uint8).numpy().tobytes())
    return sha256.hexdigest()


def save(path: str | Path, network: Network, header: Header, half: bool = False) -> None:
    """Writes a checkpoint, whole or not at all.

    half: the weights of convolutions and fully connected layers as float16, which loading turns back to float32; batch
    norm and biases stay float32.
    """
    write_whole(path, to_bytes(network, header, half))


def to_bytes(network: Network, header: Header, half: bool = False) -> bytes:
    """The content of a checkpoint, as `save` writes it."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    if half:
        state = {name: value.half() if value.ndim > 1 else value for name, value in state.items()}
    data = header.to_dict()
    data["digest"] = digest(state, data)
    return bytes(serialize(state, {KEY: json.dumps(data)}))


def load_shipped(path: str | Path) -> tuple[Network, Header]:
    """What `load` gives, without what was there for training alone: auxiliary heads."""
    network, header = load(path)
    architecture = header.architecture.without_auxiliary()
    if architecture == header.architecture:
        return network, header
    shipped, state = build(architecture).eval(), network.state_dict()
    shipped.load_state_dict({key: state[key] for key in architecture.parameters})
    header = header.model_copy(update={"architecture": architecture})
    shipped.origin = header
    return shipped, header


def load(path: str | Path) -> tuple[Network, Header]:
    """A network in evaluation mode, with its header as `network.origin`, and that header.

    path: a checkpoint, or a run folder with a `model.safetensors`.
    Raises LeannetError, one line, for other files, and for a checkpoint that is newer, damaged or edited.
    """
    file = checkpoint_file(path)
    state, data = _read(file)
    header = parse_header(data, file)
    network = build(header.architecture)
    own = network.state_dict()
    problems = [key for key in own if key not in state or state[key].shape != own[key].shape]
    if problems or len(own) != len(state):
        mismatch = problems[0] if problems else next(key for key in state if key not in own)
        raise LeannetError(f"{file}: its tensors do not match its rows, first at {mismatch}: the file is damaged")
    network.load_state_dict(state)
    network.origin = header
    return network.eval(), header


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with open_tensors(file, "pt") as tensors:
        data = metadata(tensors, file)
        state = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (not a mapping)
    if data.pop("digest", None) != digest(state, data):
        raise LeannetError(
            f"{file}: its digest does not match: the file is damaged or was edited; copy it again, or train again"
        )
    return state, data
