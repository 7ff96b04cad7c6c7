"""Several processes as one: batch norm over all of them, and every validation image counted once."""

import atexit
import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from leannet import launcher
from leannet.errors import LeannetError

S = TypeVar("S")
T = TypeVar("T")
SMALL_BATCH = 16  # images in one process, below which batch norm is synchronised
SETTLE_SECONDS = 0.1  # dropping what was sent takes a thousandth of it


class _Sum(torch.autograd.Function):
    """The sum over processes; so is its gradient."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class SyncBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, on any device: torch's own refuses CPU tensors.

    State keys are those of BatchNorm2d, which it is in evaluation. Two exchanges a step, mean first, so that the
    variance is as exact as that of one process.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        half, x = x.dtype, x if x.dtype == torch.float64 else x.float()  # half precision cannot hold the sums
        size = x.shape[0] * x.shape[2] * x.shape[3]
        count = torch.full((1,), size, dtype=x.dtype, device=x.device)
        total = _sum(torch.cat([x.sum(dim=(0, 2, 3)), count]))
        number, mean = total[-1], total[:-1] / total[-1]
        centred = x - mean[:, None, None]
        variance = _sum(centred.square().sum(dim=(0, 2, 3))) / number
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * number / (number - 1), share)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(half)


@cache
def leave_together() -> None:
    """At the end of this program, leaves the other processes. To be called before they join.

    The group's threads must end before the interpreter does, or one that then asks for it ends the program by an abort.
    They end with the last reference to the group.
    """
    if launcher.world() > 1 or "RANK" in os.environ:
        import torch.distributed.nn.functional  # noqa: F401  # loaded later, its default arguments would hold the group
    atexit.register(_leave)


def _leave() -> None:
    if dist.is_available() and dist.is_initialized():
        gc.collect()
        dist.destroy_process_group()


def _sum(x: Tensor) -> Tensor:
    made: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]  # torch leaves it without types
    return made


def synchronize(network: nn.Module) -> None:
    """Puts SyncBatchNorm in the place of every batch norm, with its very weights and statistics."""
    for module in network.modules():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                other = SyncBatchNorm(child.num_features, child.eps, child.momentum)
                other._parameters, other._buffers = child._parameters, child._buffers
                module._modules[name] = other


def total(value: Tensor) -> Tensor:
    """The sum over processes, without a gradient; of one process the value itself."""
    if world() > 1:
        value = value.clone()
        dist.all_reduce(value)
    return value


def all_gather(indices: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of all processes in the order of their indices (0 to N - 1, each once); of one process its own."""
    parts: list[Any] = [(indices, values)]
    if world() > 1:
        parts = [None] * world()
        dist.all_gather_object(parts, (indices, values))
    parts = [part for part in parts if len(part[0])]
    order = np.concatenate([part[0] for part in parts])
    rows = np.concatenate([part[1] for part in parts])
    return np.asarray(rows[np.argsort(order, kind="stable")])


def shared_out(items: Sequence[S], work: Callable[[Sequence[S]], list[T]]) -> list[T]:
    """What some work gives for each item, in order: each process does a share of it, and all get the whole."""
    if world() == 1:
        return work(items)
    parts: list[Any] = [None] * world()
    dist.all_gather_object(parts, work(items[rank() :: world()]))
    made: list[Any] = [None] * len(items)
    for number, part in enumerate(parts):
        made[number :: world()] = part
    return made


def share_buffers(network: nn.Module) -> None:
    """Gives all processes the first one's statistics: those are what is saved, so those are what must be evaluated."""
    if world() > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, src=0)


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is. Also before they have joined: launchers say so in the environment."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank()
    return launcher.rank()


def same(value: Any) -> Any:
    """The first process's value, in all of them."""
    values = [value]
    if world() > 1:
        dist.broadcast_object_list(values, src=0)
    return values[0]


def main_process_first(do: Callable[[], T]) -> T:
    """What a function gives in the first process, in all of them. A LeannetError there is raised in all."""
    found: tuple[T | None, str | None] = None, None
    if rank() == 0:
        try:
            found = do(), None
        except LeannetError as error:
            found = None, str(error)
    value, problem = same(found)
    if problem is not None:
        raise LeannetError(problem)
    return cast(T, value)


def any_of(value: bool) -> bool:
    """Whether it is so in one of the processes at least."""
    return bool(total(torch.tensor(float(value))).item()) if world() > 1 else value


@contextmanager
def told_of_others() -> Iterator[None]:
    """Raises LeannetError where another process of this training has ended, which shows in whatever waits for it."""
    try:
        yield
    except RuntimeError as error:
        if world() == 1 or not (isinstance(error, dist.DistError) or "gloo" in str(error) or "NCCL" in str(error)):
            raise
        raise LeannetError(
            f"another of the {world()} processes that train together has ended; what was saved stays"
        ) from None


def settle() -> None:
    """Lets the threads that talk to the other processes come to rest. To be called before worker processes are forked.

    Those threads drop what they have sent after the exchange has returned, and need Python for it. Python 3.11, forked
    in the midst of that, leaves a child that waits for ever for its own list of threads, and so does all the training.
    """
    if world() > 1:
        time.sleep(SETTLE_SECONDS)


def barrier() -> None:
    """Waits until all processes are here."""
    if world() > 1:
        dist.barrier()
