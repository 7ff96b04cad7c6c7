"""The images by which a network is changed for shipping, and those by which the change is judged."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leannet.artifact.base import as_floats, softmax
from leannet.console import Console
from leannet.evaluation.metrics import Scores, score
from leannet.header import Header
from leannet.runtime import Program, engine, machine
from leannet.runtime.engines import Floats

if TYPE_CHECKING:
    from leannet.data.split import Split

BATCH = 64
CALIBRATING = 16  # images at once, of which all values between layers are held


@dataclass(frozen=True, kw_only=True)
class Paired:
    """A network before and after a change, judged on the same images."""

    before: Scores
    after: Scores
    lost: int  # images that are right before only
    gained: int  # images that are right after only
    agreement: float  # share of the images that keep their class, right or wrong

    @property
    def drop(self) -> float:
        """Points of accuracy lost."""
        return 100 * (self.lost - self.gained) / self.before.images

    @property
    def drop_error(self) -> float:
        """Its standard error, in points: of a difference of paired answers (McNemar 1947)."""
        n = self.before.images
        return 100 * math.sqrt(max(self.lost + self.gained - (self.lost - self.gained) ** 2 / n, 0.0)) / n

    def holds(self, max_drop: float, min_agreement: float) -> bool:
        """Whether it costs no more than so many points, and so many (0 to 1) of the images keep their class."""
        return self.drop <= max_drop and self.agreement >= min_agreement


class Judging:
    """The images that calibrate a network and those that judge it: never the same ones.

    data: None: those of the run, its training and its validation part; other images: one half each.
    Raises LeannetError where there are none, or their classes are not the network's.
    """

    def __init__(self, header: Header, file: Path, data: str | None, calibration: int, console: Console):
        from leannet.data.loader import PreparedDataset
        from leannet.data.split import Split, membership, split_dataset
        from leannet.evaluation.labelled import opened

        where, found, renumber = opened(file, header, data, console)
        known = membership(found.digests, header.split.fingerprints)
        train, judge = np.flatnonzero(known.train), np.flatnonzero(known.validation)
        if not len(train) or not len(judge):
            halves = split_dataset(found.dataset, found.digests, (0.5, 0.5), 0)
            train, judge = halves.train, halves.validation
            console.say(f"{where}: not the images of the run: one half calibrates, the other judges")
        elif data is not None and (others := len(found.digests) - len(train) - len(judge) - int(known.test.sum())):
            console.say(f"{where}: {others:,} images that the run did not know are left out")
        self.where, self.dataset, self.classes, self._console = where, found.dataset, header.classes, console
        self._parts = Split(train, judge, np.empty(0, np.int64), None, 0, {}, {})
        some = np.sort(np.random.default_rng(0).permutation(train)[:calibration])
        self._set, self._preprocessing = PreparedDataset(found.dataset, header.preprocessing), header.preprocessing
        self._some, self._judge = some, judge
        self.judging_labels: NDArray[np.int64] = renumber[found.dataset.labels[judge]]
        self.calibrating_number = len(some)
        self.calibrating_batches, self.judging_batches = -(-len(some) // CALIBRATING), -(-len(judge) // BATCH)

    def split(self) -> "Split":
        """All that may calibrate as the training part, and those that judge as the validation part."""
        return self._parts

    def calibrating(self) -> Iterator[Floats]:
        """(N, C, H, W), normalised."""
        return self._batches(self._some, CALIBRATING)

    def judging(self) -> Iterator[Floats]:
        """(N, C, H, W), normalised."""
        return self._batches(self._judge, BATCH)

    def outputs(self, program: Program, engine_: str, label: str) -> Floats:
        """What a network makes of those that judge, (N, classes). label: of the progress bar."""
        run = engine(engine_).prepare(program, threads=machine().cores)
        batches = self._console.track(self.judging(), self.judging_batches, label)
        return np.concatenate([run(batch)[0] for batch in batches])

    def paired(self, before: Floats, after: Floats) -> Paired:
        """Two networks' outputs for those that judge, compared."""
        labels = self.judging_labels
        right, still = before.argmax(axis=1) == labels, after.argmax(axis=1) == labels
        return Paired(
            before=score(softmax(before), labels, self.classes),
            after=score(softmax(after), labels, self.classes),
            lost=int((right & ~still).sum()),
            gained=int((~right & still).sum()),
            agreement=float((before.argmax(axis=1) == after.argmax(axis=1)).mean()),
        )

    def _batches(self, part: NDArray[np.int64], size: int) -> Iterator[Floats]:
        for start in range(0, len(part), size):
            images, _, _ = self._set.__getitems__([(int(index), 0) for index in part[start : start + size]])
            yield as_floats(images.permute(0, 2, 3, 1).numpy(), self._preprocessing)
