"""The server without HTTP: a network, what clients may know of it, and predictions within the limits."""

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
from leannet.runtime.engines import Floats
from leannet.serving.batching import Answer, Batcher
from leannet.serving.decoding import prepare_file
from leannet.serving.limits import Limits, Refused, busy
from leannet.serving.metrics import Metrics
from leannet.serving.multipart import safe_name

Files = Sequence[tuple[str, bytes]]
Size = tuple[int, int]  # width and height
Seconds = tuple[float, float, float]  # waiting, being prepared, and in the network


class Service:
    """An artifact that answers requests. Call `start` before the first and `stop` after the last."""

    def __init__(self, artifact: Artifact, limits: Limits, threads: int):
        """artifact: opened from a file. Runs it once. Raises LeannetError where its engine is missing."""
        # Unless this is set before it starts, ONNX Runtime reports every session to its maker.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        self.artifact, self.limits, self.threads = artifact, limits, threads
        self.header, self.metrics = artifact.header, Metrics()
        self.facts = _facts(artifact)
        self.waiting = 0  # images accepted and not answered
        self._decoding = 0  # of those, the ones still being decoded or prepared
        self._pool = ThreadPoolExecutor(threads, "leannet-decode")
        self._batcher = Batcher(self._network, limits.batch, lambda: self._decoding, self.metrics.batches.observe)
        preprocessing = self.header.preprocessing
        shape = (preprocessing.height, preprocessing.width, preprocessing.channels)
        self._network([np.zeros(shape, np.uint8)])  # the first run is the slowest

    def start(self) -> None:
        """Starts the network's thread."""
        self._batcher.start()

    def stop(self) -> None:
        """Ends all threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._batcher.stop()

    @property
    def ready(self) -> bool:
        """Whether an image would be accepted now."""
        return self._batcher.alive and self.waiting < self.limits.queue

    async def predict(self, files: Files, top: int | None) -> dict[str, Any]:
        """The answer to a request. Raises Refused for an image that cannot be read, and while the queue is full."""
        if self.waiting + len(files) > self.limits.queue:
            raise busy(f"the queue of {self.limits.queue} images is full")
        self.waiting += len(files)
        try:
            names = [safe_name(name) or f"image {number}" for number, (name, _) in enumerate(files)]
            asked = [self._answer(name, data) for name, (_, data) in zip(names, files, strict=True)]
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
        finally:
            self.waiting -= len(files)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        answers = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        task = self.artifact.task
        predictions = [
            task.answer(name, answer.values, size, task.most(top))
            for name, (answer, size, _) in zip(names, answers, strict=True)
        ]
        self.metrics.predictions.update(label for prediction in predictions for label in prediction.counted)
        return {
            "model": self.facts["name"],
            "predictions": [prediction.to_dict() for prediction in predictions],
            "milliseconds": _slowest([seconds for _, _, seconds in answers]),
        }

    async def _answer(self, name: str, data: bytes) -> tuple[Answer, Size, Seconds]:
        """The answer for one image, its size, and its times."""
        accepted = time.monotonic()
        self._decoding += 1
        try:
            image, size, began, ended = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._prepare, name, data
            )
        finally:
            self._decoding -= 1
        answer = await self._batcher.ask(image)
        if not np.isfinite(answer.values).all():
            raise Refused(422, f"{name}: expected finite answers, found NaN or infinity: run leannet check ARTIFACT")
        waited = began - accepted + answer.began_s - ended
        return answer, size, (waited, ended - began, answer.ended_s - answer.began_s)

    def _prepare(self, name: str, data: bytes) -> tuple[NDArray[np.uint8], Size, float, float]:
        began = time.monotonic()
        image, size = prepare_file(name, data, self.header.preprocessing, self.limits.pixels)
        return image, size, began, time.monotonic()

    def _network(self, images: Sequence[NDArray[np.uint8]]) -> Floats:
        return self.artifact.answers(np.stack(images), self.threads)


def _slowest(seconds: Sequence[Seconds]) -> dict[str, float]:
    """The longest time of any image, in milliseconds, for each stage."""
    longest = [round(1e3 * max(stage), 3) for stage in zip(*seconds, strict=True)]
    return dict(zip(("queue", "prepare", "network"), longest, strict=True))


def _facts(artifact: Artifact) -> dict[str, Any]:
    """What clients may know of the network. Its origin and its training data stay private."""
    if not artifact.digest:
        raise LeannetError(
            "expected an artifact that was opened from a file, found one that was not saved: save it first"
        )
    header = artifact.header
    cost = count(header.architecture)
    return {
        "name": header.architecture.name,
        "digest": artifact.digest,
        "task": artifact.task.name,
        "classes": list(header.classes),
        "preprocessing": header.preprocessing.model_dump(mode="json"),
        "params": cost.params,
        "macs": cost.macs,
        "precision": artifact.precision,
        "size_bytes": artifact.size_bytes,
    }
