"""Batches of images that come one by one: one thread takes what is there and runs it at once."""

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
WAIT_S = 0.002  # for images that are on their way


class Answer(NamedTuple):
    """What the network says of one image, and when it was asked."""

    probabilities: Floats  # (classes,)
    began_s: float
    ended_s: float
    batch: int


@dataclass(frozen=True)
class _Waiting:
    image: NDArray[np.uint8]
    answer: "asyncio.Future[Answer]"


class Batcher:
    """Runs a network on up to `most` images at once, in a thread of its own.

    It never waits for an image alone: only where `coming` says that others are on their way, and then WAIT_S at most.
    """

    def __init__(
        self,
        network: Callable[[Sequence[NDArray[np.uint8]]], Floats],
        most: int,
        coming: Callable[[], int] = lambda: 0,
        observe: Callable[[int], None] = lambda size: None,
    ):
        """network: images (H, W, C) uint8 -> probabilities (N, classes). observe: told the size of each batch."""
        self._network, self._most, self._coming, self._observe = network, most, coming, observe
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="leannet-network", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Before the first image."""
        self._thread.start()

    def stop(self) -> None:
        """Answers what is there, and ends."""
        self._queue.put(None)
        self._thread.join()

    async def ask(self, image: NDArray[np.uint8]) -> Answer:
        """The answer for one image. Raises what the network raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(image, answer))
        return await answer

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, going_on = self._gather(first)
            self._run(batch)
            if not going_on:
                return

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        batch, until = [first], time.monotonic() + WAIT_S
        while len(batch) < self._most:
            left = until - time.monotonic()
            try:
                patient = left > 0 and self._coming() > 0
                more = self._queue.get(timeout=left) if patient else self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return batch, False
            batch.append(more)
        return batch, True

    def _run(self, batch: list[_Waiting]) -> None:
        began = time.monotonic()
        try:
            found = self._network([each.image for each in batch])
        except Exception as error:  # an engine's own; the next batch may be another matter
            for each in batch:
                _tell(each.answer, error)
            return
        ended = time.monotonic()
        self._observe(len(batch))
        for each, probabilities in zip(batch, found, strict=True):
            _tell(each.answer, Answer(probabilities, began, ended, len(batch)))


def _tell(future: "asyncio.Future[Answer]", found: Answer | Exception) -> None:
    def tell() -> None:
        if future.done():  # whoever asked is gone
            return
        if isinstance(found, Exception):
            future.set_exception(found)
        else:
            future.set_result(found)

    with suppress(RuntimeError):  # the loop is closed: the server has stopped
        future.get_loop().call_soon_threadsafe(tell)
