"""Labelled images to evaluate a network on, and which split of its data they are."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leannet.console import Console
from leannet.data.dataset import Dataset
from leannet.data.scan import Scan, report_left_out, report_skipped, scan
from leannet.data.sources import ReadingOptions, open_dataset
from leannet.data.split import SPLIT_NAMES, is_known, membership
from leannet.errors import LeannetError, command_line
from leannet.header import Header
from leannet.tasks import task_of


@dataclass(frozen=True)
class LabelledImages:
    """Some of a set of images, whose classes have the network's numbers. labels: (N,), one an index."""

    data: str
    split: str  # "all" of the data given that did not train the network, or a recorded split of the data of the run
    why: str
    dataset: Dataset
    indices: NDArray[np.int64]
    skipped: list[dict[str, str]]  # images that cannot be read
    left_out: list[dict[str, Any]]  # what is no labelled image, by reason

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.dataset.labels[self.indices]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.dataset.names[i] for i in self.indices)

    def only(self, indices: NDArray[np.int64]) -> Self:
        """The same with these."""
        return replace(self, indices=indices)


def reading_of(header: Header) -> ReadingOptions:
    """How the data that trained a network was read; other data is read so where it can be."""
    return ReadingOptions(**{"task": task_of(header).name, **header.provenance.reading}, strict=False)


def scan_labelled(
    file: Path, header: Header, data: str | None, console: Console, options: ReadingOptions | None = None
) -> tuple[str, Scan]:
    """Where the images are, and what was found there, with the network's numbers of classes.

    data: None: those of the checkpoint. options: None: as what trained the network was read.
    Raises LeannetError where there are none, or a class is not the checkpoint's.
    """
    where = data or header.provenance.data
    if not where:
        raise LeannetError(f"{file}: says nothing of the data it was trained on: name some")
    if data is None and where != "digits" and not Path(where).exists():
        here = command_line("evaluate", file, "FOLDER")
        raise LeannetError(f"{where}: not there any more; where its images are now (known by content): {here}")
    reading = reading_of(header) if options is None else replace(options, task=task_of(header).name)
    dataset = open_dataset(where, reading).numbered_as(header.classes, str(file))
    task_of(header).check(dataset)
    preprocessing = header.preprocessing
    scanned = scan(
        dataset,
        console.reading,
        training=False,
        color=preprocessing.color,
        grey_range=preprocessing.grey_range,
        is_known=is_known(header.split.fingerprints),
    )
    for line in scanned.lines():
        console.say(f"  {line}", style="yellow")
    return where, scanned


def labelled_images(
    file: Path,
    header: Header,
    data: str | None,
    split: str | None,
    console: Console,
    options: ReadingOptions | None = None,
) -> LabelledImages:
    """The images to evaluate a checkpoint on: of its own data the validation split, of other data all.

    Raises LeannetError where the classes are not the checkpoint's, or no image is left.
    """
    where, scanned = scan_labelled(file, header, data, console, options)
    name, why, indices = _which_split(scanned, header, split, where, of_run=data is None)
    if why:
        console.say(why, style="yellow")
    return LabelledImages(where, name, why, scanned.dataset, indices, report_skipped(scanned), report_left_out(scanned))


def _which_split(
    scanned: Scan, header: Header, split: str | None, where: str, of_run: bool
) -> tuple[str, str, NDArray[np.int64]]:
    """The split to score, why, and its images: never a training image unless they are asked for by name."""
    known = membership(scanned.digests, header.split.fingerprints)
    members = {name: np.flatnonzero(getattr(known, name)) for name in SPLIT_NAMES}
    number, trained = len(scanned.dataset), len(members["train"])
    if split is not None:
        if not len(members[split]):
            has = ", ".join(name for name in SPLIT_NAMES if len(members[name])) or "none of its images"
            raise LeannetError(f"{where}: the run has no {split} image there; it has {has}")
        return split, "", members[split]
    if trained or of_run:
        if len(members["validation"]):
            scored = len(members["validation"])
            why = f"{trained:,} of the {number:,} images trained this network: only its validation split is scored"
            return "validation", f"{why}, {scored:,}", members["validation"]
        if of_run:
            raise LeannetError(f"{where}: the images of the run are not there any more: name some to score")
    others = np.flatnonzero(~known.train & known.decidable)
    if not len(others):
        raise LeannetError(f"{where}: these are images it was trained on; if you mean it, say --split train")
    for name in ("validation", "test"):
        if len(members[name]) == number:
            return name, f"{where} is of the {name} split of the run", members[name]
    left_out = number - len(others)
    why = f"{left_out:,} of the {number:,} images trained this network, or may have, and are left out"
    return "all", why if left_out else "", others
