"""`read_weights`: a network and its header, from whatever holds its weights.

Which library a foreign file comes from is told by its keys; the network then gets the rows as that library builds them.
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
from leannet.weights.fitting import Fit, best_fit, is_ported, ported
from leannet.weights.hub import fetch
from leannet.weights.opening import kind_of, read_file
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
    """A network in evaluation mode with the weights of a file, a run or a hub, and what is known of them.

    weights: a run or checkpoint of leannet; a state dict or a trainer's checkpoint (torch.save, safetensors) with the
    keys of timm, torchvision or leannet; or `hub:OWNER/NAME`, which is fetched from Hugging Face's hub. name, width,
    resolution: the zoo's network, which a foreign file does not say; its number of classes and input channels are the
    file's. classes: of the fresh head, where the file has none; None: the family's own. say: is told, in a line, which
    of the file's weights were taken and what was made anew.
    Raises LeannetError where the file cannot be read or is refused, does not fit, naming keys and shapes, and where a
    weight is not finite.
    """
    text = str(weights)
    path, about = fetch(text.removeprefix("hub:")) if text.startswith("hub:") else (Path(weights), {})
    kind = None if path.is_dir() or not path.exists() else kind_of(path)
    if kind is None or kind == "leannet":
        network, header = load(checkpoint_file(path))
        _check_finite(network.state_dict(), text)
        return network, header
    loaded = read_file(path, kind)
    about = recorded(loaded) | about  # what the hub says comes first
    if name is None:
        arch = f" (its own name for them: {about['architecture']})" if about.get("architecture") else ""
        raise LeannetError(
            f"{weights}: a file of another library says nothing of its rows{arch}: name the network, as --model"
        )
    fit = best_fit(state_dicts(loaded), name, width, resolution, text)
    if fit.told:
        say(f"{text}: {fit.told}")
    return _made(fit, name, width, resolution, classes, text, about)


def _made(
    fit: Fit,
    name: str,
    width: float,
    resolution: int | None,
    classes: int | None,
    where: str,
    about: Mapping[str, Any],
) -> tuple[Network, Header]:
    """The network of a fit, and the header of weights from elsewhere."""
    family = find(name)
    resolution = family.resolution if resolution is None else resolution
    source = ported(fit.naming.source) if is_ported(fit.naming.source, where, about) else fit.naming.source
    stem = fit.tensor(next(iter(fit.pairs)))
    if fit.fresh:
        classes = family.classes if classes is None else classes
    else:
        classes = fit.tensor(fit.naming.head_weight).shape[0]
    table = source.rows(width, resolution, classes, stem.shape[1] if stem.ndim > 1 else 3)
    network = build(table)
    own, state = network.state_dict(), {}
    for key, theirs in fit.pairs.items():
        state[key] = _as_ours(fit.tensor(key), own[key], f"{where}: {theirs}")
    for key in own:  # what is fresh, and the counter of batches that files older than it lack
        if key.startswith(tuple(f"{row}." for row in fit.fresh)) or key.endswith("num_batches_tracked"):
            state.setdefault(key, own[key])
    transfer(network, state, where)
    _check_finite({fit.pairs[key]: value for key, value in network.state_dict().items() if key in fit.pairs}, where)
    if table.input.channels == 3:
        preprocessing = Preprocessing(
            height=resolution,
            width=resolution,
            interpolation="bicubic" if about.get("interpolation", source.interpolation) == "bicubic" else "bilinear",
            crop_ratio=about.get("crop_ratio", 0.875),
            mean=tuple(about.get("mean", source.mean)),
            std=tuple(about.get("std", source.std)),
        )
    else:
        preprocessing = Preprocessing(height=resolution, width=resolution, color="L", mean=GREY_MEAN, std=GREY_STD)
    names = tuple(about.get("label_names", ()))
    if len(names) != table.classes:  # none are known, or the head that they name is not there
        names = tuple(f"class {number}" for number in range(table.classes))
    taken = f" ({fit.candidate.said()})" if fit.candidate.said() else ""
    header = Header(
        architecture=table,
        classes=names,
        preprocessing=preprocessing,
        provenance=Provenance(
            source=f"{source.name}: {where}{taken}",
            # Who trained weights of their own says nothing of how they may be used.
            license=about.get("license", (source.license or None) if not about.get("trained") else None),
        ),
    )
    network.origin = header
    return network.eval(), header


def _as_ours(tensor: Tensor, own: Tensor, where: str) -> Tensor:
    """A tensor in the shape of ours where it has as many values. Raises LeannetError where it holds no floats."""
    plain = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_meta
    if not plain or (own.is_floating_point() and not tensor.is_floating_point()):
        form = "no values" if tensor.is_meta else str(tensor.dtype if tensor.layout == torch.strided else tensor.layout)
        raise LeannetError(f"{where}: expected floating-point values, found {form}: take the file of the float network")
    squeezable = tensor.ndim != own.ndim and tensor.numel() == own.numel()
    return tensor.reshape(own.shape) if squeezable else tensor


def _check_finite(state: Mapping[str, Tensor], where: str) -> None:
    """Raises LeannetError naming the first tensor with a value that is none."""
    for key, value in state.items():
        finite = torch.isfinite(value)
        if not finite.all():
            count = int(value.numel() - finite.sum())
            raise LeannetError(
                f"{where}: NaN or infinite in {key} ({count:,} of {value.numel():,} values): the training that it "
                "comes from diverged; take an earlier checkpoint"
            )
