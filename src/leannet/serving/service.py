"""What the server knows and does apart from HTTP: a network, its facts, and predictions within the limits."""

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.artifact.base import Artefact
from leannet.cost import count
from leannet.errors import LeannetError
from leannet.evaluation.answers import Prediction, best_of
from leannet.runtime.engines import Floats
from leannet.serving.batching import Answer, Batcher
from leannet.serving.decoding import prepared
from leannet.serving.limits import Limits, Refused, busy
from leannet.serving.metrics import Metrics
from leannet.serving.multipart import harmless

Files = Sequence[tuple[str, bytes]]


class Service:
    """An artefact that answers. `start` before the first question, `stop` after the last."""

    def __init__(self, artefact: Artefact, limits: Limits, threads: int):
        """artefact: one that was opened from a file. Runs it once. Raises LeannetError where its engine is missing."""
        # Unless this is set before it starts, ONNX Runtime tells its maker of every session, and keeps files for that.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        self.artefact, self.limits, self.threads = artefact, limits, threads
        self.header, self.metrics = artefact.header, Metrics()
        self.facts = _facts(artefact)
        self.waiting = 0  # pictures accepted and not answered
        self._decoding = 0  # of them, those that the network cannot take yet
        self._pool = ThreadPoolExecutor(threads, "leannet-decode")
        self._batcher = Batcher(self._network, limits.batch, lambda: self._decoding, self.metrics.batches.observe)
        take = self.header.preprocessing
        self._network([np.zeros((take.height, take.width, take.channels), np.uint8)])  # the first run is the slowest

    def start(self) -> None:
        """Starts the network's thread."""
        self._batcher.start()

    def stop(self) -> None:
        """Ends all threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._batcher.stop()

    @property
    def ready(self) -> bool:
        """Whether a picture would be taken now."""
        return self._batcher.alive and self.waiting < self.limits.queue

    async def predict(self, files: Files, top: int) -> dict[str, Any]:
        """The answer to a request. Raises Refused for a picture that cannot be read, and where the queue is full."""
        if self.waiting + len(files) > self.limits.queue:
            raise busy(f"the queue of {self.limits.queue} pictures is full")
        self.waiting += len(files)
        try:
            names = [harmless(name) or f"image {number}" for number, (name, _) in enumerate(files)]
            asked = [self._one(name, data) for name, (_, data) in zip(names, files, strict=True)]
            found = await asyncio.gather(*asked, return_exceptions=True)
        finally:
            self.waiting -= len(files)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        answered = [each for each in found if not isinstance(each, BaseException)]
        best = [
            best_of(name, answer.probabilities, self.header, top)
            for name, (answer, _) in zip(names, answered, strict=True)
        ]
        self.metrics.predictions.update(each.classes[0] for each in best)
        return {"model": self.facts["name"], **_told(best, [times for _, times in answered])}

    async def _one(self, name: str, data: bytes) -> tuple[Answer, tuple[float, float, float]]:
        """The answer for one picture, and the seconds it waited, was prepared, and was in the network."""
        came = time.monotonic()
        self._decoding += 1
        try:
            work = asyncio.get_running_loop().run_in_executor(self._pool, self._prepared, name, data)
            picture, began, ended = await work
        finally:
            self._decoding -= 1
        answer = await self._batcher.ask(picture)
        if not np.isfinite(answer.probabilities).all():
            raise Refused(422, f"{name}: expected probabilities, found what is no number: see leannet check ARTEFACT")
        waited = began - came + answer.began_s - ended
        return answer, (waited, ended - began, answer.ended_s - answer.began_s)

    def _prepared(self, name: str, data: bytes) -> tuple[NDArray[np.uint8], float, float]:
        began = time.monotonic()
        picture = prepared(name, data, self.header.preprocessing, self.limits.pixels)
        return picture, began, time.monotonic()

    def _network(self, pictures: Sequence[NDArray[np.uint8]]) -> Floats:
        return self.artefact.probabilities(np.stack(pictures), self.threads)


def _told(best: Sequence[Prediction], times: Sequence[tuple[float, float, float]]) -> dict[str, Any]:
    slowest = [round(1e3 * max(column), 3) for column in zip(*times, strict=True)]
    return {
        "predictions": [each.to_dict() for each in best],
        "milliseconds": dict(zip(("queue", "prepare", "network"), slowest, strict=True)),
    }


def _facts(artefact: Artefact) -> dict[str, Any]:
    """What may be told of the network. Where it comes from and what it was trained on stay at home."""
    if not artefact.digest:
        raise LeannetError("expected an artefact that was opened from a file, found one that was not saved")
    header = artefact.header
    cost = count(header.architecture)
    return {
        "name": header.architecture.name,
        "digest": artefact.digest,
        "classes": list(header.classes),
        "preprocessing": header.preprocessing.model_dump(mode="json"),
        "params": cost.params,
        "macs": cost.macs,
        "precision": artefact.precision,
        "size_bytes": artefact.size_bytes,
    }
