"""leannet's file format: weights, and a header with everything needed to use them. Never a pickle.

A checkpoint is a safetensors file whose metadata holds one JSON under the key `leannet`. Its `digest` covers the
tensors and the rest of the header, and loading verifies it. A tensor of which a quarter is zero is kept as two:
NAME.mask, a bit for each of its numbers in C order, the first one the highest of a byte, and NAME.values, those that
are not zero.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as serialize
from torch import Tensor

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.header import (
    DENSE_VERSION,
    KEY,
    SPARSE_VERSION,
    Header,
    checkpoint_file,
    metadata,
    open_tensors,
    parse_header,
)
from leannet.network import Network, build, reparameterized, subnetwork
from leannet.rows import Architecture

SPARSE = 0.25  # share of zeros from which a tensor is kept as a bitmask and its other values
MASK, VALUES = ".mask", ".values"  # behind a tensor's name


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


def to_bytes(network: Network, header: Header, half: bool = False, dense: bool = False) -> bytes:
    """The content of a checkpoint, as `save` writes it. dense: without bitmasks, whatever is zero."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    if half:
        state = {name: value.half() if value.ndim > 1 else value for name, value in state.items()}
    state, is_sparse = (state, False) if dense else _packed(state)
    data = header.to_dict(SPARSE_VERSION if is_sparse else DENSE_VERSION)
    data["digest"] = digest(state, data)
    return bytes(serialize(state, {KEY: json.dumps(data)}))


def _packed(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """The tensors with those of many zeros as a bitmask and the other values; and whether there are any."""
    packed: dict[str, Tensor] = {}
    for name, value in state.items():
        zeros = value == 0
        if value.ndim < 2 or float(zeros.double().mean()) < SPARSE:
            packed[name] = value
            continue
        packed[name + MASK] = torch.from_numpy(np.packbits((~zeros).numpy().reshape(-1)))
        packed[name + VALUES] = value[~zeros]
    return packed, len(packed) > len(state)


def _unpacked(state: Mapping[str, Tensor], architecture: Architecture, file: Path) -> dict[str, Tensor]:
    """The tensors as the network has them. Raises LeannetError where a mask does not fit."""
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith(VALUES):
            continue
        if not name.endswith(MASK):
            result[name] = value
            continue
        key = name.removesuffix(MASK)
        parameter, values = architecture.parameters.get(key), state.get(key + VALUES)
        bits = (
            np.unpackbits(value.numpy().reshape(-1)).astype(bool) if value.dtype == torch.uint8 else np.empty(0, bool)
        )
        if parameter is None or values is None or not parameter.size <= len(bits) < parameter.size + 8:
            raise LeannetError(f"{file}: its tensors do not match its rows, first at {key}: the file is damaged")
        mask = torch.from_numpy(bits[: parameter.size])
        if int(mask.sum()) != values.numel():
            raise LeannetError(
                f"{file}: {key}: expected {int(mask.sum())} values, found {values.numel()}: it is damaged"
            )
        whole = torch.zeros(parameter.size, dtype=values.dtype)
        whole[mask] = values
        result[key] = whole.reshape(parameter.shape)
    return result


def load_shipped(path: str | Path, branches: bool = False) -> tuple[Network, Header]:
    """What `load` gives, without what was there for training alone: auxiliary heads, and parallel branches, folded.

    branches: they stay, for a training that goes on.
    """
    network, header = load(path)
    architecture = header.architecture.without_auxiliary()
    shipped = network if architecture == header.architecture else subnetwork(network, architecture)
    shipped = shipped if branches else reparameterized(shipped)
    if shipped is network:
        return network, header
    header = header.model_copy(update={"architecture": shipped.architecture})
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
    state = _unpacked(state, header.architecture, file)
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
