"""Learning what to skip (SkipNet, arXiv 1711.09485, section 3.3): gates that are trained with the blocks they skip."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leannet.blocks.table import recording
from leannet.cost.exits import exit_places
from leannet.cost.skipping import SkippingCost, skipping
from leannet.errors import LeannetError
from leannet.network import Network
from leannet.rows import Architecture, Conv, FeedforwardGate, GateScore, HighwayGate, Linear, LstmCell
from leannet.rows.exits import exits, with_exits
from leannet.rows.gating import decisions, gated, has_gates
from leannet.training.objective import Losses, Objective, Run
from leannet.training.settings import Skipping

# The bias of fresh gates, by how they learn, with which a trained network begins nearly as it was. Hard decisions have
# to be near the threshold, a score of 0.73, or stay as they are for all images; what is drawn begins at 0.88.
OPEN, OPEN_HARD = 2.0, 1.0
HYBRID = 0.1  # alpha of hybrid learning, as in the authors' code
LEAST = 1e-6  # of a probability whose logarithm is taken
TRAINING = {
    "supervised": "hard",
    "noisy": "noisy",
    "soft": "soft",
    "hybrid": "drawn",
}  # what `decide` rows do, by how gates learn


@dataclass(frozen=True)
class Skipped(Objective):
    """Hybrid reinforcement learning: REINFORCE for the decisions, beside the inner objective for all weights.

    Decisions are drawn. Minimized is the mean of L + alpha * sum_k C_k a_k, where L is the cross-entropy of an image,
    a_k whether block k ran, and C_k its cost, of which all together cost 1 (equation 4, whose reward is what a skipped
    block saves). The gradient of the draws is that of log p(a_k) times what was lost from gate k on, less what the same
    image loses as it is used, by hard decisions (self-critical, as in BlockDrop, Wu et al., arXiv 1711.08393, section
    3.3), and less the mean of the other images' difference. Neither depends on what was drawn for the image, so the
    expectation is the same. rl_weight scales it; where the optimizer divides gradients by their size, as Adam and Muon
    do, it decides about what reaches the blocks through the gates alone.

    architecture: with gates, `drawn` in training. costs: C of each decision; 0 for one that saves nothing. used: the
    network, whose hard decisions are compared with; None: they are not.
    """

    inner: Objective
    architecture: Architecture
    alpha: float
    costs: Mapping[str, float]
    rl_weight: float = 0.01
    used: Network | None = None

    def bound(self, network: Network) -> "Skipped":
        """With the network that is compared with."""
        return replace(self, inner=self.inner.bound(network), used=network)

    def watch(self, architecture: Architecture) -> Architecture:
        """The architecture with its decisions and scores as outputs of training."""
        names = [name for pair in of_gates(architecture) for name in pair]
        return self.inner.watch(architecture).with_features(*names, role="decision")

    def losses(self, network: Run, images: Tensor, targets: Tensor) -> Losses:
        outputs = network(images)
        assert isinstance(outputs, dict)
        pairs = of_gates(self.architecture)
        deciding = {name for pair in pairs for name in pair}
        answers = {name: value for name, value in outputs.items() if name not in deciding}
        inner = self.inner.losses(lambda _: answers, images, targets)
        drawn, scores = (torch.cat([outputs[pair[number]] for pair in pairs], dim=1) for number in (0, 1))
        costs = drawn.new_tensor([self.costs.get(decision, 0.0) for decision, _ in pairs])
        logits = next(iter(answers.values())).detach()
        truths = targets.argmax(dim=1) if targets.ndim == 2 else targets
        lost = self._lost(logits, truths, costs * drawn)
        if self.used is not None:
            lost = lost - self._lost_in_use(self.used, network, images, truths, costs)
        others = (lost.sum(0, keepdim=True) - lost) / max(len(lost) - 1, 1)
        advantage = (lost - others) if len(lost) > 1 else lost
        likely = scores.clamp(LEAST, 1 - LEAST)
        log_p = drawn * likely.log() + (1 - drawn) * (1 - likely).log()
        parts = inner.parts | {"skipping": self.rl_weight * (advantage.detach() * log_p).sum()}
        return Losses(parts, inner.correct)

    def _lost(self, logits: Tensor, truths: Tensor, taken: Tensor) -> Tensor:
        """(N, decisions): the cross-entropy, and what decisions cost from each gate on. taken: their costs."""
        wrong = nn.functional.cross_entropy(logits, truths, reduction="none")
        return wrong[:, None] + self.alpha * taken.flip(1).cumsum(1).flip(1)

    @torch.no_grad()
    def _lost_in_use(self, used: Network, run: Run, images: Tensor, truths: Tensor, costs: Tensor) -> Tensor:
        """The same of hard decisions, which skip blocks, so that this takes less than the pass in training."""
        modes = [(module, module.training) for module in used.modules()]
        used.eval()
        try:
            with recording(used) as taken:
                outputs = run(images)
        finally:
            for module, training in modes:
                module.training = training
        logits = next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
        no = torch.zeros(len(images), dtype=torch.int8)  # behind an exit that all images took
        decided = torch.stack([taken.get(name, no) == 1 for name, _ in of_gates(self.architecture)], dim=1)
        return self._lost(logits, truths, costs * decided.to(costs))

    def charge(self, decided: Mapping[str, NDArray[np.int8]]) -> float:
        return charged(self.costs, self.alpha, decided)

    def weight(self, targets: Tensor) -> Tensor:
        return self.inner.weight(targets)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Skipped":
        """The same with what it holds of tensors there."""
        return replace(self, inner=self.inner.to(device, dtype))


@dataclass(frozen=True)
class Charged(Objective):
    """The inner objective, and what running blocks costs: alpha * sum_k C_k a_k, whose gradient is the score's.

    Supervised learning that charges: the straight-through gradient is biased and has no noise, where that of draws is
    the other way round. Not in the paper, which charges in hybrid learning alone. costs: as of `Skipped`.
    """

    inner: Objective
    architecture: Architecture
    alpha: float
    costs: Mapping[str, float]

    def watch(self, architecture: Architecture) -> Architecture:
        """The architecture with its decisions as outputs of training."""
        names = [decision for decision, _ in of_gates(architecture)]
        return self.inner.watch(architecture).with_features(*names, role="decision")

    def losses(self, network: Run, images: Tensor, targets: Tensor) -> Losses:
        outputs = network(images)
        assert isinstance(outputs, dict)
        names = [decision for decision, _ in of_gates(self.architecture)]
        answers = {name: value for name, value in outputs.items() if name not in names}
        inner = self.inner.losses(lambda _: answers, images, targets)
        paid = torch.stack([self.costs.get(name, 0.0) * outputs[name].sum() for name in names]).sum()
        return Losses(inner.parts | {"skipping": self.alpha * paid}, inner.correct)

    def bound(self, network: Network) -> "Charged":
        """With an inner objective that is bound."""
        return replace(self, inner=self.inner.bound(network))

    def charge(self, decided: Mapping[str, NDArray[np.int8]]) -> float:
        return charged(self.costs, self.alpha, decided)

    def weight(self, targets: Tensor) -> Tensor:
        return self.inner.weight(targets)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Charged":
        """The same with what it holds of tensors there."""
        return replace(self, inner=self.inner.to(device, dtype))


def charged(costs: Mapping[str, float], alpha: float, decided: Mapping[str, NDArray[np.int8]]) -> float:
    """alpha * sum_k C_k a_k, the mean over images. decided: of each decision 1, 0, or -1 where it was not asked."""
    return alpha * sum(cost * float((decided[name] == 1).mean()) for name, cost in costs.items() if name in decided)


def with_gates(architecture: Architecture, settings: Skipping) -> Architecture:
    """The architecture with the gates that the settings ask for, which learn as they say.

    Raises LeannetError where it has none and none are asked for, or it has others.
    """
    if settings.gate is not None:
        if has_gates(architecture):
            raise LeannetError(f"--gate {settings.gate}: {architecture.name} has gates already: leave it out")
        architecture = gated(architecture, settings.gate, settings.group)
    if settings.exits:
        architecture = with_exits(architecture, exit_places(architecture, settings.exits))
    if settings.temperature != 1 and settings.learning != "hybrid":
        raise LeannetError(
            f"--gate-temperature {settings.temperature:g}: of hybrid learning alone: expected --gate-learning hybrid"
        )
    if settings.learning is not None and not of_gates(architecture):
        raise LeannetError(
            f"--gate-learning {settings.learning}: expected gates that decide, found none in {architecture.name}; "
            "--gate recurrent gives it some"
        )
    if settings.alpha is not None and not of_gates(architecture):
        raise LeannetError(
            f"--alpha {settings.alpha:g}: expected gates that decide, found none in {architecture.name}: what a block "
            "costs is charged where it could be skipped; --gate recurrent gives it some"
        )
    if settings.learning is not None:
        return architecture.edit(
            {name: {"training": TRAINING[settings.learning]} for name, _ in of_gates(architecture)}
        )
    drawn = [node.path for node in architecture.graph.nodes if getattr(node.row, "training", None) == "drawn"]
    return architecture.edit({name: {"training": "hard"} for name in drawn})  # without what rewards what is drawn


def of_gates(architecture: Architecture) -> tuple[tuple[str, str], ...]:
    """The rows that decide whether a block runs, each with the row of its score: all but those of exits."""
    leaving = {each.decision for each in exits(architecture)}
    return tuple(pair for pair in decisions(architecture) if pair[0] not in leaving)


def learning_to_skip(inner: Objective, architecture: Architecture, settings: Skipping) -> Objective:
    """The inner objective, or where gates learn by what they save, both. Gates that decided before learn on so."""
    cost = skipping(architecture)
    if cost is None or not of_gates(architecture):
        return inner
    gates = {decision for decision, _ in of_gates(architecture)}
    each = shares(replace(cost, gates=tuple(gate for gate in cost.gates if gate.decision in gates)), settings.cost)
    if settings.learning == "hybrid":
        return Skipped(inner, architecture, HYBRID if settings.alpha is None else settings.alpha, each,
                       settings.rl_weight)  # fmt: skip
    return Charged(inner, architecture, settings.alpha, each) if settings.alpha else inner


def shares(cost: SkippingCost, by: str) -> dict[str, float]:
    """What each decision costs when it says 1, of what all decide about; below 0 where that saves, as an early exit.

    by: `macs`, or `blocks`, all alike.
    """
    more: dict[str, float] = {}
    for gate in cost.gates:
        macs = gate.macs[0] - gate.macs[1]
        more[gate.decision] = more.get(gate.decision, 0) + (macs if by == "macs" else (macs > 0) - (macs < 0))
    total = sum(abs(value) for value in more.values()) or 1
    return {decision: value / total for decision, value in more.items()}


def sharpen_gates(network: Network, temperature: float) -> None:
    """Divides the logits of gates' scores, which changes no hard decision, and makes what is drawn of them nearly the
    same: learning by draws then goes on from the network that hard decisions have learned, as the authors' does."""
    for node in network.architecture.graph.nodes:
        if isinstance(node.row, GateScore | FeedforwardGate) and node.row.shares is None:
            layer = next(each for each in reversed(node.inside) if isinstance(each.row, Linear | Conv))
            with torch.no_grad():
                for weight in network.layer(layer.path).parameters():
                    weight.div_(temperature)


def open_gates(network: Network, learning: str | None) -> None:
    """Gives fresh gates a bias with which they run nearly every block, so that a trained network begins as it was;
    highway gates, which decide nothing, one with which they let most of it through.

    The memory of recurrent gates begins as torch's does, its score as in the authors' code (N(0, 2 / size)): with
    weights as small as those of a classifier's last row all gates would say the same of all images.
    learning: how they learn; None: supervised.
    """
    hard = learning in (None, "supervised")
    for node in network.architecture.graph.nodes:
        if isinstance(node.row, LstmCell) and node.row.shares is None:
            bound = node.row.size**-0.5
            for weight in network.layer(node.path).parameters():
                nn.init.uniform_(weight, -bound, bound)
        if isinstance(node.row, GateScore) and node.row.shares is None:
            hidden = node.in_shapes[0].channels // 2
            nn.init.normal_(next(network.layer(node.path).parameters()), std=(2 / hidden) ** 0.5)
        if isinstance(node.row, GateScore | FeedforwardGate | HighwayGate) and node.row.shares is None:
            layer = next(each for each in reversed(node.inside) if isinstance(each.row, Linear | Conv))
            bias = next(value for name, value in network.layer(layer.path).named_parameters() if name.endswith("bias"))
            with torch.no_grad():
                open_ = OPEN if isinstance(node.row, HighwayGate) or not hard else OPEN_HARD
                bias.copy_(torch.tensor([0.0, open_])[-len(bias) :])
