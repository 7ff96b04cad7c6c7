"""A supernet: the largest network of a space, of whose weights every candidate's are a part.

There is no second module: a candidate is its own rows, run by the executor of all networks, on slices of the largest
one's tensors: the first channels, and the middle of a kernel (Yu and Huang, arXiv 1903.05134; Cai et al., arXiv
1908.09791, section 3). In training, gradients flow through the slices.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from leannet.errors import LeannetError
from leannet.nas.choices import Candidate
from leannet.nas.space import Space
from leannet.network import Network, build
from leannet.rows import Architecture, Dropout, parameters
from leannet.training.objective import Losses, Objective, Run

Rule = Literal["sandwich", "uniform"]
Parts = dict[str, tuple[slice, ...]]
RANDOM = 2  # candidates of a sandwich besides the largest and the smallest
CACHED = 64  # candidates whose modules are kept
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def parts(candidate: Architecture, largest: Architecture) -> Parts:
    """Of each tensor of a candidate which numbers of the largest network's tensor of that name it is.

    Raises LeannetError for a tensor that the largest network lacks, or has smaller.
    """
    whole = {f"{layer.path}.{each.name}": each for layer in largest.layers for each in parameters(layer)}
    result: Parts = {}
    for layer in candidate.layers:
        for each in parameters(layer) if layer.shares is None else ():
            key = f"{layer.path}.{each.name}"
            if key not in whole or any(own > of for own, of in zip(each.shape, whole[key].shape, strict=True)):
                shape_there = "nothing" if key not in whole else f"{whole[key].shape}"
                raise LeannetError(
                    f"{candidate.name} is no part of {largest.name}: {key} of {each.shape} is {shape_there} there"
                )
            begins = (
                (of - own) // 2 if axis == "" else 0
                for own, of, axis in zip(each.shape, whole[key].shape, each.axes, strict=True)
            )
            result[key] = tuple(slice(begin, begin + own) for begin, own in zip(begins, each.shape, strict=True))
    return result


class SharedWeights:
    """The largest network of a space, and candidates that use its weights."""

    def __init__(self, network: Network, space: Space):
        self.network, self.space = network, space
        self._module = lru_cache(CACHED)(self._made)

    def _made(self, candidate: Candidate) -> tuple[Network, Parts, set[str]]:
        """Its module, its part of the weights, and the names of those that are statistics."""
        architecture = dropping_like(self.space.architecture(candidate), self.network.architecture)
        with torch.device("meta"):  # it has the largest network's weights when it runs
            module = build(architecture)
        statistics = {
            f"{layer.path}.{each.name}" for layer in architecture.layers for each in parameters(layer)
            if not each.learned
        }  # fmt: skip
        return module, parts(architecture, self.network.architecture), statistics

    def run(self, candidate: Candidate, images: Tensor) -> Any:
        """What a candidate answers in training. images: (N, C, H, W), smaller than the largest network asks where
        training begins with small ones; they become as small for the candidate."""
        module, of, statistics = self._module(candidate)
        module.train()
        asked, largest = module.architecture.input, self.network.architecture.input
        height, width = images.shape[2:]
        size = round(height * asked.height / largest.height), round(width * asked.width / largest.width)
        own = dict(self.network.named_parameters()) | dict(self.network.named_buffers())
        state = {}
        for key, places in of.items():
            tensor = own[key][places]
            state[key] = tensor.clone() if key in statistics else tensor  # a candidate's own, and nobody else's
        return functional_call(module, state, (_of_size(images, size),))

    def network_of(self, candidate: Candidate) -> Network:
        """A candidate with its part of the weights, in evaluation mode. Its batch norm has the largest network's
        statistics: measure its own (`precise_batch_norm`) before it is evaluated."""
        architecture = self.space.architecture(candidate)
        small, own = build(architecture).eval(), self.network.state_dict()
        of = parts(architecture, self.network.architecture)
        small.load_state_dict({key: own[key][of[key]] for key in small.state_dict()})
        return small


def dropping_like(architecture: Architecture, other: Architecture) -> Architecture:
    """An architecture that drops as much in training as another does, whose rates the settings decided."""
    rates = {row.name: row.rate for row in other.rows if isinstance(row, Dropout)}
    own = [row.name for row in architecture.rows if row.name in rates]
    return architecture.edit({name: {"rate": rates[name]} for name in own})


def resized(images: Tensor, architecture: Architecture) -> Tensor:
    """Images as large as an architecture's input."""
    return _of_size(images, (architecture.input.height, architecture.input.width))


def _of_size(images: Tensor, size: tuple[int, int]) -> Tensor:
    if images.shape[2:] == size:
        return images
    return F.interpolate(images, size=size, mode="bilinear", antialias=True).contiguous(
        memory_format=torch.channels_last
    )


@dataclass(frozen=True)
class Shared(Objective):
    """Trains the weights that all candidates of a space share.

    sandwich: the largest network by the inner objective; the smallest, and two at random, by the largest one's answers
    (Yu and Huang, arXiv 1903.05134, sections 3.3 and 3.4). uniform: one at random, by the inner objective (Guo et al.,
    arXiv 1904.00420, section 3.2).
    """

    inner: Objective
    space: Space
    rule: Rule = "sandwich"
    weights: SharedWeights | None = None
    precision: torch.dtype | None = None
    """Of the candidates' forward passes, as of the largest network's; None: that of the weights."""

    def bound(self, network: Network) -> "Shared":
        """With the network whose weights are shared."""
        return replace(self, inner=self.inner.bound(network), weights=SharedWeights(network, self.space))

    def losses(self, network: Run, images: Tensor, targets: Tensor) -> Losses:
        weights = self.weights
        assert weights is not None, "not bound to a network"
        if self.rule == "uniform":
            candidate = self._random()
            return self.inner.losses(lambda x: self._answers(weights, candidate, x), images, targets)
        answers = network(images)
        inner = self.inner.losses(lambda _: answers, images, targets)
        logits = next(iter(answers.values())) if isinstance(answers, dict) else answers
        soft_labels = logits.detach().softmax(dim=1)
        others = {"smallest": self.space.smallest} | {f"random_{n + 1}": self._random() for n in range(RANDOM)}
        parts_of = {"largest": inner.total / (1 + len(others))}
        for name, candidate in others.items():
            outputs = self._answers(weights, candidate, images)
            logits = next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
            parts_of[name] = F.cross_entropy(logits, soft_labels, reduction="sum") / (1 + len(others))
        return Losses(parts_of, inner.correct)

    def _answers(self, weights: SharedWeights, candidate: Candidate, images: Tensor) -> Any:
        with torch.autocast(images.device.type, self.precision, enabled=self.precision is not None):
            outputs = weights.run(candidate, images)
        if isinstance(outputs, dict):
            return {name: value.float() for name, value in outputs.items()}
        return outputs.float()

    def _random(self) -> Candidate:
        """By torch's generator, which is seeded for each step, so that a resumed run draws the same."""
        return tuple(int(torch.randint(len(options), ())) for _, options in self.space.decisions)

    def watch(self, architecture: Architecture) -> Architecture:
        return self.inner.watch(architecture)

    def evaluated(self, network: Network) -> Network:
        return self.inner.evaluated(network)

    def weight(self, targets: Tensor) -> Tensor:
        return self.inner.weight(targets)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Shared":
        """The same with what it holds of tensors there."""
        return replace(self, inner=self.inner.to(device, dtype))
