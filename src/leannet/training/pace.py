"""How fast this machine trains a network, measured by steps apart from the training."""

import time

import torch

from leannet.blocks.fused import fused_batch_norm
from leannet.network import build
from leannet.rows import Architecture
from leannet.training.memory import keep_freed_memory
from leannet.training.optimizing import make_optimizer
from leannet.training.settings import Settings

SECONDS = 1.0  # that are measured, after a first step


class Steps:
    """Training steps of an architecture on the processor, with random images and weights of its own.

    The state of torch's random generator stays as it was.
    """

    def __init__(self, architecture: Architecture, settings: Settings):
        shape = architecture.input
        with torch.random.fork_rng(devices=[]):
            network = build(architecture)
            self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form
            self._optimizer = make_optimizer(network, settings.optimizer, settings.batch_size)
            x = torch.randn(settings.batch_size, shape.channels, shape.height, shape.width)
            self._x = x.contiguous(memory_format=torch.channels_last)

    def step(self) -> float:
        """Takes a step, and returns its seconds."""
        began = time.perf_counter()
        with torch.random.fork_rng(devices=[]):  # dropout draws
            outputs = self._network(self._x)
            values = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
            torch.autograd.backward(torch.stack([value.square().mean() for value in values]).sum())
            self._optimizer.step()
            self._optimizer.zero_grad()
        return time.perf_counter() - began


def images_per_second(architecture: Architecture, settings: Settings) -> float:
    """Of training steps on this machine. It takes a second or two."""
    with keep_freed_memory(), fused_batch_norm(settings.batch_norm != "torch"):
        steps = Steps(architecture, settings)
        steps.step()  # the first one takes longer
        seconds = [steps.step()]
        while sum(seconds) < SECONDS:
            seconds.append(steps.step())
    return settings.batch_size * len(seconds) / sum(seconds)
