"""Weights, wherever they come from: leannet's checkpoints, timm's and torchvision's files, and hubs when asked.

A foreign file is a dict of tensors, read by safetensors or by torch's weights-only loader: nothing in it is ever run.
Which library it comes from is told by its keys; the network then gets the rows as that library builds them.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from leannet.checkpoint import load
from leannet.errors import LeannetError
from leannet.header import KEY, Header, checkpoint_file, open_tensors
from leannet.network import Network, build, transfer
from leannet.preprocessing import Preprocessing
from leannet.rows import Architecture
from leannet.zoo import find
from leannet.zoo.foreign import Source, as_tensorflow

SUFFIXES = {".pth", ".pt", ".bin", ".safetensors"}


def read_weights(
    weights: str | Path, name: str | None = None, width: float = 1.0, resolution: int | None = None
) -> tuple[Network, Header]:
    """A network with the weights of a file, a run or a hub, and what is known of them.

    weights: a run or checkpoint of leannet; a file of timm or torchvision (.safetensors, .pth); or `hub:OWNER/NAME`,
    which is fetched from Hugging Face's hub. name, width, resolution: the zoo's network, which a foreign file does not
    say; its number of classes and input channels are the file's.
    Raises LeannetError where the file cannot be read, or does not fit, naming keys and shapes.
    """
    text = str(weights)
    if text.startswith("hub:"):
        path, words = _from_hub(text.removeprefix("hub:"))
    else:
        path, words = Path(weights), {}
    if path.is_dir() or _is_ours(path):
        return load(checkpoint_file(path))
    if name is None:
        raise LeannetError(
            f"{weights}: a file of another library says nothing of its rows: name the network, as --model"
        )
    return _foreign(_read_tensors(path), find(name).sources, name, width, resolution, text, words)


def _is_ours(path: Path) -> bool:
    """Whether to read it as a checkpoint of leannet, which also tells of a missing or a strange file what is wrong."""
    if not path.exists() or path.suffix not in SUFFIXES:
        return True
    if path.suffix != ".safetensors":
        return False
    with open_tensors(path) as opened:
        return KEY in (opened.metadata() or {})


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a foreign file. Raises LeannetError; nothing in it is ever run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise LeannetError(f"{path}: damaged or no safetensors file: {error}") from None
    except Exception as error:  # torch's loader raises pickle's, zip's and its own errors
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LeannetError(f"{path}: not read, as torch's weights-only loader refuses it: {first[:160]}") from None
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise LeannetError(f"{path}: expected a dict of tensors, found {type(loaded).__name__}")
    return {str(key).removeprefix("module."): value for key, value in loaded.items()}


@dataclass(frozen=True)
class _Fit:
    """How a file's keys compare with those a source would have."""

    source: Source
    pairs: dict[str, str]  # our key -> theirs
    missing: list[str]
    unknown: list[str]


def _foreign(
    state: dict[str, Tensor],
    sources: tuple[Source, ...],
    name: str,
    width: float,
    resolution: int | None,
    where: str,
    words: Mapping[str, Any],
) -> tuple[Network, Header]:
    if not sources:
        raise LeannetError(f"{where}: no other library's weights are known for {name}")
    family = find(name)
    resolution = family.resolution if resolution is None else resolution
    fits = [_fit(state, source, source.rows(width, resolution, family.classes, 3)) for source in sources]
    best = min(fits, key=lambda fit: len(fit.missing) + len(fit.unknown))
    if best.missing or best.unknown:
        parts = [f"misses {', '.join(best.missing[:3])}"] * bool(best.missing)
        parts += [f"has {', '.join(best.unknown[:3])}, which no row has"] * bool(best.unknown)
        count = len(best.missing) + len(best.unknown)
        raise LeannetError(
            f"{where}: not {name} as {best.source.name} names it: it {' and '.join(parts)} ({count} keys differ)"
        )
    source = _ported(best.source) if _is_ported(where, words) else best.source
    rows = source.rows(width, resolution, family.classes, 3)
    head = state[best.pairs[f"{_head_module(best, rows.head)}.weight"]]
    stem = state[best.pairs[f"{_first_module(best)}.weight"]]
    table = source.rows(width, resolution, head.shape[0], stem.shape[1])
    network = build(table)
    own, ours = network.state_dict(), {}
    for key, theirs in best.pairs.items():
        tensor = state[theirs]
        squeezable = tensor.ndim != own[key].ndim and tensor.numel() == own[key].numel()
        ours[key] = tensor.reshape(own[key].shape) if squeezable else tensor
    for key in own:  # files older than this counter lack it
        if key.endswith("num_batches_tracked"):
            ours.setdefault(key, own[key])
    transfer(network, ours, where)
    names = words.get("label_names") or [f"class {number}" for number in range(table.classes)]
    header = Header(
        architecture=table,
        classes=tuple(names),
        preprocessing=Preprocessing(
            height=resolution,
            width=resolution,
            interpolation="bicubic" if source.interpolation == "bicubic" else "bilinear",
            mean=tuple(words.get("mean", source.mean)),
            std=tuple(words.get("std", source.std)),
        )
        if table.input.channels == 3
        else Preprocessing(height=resolution, width=resolution, color="L", mean=(0.449,), std=(0.226,)),
        provenance={"source": f"{source.name}: {where}", "licence": words.get("license", source.licence)},
    )
    return network.eval(), header


def _is_ported(where: str, words: Mapping[str, Any]) -> bool:
    """Whether timm got these weights from TensorFlow: only its name for the network says so, `tf_...`."""
    return any(str(name).startswith("tf_") for name in (where.rsplit("/", 1)[-1], words.get("architecture", "")))


def _ported(source: Source) -> Source:
    """A source whose weights came from TensorFlow: its padding and epsilon, and pictures from -1 to 1."""

    def rows(*given: Any) -> Architecture:
        return as_tensorflow(source.rows(*given))

    halves = (0.5, 0.5, 0.5)
    return replace(source, name=f"{source.name}, from TensorFlow", rows=rows, mean=halves, std=halves)


def _head_module(fit: _Fit, head: str) -> str:
    return next(key.rsplit(".", 1)[0] for key in fit.pairs if key.startswith(head + ".") and key.endswith(".weight"))


def _first_module(fit: _Fit) -> str:
    return next(key.rsplit(".", 1)[0] for key in fit.pairs)


def _fit(state: Mapping[str, Tensor], source: Source, rows: Any) -> _Fit:
    """Pairs our keys with theirs. A normalisation without its counter of batches is complete."""
    with torch.device("meta"):
        own = set(build(rows).state_dict())
    pairs, missing, used = {}, [], set()
    for ours, theirs in source.keys(rows):
        for leaf in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            if f"{ours}.{leaf}" not in own:
                continue
            key = f"{theirs}.{leaf}"
            if key in state:
                pairs[f"{ours}.{leaf}"] = key
                used.add(key)
            elif leaf != "num_batches_tracked":
                missing.append(key)
    unknown = [key for key in state if key not in used and not key.startswith(source.optional)]
    return _Fit(source, pairs, missing, unknown)


def _from_hub(name: str) -> tuple[Path, dict[str, Any]]:
    """Fetches a model of Hugging Face's hub and what its config says. Only ever when asked for by name."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise LeannetError("hub weights need huggingface_hub: pip install 'leannet[hub]'") from None
    try:
        path = Path(hf_hub_download(name, "model.safetensors"))
        config = json.loads(Path(hf_hub_download(name, "config.json")).read_text(encoding="utf-8"))
    except (OSError, ValueError, HfHubHTTPError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LeannetError(f"hub:{name}: cannot be fetched: {first[:160]}") from None
    print(f"weights of {name} in {path.parent}", file=sys.stderr)
    pretrained = config.get("pretrained_cfg", {})
    words = {key: pretrained[key] for key in ("mean", "std", "license") if pretrained.get(key)}
    words["architecture"] = config.get("architecture", "")
    if config.get("label_names"):
        words["label_names"] = config["label_names"]
    return path, words
