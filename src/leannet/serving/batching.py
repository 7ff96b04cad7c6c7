"""Batches of images that arrive one by one: a thread takes those that are ready and runs them together."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
WAIT_S = 0.002  # at most, for images that are still being prepared


class Answer(NamedTuple):
    """The network's answer for one image, and when it ran."""

    values: Floats  # the task's answers, of a classifier (classes,)
    began_s: float
    ended_s: float
    batch: int  # images in the same run


@dataclass(frozen=True)
class _Job:
    image: NDArray[np.uint8]
    future: "asyncio.Future[Answer]"


class Batcher:
    """Runs a network on up to `max_batch` images at once, in a thread of its own.

    An image waits for others only while `pending` says that some are being prepared, and then WAIT_S at most.
    """

    def __init__(
        self,
        network: Callable[[Sequence[NDArray[np.uint8]]], Floats],
        max_batch: int,
        pending: Callable[[], int] = lambda: 0,
        observe: Callable[[int], None] = lambda size: None,
    ):
        """network: images (H, W, C) uint8 -> the task's answers (N, ...). observe: called with each batch size."""
        self._network, self._max_batch, self._pending, self._observe = network, max_batch, pending, observe
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="leannet-network", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Starts the thread. Call it before the first image."""
        self._thread.start()

    def stop(self) -> None:
        """Answers what is in the queue, then ends the thread."""
        self._queue.put(None)
        self._thread.join()

    async def ask(self, image: NDArray[np.uint8]) -> Answer:
        """The answer for one image. Raises what the network raises."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.put(_Job(image, future))
        return await future

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, stopping = self._gather(first)
            self._run(batch)
            if stopping:
                return

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        """A batch that begins with `first`, and whether the thread is to end after it."""
        batch, deadline = [first], time.monotonic() + WAIT_S
        while len(batch) < self._max_batch:
            remaining_s = deadline - time.monotonic()
            try:
                may_wait = remaining_s > 0 and self._pending() > 0
                job = self._queue.get(timeout=remaining_s) if may_wait else self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _run(self, batch: list[_Job]) -> None:
        began = time.monotonic()
        try:
            values = self._network([job.image for job in batch])
        except Exception as error:  # whatever the engine raises; the next batch may well succeed
            for job in batch:
                _settle(job.future, error)
            return
        ended = time.monotonic()
        self._observe(len(batch))
        for job, row in zip(batch, values, strict=True):
            _settle(job.future, Answer(row, began, ended, len(batch)))


def _settle(future: "asyncio.Future[Answer]", outcome: Answer | Exception) -> None:
    """Gives a future its result or exception, from the network's thread."""

    def settle() -> None:
        if future.done():  # the client has left
            return
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    with suppress(RuntimeError):  # the loop is closed: the server has stopped
        future.get_loop().call_soon_threadsafe(settle)
