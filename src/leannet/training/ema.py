"""The exponential moving average (EMA) of a network's weights, which is often more accurate than the weights."""

import copy

import torch
from torch import Tensor

from leannet.network import Network


class EMA:
    """Weights and statistics averaged over steps, in a network of their own (Polyak; Tan and Le, arXiv 1905.11946).

    In the first steps the average follows quickly: after n steps its decay is at most (1 + n) / (10 + n).
    """

    def __init__(self, network: Network, decay: float):
        self.network = copy.deepcopy(network).eval()
        self.network.requires_grad_(False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Averages in the weights after one more step."""
        self.steps += 1
        share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        averaged, current = self.network.state_dict(), network.state_dict()
        floats = [name for name, value in averaged.items() if value.is_floating_point()]
        torch._foreach_lerp_([averaged[name] for name in floats], [current[name] for name in floats], share)
        for name in averaged.keys() - set(floats):
            averaged[name].copy_(current[name])

    def state(self) -> dict[str, Tensor]:
        """Its tensors for the state file."""
        return {**self.network.state_dict(), "steps": torch.tensor(self.steps)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restores the tensors of a state file."""
        self.steps = int(state.pop("steps"))
        self.network.load_state_dict(state)
