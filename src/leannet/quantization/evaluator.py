"""The images by which a network is calibrated for shipping, and those on which the result is evaluated."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leannet.artifact.artifact import normalized
from leannet.console import Console
from leannet.header import Header
from leannet.quantization.calibration import Calibration
from leannet.quantization.comparison import BoxComparison, ClassComparison, Comparison, decibels, relative_noise
from leannet.quantization.quantized import LayerNoise
from leannet.rows import Architecture
from leannet.runtime import Program, engine, machine
from leannet.runtime.engines import Floats
from leannet.runtime.folding import Weights
from leannet.tasks import Detection, task_of
from leannet.tasks.classification import softmax
from leannet.tasks.detection import in_both
from leannet.tasks.metrics import score

if TYPE_CHECKING:
    from leannet.data.split import Split

BATCH = 64
CALIBRATION_BATCH = 16  # smaller, since all values between layers are kept


class Evaluator:
    """The images that calibrate a network and those that evaluate it: never the same ones.

    data: None: those of the run, its training and its validation split; other images: one half each.
    Raises LeannetError where there are none, or their classes are not the network's.
    """

    def __init__(self, header: Header, file: Path, data: str | None, calibration: int, console: Console):
        from leannet.data.loader import PreparedDataset, cached
        from leannet.data.split import Split, membership, split_dataset
        from leannet.evaluation.labelled_images import scan_labelled

        where, scan = scan_labelled(file, header, data, console)
        known = membership(scan.digests, header.split.fingerprints)
        train, evaluation = np.flatnonzero(known.train), np.flatnonzero(known.validation)
        if not len(train) or not len(evaluation):
            halves = split_dataset(scan.dataset, scan.digests, (0.5, 0.5), 0)
            train, evaluation = halves.train, halves.validation
            console.say(f"{where}: not the images of the run: one half calibrates, the other evaluates")
        elif data is not None:
            others = len(scan.digests) - len(train) - len(evaluation) - int(known.test.sum())
            if others:
                console.say(f"{where}: {others:,} images that the run did not know are left out")
        self.where, self.scan, self.classes, self._console = where, scan, header.classes, console
        self._split = Split(train, evaluation, np.empty(0, np.int64), None, 0, {}, {})
        self._preprocessing, self.task = header.preprocessing, task_of(header)
        images = PreparedDataset(scan.dataset, header.preprocessing)  # used again and again, so decoded once
        (self._images,) = cached(images, sizes=scan.sizes, formats=scan.formats)
        self._calibration = np.sort(np.random.default_rng(0).permutation(train)[:calibration])
        self._evaluation = evaluation
        self.labels: NDArray[np.int64] = scan.dataset.labels[evaluation]
        self.calibration_images = len(self._calibration)
        self.layer_noise: dict[int, dict[str, LayerNoise]] = {}  # by bits of the weights, and by layer
        self._calibrated: tuple[Calibration, dict[str, tuple[float, float]]] | None = None

    def split(self) -> "Split":
        """All images that may calibrate as the training split, and those that evaluate as the validation split."""
        return self._split

    def calibrated(
        self, architecture: Architecture, weights: Weights
    ) -> tuple[Calibration, dict[str, tuple[float, float]]]:
        """The network observed on the images that calibrate, and its ranges: observed once, whatever engine asks."""
        if self._calibrated is None:
            number = -(-self.calibration_images // CALIBRATION_BATCH)
            tracked = self._console.track(self.calibration_batches(), number, "calibrating")
            calibration = Calibration(architecture, weights, tracked)
            self._calibrated = calibration, calibration.ranges()
        return self._calibrated

    def calibration_batches(self) -> Iterator[Floats]:
        """(N, C, H, W), normalized."""
        return self._batches(self._calibration, CALIBRATION_BATCH)

    def evaluation_batches(self) -> Iterator[Floats]:
        """(N, C, H, W), normalized."""
        return self._batches(self._evaluation, BATCH)

    def outputs(self, program: Program, engine_name: str, label: str) -> Floats:
        """A network's joined outputs (N, ...) for the images that evaluate. label: of the progress bar."""
        run = engine(engine_name).prepare(program, threads=machine().cores)
        count = -(-len(self._evaluation) // BATCH)
        batches = self._console.track(self.evaluation_batches(), count, label)
        return np.concatenate([self.task.joined(run(batch)) for batch in batches])

    def compare(self, before: Floats, after: Floats, rounded: Floats | None = None) -> Comparison:
        """Two networks by their outputs for the images that evaluate.

        rounded: of the float network that `after` is the rounding of, where it learned after `before`: what it learned
        is no noise.
        """
        if isinstance(self.task, Detection):
            return self._compare_boxes(self.task, before, after)
        labels = self.labels
        correct_before, correct_after = before.argmax(axis=1) == labels, after.argmax(axis=1) == labels
        return ClassComparison(
            before=score(softmax(before), labels, self.classes),
            after=score(softmax(after), labels, self.classes),
            lost=int((correct_before & ~correct_after).sum()),
            gained=int((~correct_before & correct_after).sum()),
            agreement=float((before.argmax(axis=1) == after.argmax(axis=1)).mean()),
            decibels=decibels(relative_noise(after, before if rounded is None else rounded)),
        )

    def _compare_boxes(self, task: Detection, before: Floats, after: Floats) -> BoxComparison:
        images = self.scan.dataset.keep(self._evaluation)
        likely = [task.likely(outputs, images) for outputs in (before, after)]
        both = sum(in_both(one, other) for one, other in zip(*likely, strict=True))
        number = sum(len(each.boxes) for answers in likely for each in answers)
        return BoxComparison(
            before=task.score(before, images),
            after=task.score(after, images),
            agreement=2 * both / number if number else 1.0,
        )

    def _batches(self, indices: NDArray[np.int64], size: int) -> Iterator[Floats]:
        for start in range(0, len(indices), size):
            images, _, _ = self._images.__getitems__([(int(index), 0) for index in indices[start : start + size]])
            yield normalized(images.permute(0, 2, 3, 1).numpy(), self._preprocessing)
