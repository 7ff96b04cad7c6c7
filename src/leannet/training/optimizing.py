"""The optimizer of a network: which weights move, how fast, and which decay."""

import torch
from torch import nn

from leannet.cost import count
from leannet.errors import LeannetError, nearest
from leannet.network import Network
from leannet.rows import Architecture
from leannet.training.settings import Optimizer, Settings


def make_optimizer(network: nn.Module, settings: Optimizer, batch_size: int) -> torch.optim.Optimizer:
    """The optimizer, without weight decay on biases and normalisation, which it only harms (He et al. 2019, 3.1).

    Each group of parameters has a `scale`, by which its rate is multiplied: `settings.layer_decay` to the power of the
    number of stages behind it. Parameters that need no gradient are left out.
    """
    stages = _stages(network.architecture) if settings.layer_decay < 1 and isinstance(network, Network) else {}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            scale = settings.layer_decay ** stages.get(name.split(".")[0], 0)
            decay = settings.decay() if parameter.ndim > 1 else 0.0
            groups.setdefault((scale, decay), []).append(parameter)
    rate = settings.rate(batch_size)
    # What decays comes first: a state file knows groups by their order.
    ordered = sorted(groups.items(), key=lambda item: (-item[0][0], item[0][1] == 0))
    made = [{"params": p, "weight_decay": decay, "scale": scale} for (scale, decay), p in ordered]
    match settings.name:
        case "adamw":
            return torch.optim.AdamW(made, lr=rate)
        case "adam":
            return torch.optim.Adam(made, lr=rate)
        case "sgd":
            return torch.optim.SGD(made, lr=rate, momentum=settings.momentum, nesterov=settings.momentum > 0)
        case "rmsprop":
            return torch.optim.RMSprop(made, lr=rate, momentum=settings.momentum, alpha=0.9, eps=1e-3)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)  # states of older runs have none


def frozen_rows(table: Architecture, until: str | None) -> tuple[str, ...]:
    """The rows up to and including `until`; `stem`: up to the first smaller image. None: none.

    Raises LeannetError where there is no such row.
    """
    if until is None:
        return ()
    names = [row.name for row in table.rows]
    last = table.taps[0] if until == "stem" and until not in names else until
    if last not in names[:-1]:
        raise LeannetError(f"--freeze: {table.name} has no row '{until}'; nearest: {nearest(until, ['stem', *names])}")
    behind = set(names[names.index(last) + 1 :])
    if not any(group.params for group in count(table).by_row() if group.name in behind):
        raise LeannetError(f"--freeze {until}: no row with weights is left to learn")
    return tuple(names[: names.index(last) + 1])


def freeze(network: Network, settings: Settings) -> list[nn.Module]:
    """Makes rows keep their weights, and returns those, whose batch norm must stay in evaluation."""
    modules = [network.get_submodule(name) for name in frozen_rows(network.architecture, settings.freeze)]
    for module in modules:
        module.requires_grad_(False)
    return modules


def _stages(table: Architecture) -> dict[str, int]:
    """For each row the number of stages behind it; a stage ends where the image becomes smaller. The head: 0."""
    taps = table.taps
    behind, found = len(taps), {}
    for row in table.rows:
        found[row.name] = behind
        behind -= row.name in taps
    return found
