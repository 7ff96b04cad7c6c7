"""The optimizer of a network: which weights are trained, at which rate, and with which weight decay."""

import torch
from torch import nn

from leannet.cost import count
from leannet.errors import LeannetError, nearest
from leannet.network import Network
from leannet.rows import Architecture, FeedforwardGate, GateScore, GateSummary, HighwayGate, LstmCell
from leannet.rows.exits import exits
from leannet.training.muon import Muon, hidden_matrices
from leannet.training.settings import Optimizer, Settings

DECIDING = GateSummary | LstmCell | GateScore | FeedforwardGate | HighwayGate
LAST_STAGE = "all-but-last"  # of stages, which end where the map becomes smaller


def make_optimizer(network: nn.Module, settings: Optimizer, batch_size: int) -> torch.optim.Optimizer:
    """The optimizer, without weight decay on biases and normalization, which it only harms (He et al. 2019, 3.1).

    Each parameter group has a `scale` that multiplies its rate: `settings.layer_decay` to the power of the number of
    later stages. Parameters that need no gradient are left out.
    """
    stages = _stages(network.architecture) if settings.layer_decay < 1 and isinstance(network, Network) else {}
    orthogonal = hidden_matrices(network) if settings.name == "muon" and isinstance(network, Network) else set()
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            scale = settings.layer_decay ** stages.get(name.split(".")[0], 0)
            decay = settings.decay() if parameter.ndim > 1 else 0.0
            groups.setdefault((scale, decay, parameter in orthogonal), []).append(parameter)
    rate = settings.rate(batch_size)
    # Groups with weight decay come first: a state file identifies groups by their order.
    ordered = sorted(groups.items(), key=lambda item: (-item[0][0], item[0][1] == 0))
    parameter_groups = [
        {"params": parameters, "weight_decay": decay, "scale": scale, **({"orthogonal": True} if matrices else {})}
        for (scale, decay, matrices), parameters in ordered
    ]
    # On a processor torch's default goes over each weight tensor a dozen times, which is a tenth of a small step.
    fused = all(parameter.device.type == "cpu" for parameter in network.parameters()) or None
    match settings.name:
        case "adamw" | None:
            return torch.optim.AdamW(parameter_groups, lr=rate, fused=fused)
        case "adam":
            return torch.optim.Adam(parameter_groups, lr=rate, fused=fused)
        case "muon":
            return Muon(parameter_groups, lr=rate, momentum=settings.momentum, fused=fused)
        case "sgd":
            return torch.optim.SGD(
                parameter_groups, lr=rate, momentum=settings.momentum, nesterov=settings.momentum > 0, fused=fused
            )
        case "rmsprop":
            return torch.optim.RMSprop(parameter_groups, lr=rate, momentum=settings.momentum, alpha=0.9, eps=1e-3)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)  # groups of older runs have no scale


def frozen_rows(architecture: Architecture, until: str | None) -> tuple[str, ...]:
    """The rows up to and including `until`; `stem`: up to the first downsampling; `all-but-last`: up to where the last
    stage begins. None: none. Gates and the heads of early exits learn wherever they stand.

    Raises LeannetError if there is no such row, or no row with weights would be left.
    """
    if until is None:
        return ()
    names = [row.name for row in architecture.rows]
    words = {"stem": architecture.taps[0], LAST_STAGE: architecture.taps[-2:][0]}
    last = until if until in names else words.get(until, until)
    if last not in names[:-1]:
        raise LeannetError(
            f"--freeze: {architecture.name} has no row '{until}'; nearest: {nearest(until, [*words, *names])}"
        )
    later = set(names[names.index(last) + 1 :])
    if not any(group.params for group in count(architecture).by_row() if group.name in later):
        raise LeannetError(f"--freeze {until}: expected rows with weights after it to train, found none")
    deciding = _deciding(architecture)
    return tuple(name for name in names[: names.index(last) + 1] if name not in deciding)


def _deciding(architecture: Architecture) -> set[str]:
    """The rows whose weights say which blocks an image runs, and where it leaves."""
    gates = {row.name for row in architecture.rows if isinstance(row, DECIDING)}
    return gates | {each.logits for each in exits(architecture)}


def freeze(network: Network, settings: Settings) -> list[nn.Module]:
    """Freezes the weights of rows, and returns these rows: their batch norm must stay in evaluation mode."""
    modules = [network.get_submodule(name) for name in frozen_rows(network.architecture, settings.freeze)]
    for module in modules:
        module.requires_grad_(False)
    return modules


def _stages(architecture: Architecture) -> dict[str, int]:
    """For each row the number of later stages; a stage ends where the feature map becomes smaller. The head, gates and
    the heads of early exits: 0."""
    taps, deciding = architecture.taps, _deciding(architecture)
    later, later_stages = len(taps), {}
    for row in architecture.rows:
        later_stages[row.name] = 0 if row.name in deciding else later
        later -= row.name in taps
    return later_stages
