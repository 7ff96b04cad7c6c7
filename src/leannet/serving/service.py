"""What the server knows and does apart from HTTP: a network, its facts, and predictions within the limits."""

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.artifact.artifact import Artifact
from leannet.cost import count
from leannet.errors import LeannetError
from leannet.evaluation.predicted import Prediction, best_of
from leannet.runtime.engines import Floats
from leannet.serving.batching import Answer, Batcher
from leannet.serving.decoding import prepared
from leannet.serving.limits import Limits, Refused, busy
from leannet.serving.metrics import Metrics
from leannet.serving.multipart import harmless

Files = Sequence[tuple[str, bytes]]


class Service:
    """An artifact that answers. `start` before the first question, `stop` after the last."""

    def __init__(self, artifact: Artifact, limits: Limits, threads: int):
        """artifact: one that was opened from a file. Runs it once. Raises LeannetError where its engine is missing."""
        # Unless this is set before it starts, ONNX Runtime tells its maker of every session, and keeps files for that.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        self.artifact, self.limits, self.threads = artifact, limits, threads
        self.header, self.metrics = artifact.header, Metrics()
        self.facts = _facts(artifact)
        self.waiting = 0  # images accepted and not answered
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
        """Whether an image would be taken now."""
        return self._batcher.alive and self.waiting < self.limits.queue

    async def predict(self, files: Files, top: int) -> dict[str, Any]:
        """The answer to a request. Raises Refused for an image that cannot be read, and where the queue is full."""
        if self.waiting + len(files) > self.limits.queue:
            raise busy(f"the queue of {self.limits.queue} images is full")
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
        """The answer for one image, and the seconds it waited, was prepared, and was in the network."""
        came = time.monotonic()
        self._decoding += 1
        try:
            work = asyncio.get_running_loop().run_in_executor(self._pool, self._prepared, name, data)
            image, began, ended = await work
        finally:
            self._decoding -= 1
        answer = await self._batcher.ask(image)
        if not np.isfinite(answer.probabilities).all():
            raise Refused(422, f"{name}: expected probabilities, found what is no number: see leannet check ARTIFACT")
        waited = began - came + answer.began_s - ended
        return answer, (waited, ended - began, answer.ended_s - answer.began_s)

    def _prepared(self, name: str, data: bytes) -> tuple[NDArray[np.uint8], float, float]:
        began = time.monotonic()
        image = prepared(name, data, self.header.preprocessing, self.limits.pixels)
        return image, began, time.monotonic()

    def _network(self, images: Sequence[NDArray[np.uint8]]) -> Floats:
        return self.artifact.probabilities(np.stack(images), self.threads)


def _told(best: Sequence[Prediction], times: Sequence[tuple[float, float, float]]) -> dict[str, Any]:
    slowest = [round(1e3 * max(column), 3) for column in zip(*times, strict=True)]
    return {
        "predictions": [each.to_dict() for each in best],
        "milliseconds": dict(zip(("queue", "prepare", "network"), slowest, strict=True)),
    }


def _facts(artifact: Artifact) -> dict[str, Any]:
    """What may be told of the network. Where it comes from and what it was trained on stay at home."""
    if not artifact.digest:
        raise LeannetError("expected an artifact that was opened from a file, found one that was not saved")
    header = artifact.header
    cost = count(header.architecture)
    return {
        "name": header.architecture.name,
        "digest": artifact.digest,
        "classes": list(header.classes),
        "preprocessing": header.preprocessing.model_dump(mode="json"),
        "params": cost.params,
        "macs": cost.macs,
        "precision": artifact.precision,
        "size_bytes": artifact.size_bytes,
    }
