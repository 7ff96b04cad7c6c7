"""How fast this machine trains a network, measured by steps apart from the training."""

import os
import time
from statistics import median

import torch

from leannet.blocks.fused import fused_batch_norm
from leannet.console import Console
from leannet.network import build
from leannet.rows import Architecture
from leannet.runtime.processor import has_bfloat16
from leannet.tasks import finds_boxes
from leannet.training import processes
from leannet.training.memory import keep_freed_memory
from leannet.training.optimizing import make_optimizer
from leannet.training.settings import Settings

SECONDS = 1.0  # that are measured, after a first step
ROUNDS = 3  # steps in each precision, in turns
PART_IMAGES = 32  # of such a step, at most
CLEARLY = 1.1  # times as fast


def thread_numbers(settings: Settings) -> list[int]:
    """The numbers of threads that leannet chooses from: of one process, on the processor, where nobody has chosen.

    Empty: it is not for leannet to choose.
    """
    chosen = settings.threads or "OMP_NUM_THREADS" in os.environ or "MKL_NUM_THREADS" in os.environ
    is_open = not chosen and processes.world() == 1 and (settings.cpu or not torch.accelerator.is_available())
    return sorted({1, torch.get_num_threads()}) if is_open else []


class Steps:
    """Training steps of an architecture on the processor, with random images and weights of its own.

    The state of torch's random generator stays as it was.
    """

    def __init__(self, architecture: Architecture, settings: Settings, images: int | None = None):
        """images: of a step, in one part. None: as many, and in as many parts, as the settings say."""
        shape = architecture.input
        dtype = torch.float64 if settings.precision == "fp64" else torch.float32
        self._parts = settings.accumulate if images is None else 1
        self._precision = torch.bfloat16 if settings.precision == "bf16" else None
        images = max(settings.batch_size // settings.accumulate, 2) if images is None else images
        with torch.random.fork_rng(devices=[]):
            network = build(architecture)
            self._network = network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this form
            self._optimizer = make_optimizer(network, settings.optimizer, settings.batch_size)
            x = torch.randn(images, shape.channels, shape.height, shape.width, dtype=dtype)
            self._x = x.contiguous(memory_format=torch.channels_last)

    def step(self) -> float:
        """Takes a step, and returns its seconds."""
        began = time.perf_counter()
        with torch.random.fork_rng(devices=[]):  # dropout draws
            for _ in range(self._parts):
                with torch.autocast("cpu", self._precision, enabled=self._precision is not None):
                    outputs = self._network(self._x)
                values = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
                torch.autograd.backward(torch.stack([value.float().square().mean() for value in values]).sum())
            self._optimizer.step()
            self._optimizer.zero_grad()
        return time.perf_counter() - began


def images_per_second(architecture: Architecture, settings: Settings) -> float:
    """Of training steps on this machine, with the number of threads that is faster. It takes a few seconds."""
    before = torch.get_num_threads()
    numbers = thread_numbers(settings) or [settings.threads or before]
    seconds: dict[int, list[float]] = {number: [] for number in reversed(numbers)}
    with keep_freed_memory(), fused_batch_norm(settings.batch_norm != "torch"):
        steps = Steps(architecture, settings)
        steps.step()  # the first one takes longer
        try:
            while not all(seconds.values()) or min(map(sum, seconds.values())) < SECONDS / len(numbers):
                for number, times in seconds.items():
                    torch.set_num_threads(number)
                    times.append(steps.step())
        finally:
            torch.set_num_threads(before)
    return settings.batch_size / min(sum(times) / len(times) for times in seconds.values())


def with_precision(architecture: Architecture, settings: Settings, console: Console) -> Settings:
    """The settings with a precision, where they have none: bfloat16, where time is limited and it is clearly faster.

    Not for boxes, of which 8 bits are half a pixel.
    """
    if settings.precision is not None:
        return settings
    settings = settings.model_copy(update={"precision": "no"})
    is_open = settings.time is not None and processes.world() == 1 and not settings.compile and has_bfloat16()
    on_processor = settings.cpu or not torch.accelerator.is_available()
    if not is_open or not on_processor or finds_boxes(architecture):
        return settings
    in_half = settings.model_copy(update={"precision": "bf16"})
    images = min(settings.batch_size, PART_IMAGES)
    with keep_freed_memory(), fused_batch_norm(settings.batch_norm != "torch"):
        steps = Steps(architecture, settings, images), Steps(architecture, in_half, images)
        rounds = [[each.step() for each in steps] for _ in range(1 + ROUNDS)][1:]  # the first ones take longer
    gain = median(plain for plain, _ in rounds) / median(half for _, half in rounds)
    if gain < CLEARLY:
        return settings
    console.say(f"  mixed precision, bfloat16: {gain:.1f} times as fast here; --precision no trains in float32")
    return in_half
