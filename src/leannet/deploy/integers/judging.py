"""The pictures by which a network is changed for shipping, and those by which the change is judged."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leannet.console import Console
from leannet.deploy.artefact import as_floats
from leannet.header import Header
from leannet.runtime.engines import Floats

if TYPE_CHECKING:
    from leannet.data.split import Split

BATCH = 64
CALIBRATING = 16  # pictures at once, of which all values between layers are held


class Judging:
    """The pictures that calibrate a network and those that judge it: never the same ones.

    data: None: those of the run, its training and its validation part; other pictures: one half each.
    Raises LeannetError where there are none, or their classes are not the network's.
    """

    def __init__(self, header: Header, file: Path, data: str | None, calibration: int, console: Console):
        from leannet.data.loader import PictureSet
        from leannet.data.split import Split, membership, split
        from leannet.evaluation.labelled import opened

        where, found, renumber = opened(file, header, data, console)
        known = membership(found.digests, header.split.get("marks", {}))
        train, judge = np.flatnonzero(known.train), np.flatnonzero(known.validation)
        if not len(train) or not len(judge):
            halves = split(found.pictures, found.digests, (0.5, 0.5), 0)
            train, judge = halves.train, halves.validation
            console.say(f"{where}: not the pictures of the run: one half calibrates, the other judges")
        elif data is not None and (others := len(found.digests) - len(train) - len(judge) - int(known.test.sum())):
            console.say(f"{where}: {others:,} pictures that the run did not know are left out")
        self.where, self.pictures = where, found.pictures
        self._parts = Split(train, judge, np.empty(0, np.int64), None, 0, {}, {})
        some = np.sort(np.random.default_rng(0).permutation(train)[:calibration])
        self._set, self._preprocessing = PictureSet(found.pictures, header.preprocessing), header.preprocessing
        self._some, self._judge = some, judge
        self.judging_labels: NDArray[np.int64] = renumber[found.pictures.labels[judge]]
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

    def _batches(self, part: NDArray[np.int64], size: int) -> Iterator[Floats]:
        for start in range(0, len(part), size):
            images, _, _ = self._set.__getitems__([(int(index), 0) for index in part[start : start + size]])
            yield as_floats(images.permute(0, 2, 3, 1).numpy(), self._preprocessing)
