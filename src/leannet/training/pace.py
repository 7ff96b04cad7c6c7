"""How fast this machine trains a network, measured by a few steps."""

import time

import torch
import torch.nn.functional as F

from leannet.network import build
from leannet.rows import Architecture
from leannet.training.memory import keep_freed_memory
from leannet.training.optimizing import make_optimizer
from leannet.training.settings import Settings

SECONDS = 1.0  # that are measured, after a first step
CLASSES = 10


def images_per_second(architecture: Architecture, settings: Settings) -> float:
    """Of training steps on the processor, with random images and weights. It takes a second or two.

    The state of torch's random generator stays as it was.
    """
    shape = architecture.input
    with torch.random.fork_rng(devices=[]), keep_freed_memory():
        network = build(architecture.with_classes(CLASSES)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form
        optimizer = make_optimizer(network, settings.optimizer, settings.batch_size)
        x = torch.randn(settings.batch_size, shape.channels, shape.height, shape.width)
        x = x.contiguous(memory_format=torch.channels_last)
        labels = torch.randint(0, CLASSES, (settings.batch_size,))
        steps, began = -1, time.perf_counter()
        while steps < 1 or time.perf_counter() - began < SECONDS:
            torch.autograd.backward(F.cross_entropy(network(x), labels))
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
            if steps == 0:
                began = time.perf_counter()
        return steps * settings.batch_size / (time.perf_counter() - began)
