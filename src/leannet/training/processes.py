"""Training in several processes: synchronized batch norm, and every validation image counted once."""

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
Number = TypeVar("Number", bound=np.generic)
SMALL_BATCH = 16  # images per process, below which batch norm is synchronized
SETTLE_SECONDS = 0.1  # a thousand times what the threads need to release their buffers


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
    """Batch norm over the batches of all processes, on any device: torch's own does not accept CPU tensors.

    Its state keys are those of BatchNorm2d, as which it evaluates. Each step exchanges the mean first and then the
    variance, which is thus as accurate as in one process.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        input_dtype, x = x.dtype, x if x.dtype == torch.float64 else x.float()  # half precision cannot hold the sums
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
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input_dtype)


@cache
def leave_group_at_exit() -> None:
    """Destroys the process group when this program exits. To be called before the processes join.

    The group's threads must end before the interpreter does: one that needs it afterwards aborts the program. They end
    with the last reference to the group.
    """
    if launcher.world() > 1 or "RANK" in os.environ:
        import torch.distributed.nn.functional  # noqa: F401  # loaded later, its default arguments would hold the group
    atexit.register(_leave)


def _leave() -> None:
    if dist.is_available() and dist.is_initialized():
        gc.collect()
        dist.destroy_process_group()


def _sum(x: Tensor) -> Tensor:
    summed: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]  # torch leaves it without types
    return summed


def convert_sync_batch_norm(network: nn.Module) -> None:
    """Replaces every batch norm by a SyncBatchNorm with the same weights and statistics, not copies of them."""
    for module in network.modules():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                sync_norm = SyncBatchNorm(child.num_features, child.eps, child.momentum)
                sync_norm._parameters, sync_norm._buffers = child._parameters, child._buffers
                module._modules[name] = sync_norm


def all_reduce_sum(value: Tensor) -> Tensor:
    """The sum over processes, without a gradient; in one process the value itself."""
    if world() > 1:
        value = value.clone()
        dist.all_reduce(value)
    return value


def all_gather(indices: NDArray[np.int64], values: NDArray[Number]) -> NDArray[Number]:
    """The rows of all processes in the order of their indices (0 to N - 1, each once)."""
    gathered: list[Any] = [(indices, values)]
    if world() > 1:
        gathered = [None] * world()
        dist.all_gather_object(gathered, (indices, values))
    gathered = [share for share in gathered if len(share[0])]
    order = np.concatenate([share[0] for share in gathered])
    rows = np.concatenate([share[1] for share in gathered])
    return np.asarray(rows[np.argsort(order, kind="stable")])


def map_over_processes(items: Sequence[S], work: Callable[[Sequence[S]], list[T]]) -> list[T]:
    """The results of `work` for all items, in order: each process works on a share, and all get the whole list."""
    if world() == 1:
        return work(items)
    gathered: list[Any] = [None] * world()
    dist.all_gather_object(gathered, work(items[rank() :: world()]))
    results: list[Any] = [None] * len(items)
    for number, share in enumerate(gathered):
        results[number :: world()] = share
    return results


def broadcast_buffers(network: nn.Module) -> None:
    """Gives all processes the main process's buffers: those are saved, so those must be evaluated."""
    if world() > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, src=0)


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The rank of this process; before the processes have joined, from the launcher's environment."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank()
    return launcher.rank()


def broadcast(value: Any) -> Any:
    """The main process's value, in all processes."""
    values = [value]
    if world() > 1:
        dist.broadcast_object_list(values, src=0)
    return values[0]


def main_process_first(function: Callable[[], T]) -> T:
    """Runs a function in the main process only; all processes get its result, or its LeannetError."""
    outcome: tuple[T | None, str | None] = None, None
    if rank() == 0:
        try:
            outcome = function(), None
        except LeannetError as error:
            outcome = None, str(error)
    value, problem = broadcast(outcome)
    if problem is not None:
        raise LeannetError(problem)
    return cast(T, value)


def any_process(value: bool) -> bool:
    """Whether a value is true in at least one process."""
    return bool(all_reduce_sum(torch.tensor(float(value))).item()) if world() > 1 else value


@contextmanager
def raise_process_failures() -> Iterator[None]:
    """Raises LeannetError if another process has ended, which torch reports from any call that waits for it."""
    try:
        yield
    except RuntimeError as error:
        if world() == 1 or not (isinstance(error, dist.DistError) or "gloo" in str(error) or "NCCL" in str(error)):
            raise
        raise LeannetError(
            f"another of the {world()} processes that train together has ended; what was saved stays"
        ) from None


def settle_threads() -> None:
    """Waits until the communication threads are idle. To be called before worker processes are forked.

    Those threads release sent buffers after an exchange has returned, for which they need the GIL. If Python 3.11 forks
    meanwhile, the child waits forever for the lock of its own thread list, and all of the training with it.
    """
    if world() > 1:
        time.sleep(SETTLE_SECONDS)


def barrier() -> None:
    """Waits until all processes have called this."""
    if world() > 1:
        dist.barrier()
