"""The images of a run: listed, read once, and split."""

from dataclasses import replace

import numpy as np

from leannet.console import Console
from leannet.data.dataset import Dataset
from leannet.data.scan import Scan, scan
from leannet.data.sources import open_dataset
from leannet.data.split import Split
from leannet.header import Header
from leannet.training import processes
from leannet.training.settings import Settings

CLASSES = 10  # names shown


class Reader:
    """Reads the images of settings, and keeps the result for the next run on the same images."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._scan: Scan | None = None

    def read(self, settings: Settings, console: Console, known: Header | None = None) -> Scan:
        """The scan of all images.

        known: the header of an existing network, whose class numbers are used. Raises LeannetError as `scan` does.
        """
        if self._scan is None or self._settings is None or _reads(settings) != _reads(self._settings):
            self._settings, self._scan = settings, _read(settings, console)
        if known is None:
            return self._scan
        dataset = self._scan.dataset.numbered_as(known.classes, "this run")
        return replace(self._scan, dataset=dataset, grey_range=known.preprocessing.grey_range)


def _reads(settings: Settings) -> tuple[object, ...]:
    """The settings that determine which images are read, and how."""
    return settings.data, settings.reading, settings.skip, settings.limit, settings.seed, settings.color


def _read(settings: Settings, console: Console) -> Scan:
    dataset = open_dataset(settings.data, settings.reading).without(settings.skip)
    if settings.limit:
        dataset = _limited(dataset, settings.limit, settings.seed)
    names = ", ".join(dataset.classes[:CLASSES]) + (", ..." if len(dataset.classes) > CLASSES else "")
    size = f"{len(dataset):,} images, {len(dataset.classes)} classes ({names})"
    console.say(f"{settings.data}: {dataset.kind}, {size}")
    scanned = scan(dataset, console.reading, color=settings.color, shared_by=processes.map_over_processes)
    for line in scanned.lines():
        console.say(f"  {line}", style="yellow")
    return scanned


def _limited(dataset: Dataset, limit: int, seed: int) -> Dataset:
    """About `limit` images, each class of each split in proportion, with at least two of each."""
    order = np.random.default_rng(seed).permutation(len(dataset))
    groups: dict[tuple[str | None, int], list[int]] = {}
    for index in order.tolist():
        groups.setdefault((dataset.splits[index], int(dataset.labels[index])), []).append(index)
    share = min(1.0, limit / max(len(dataset), 1))
    return dataset.keep(sorted(i for group in groups.values() for i in group[: max(2, round(share * len(group)))]))


def report_split(console: Console, scan: Scan, split: Split) -> None:
    """Prints how the images were split."""
    how = "as the data comes" if split.ratio is None else f"by content, seed {split.seed}"
    sizes = f"{len(split.train):,} to train on, {len(split.validation):,} to validate on"
    console.say(f"split {how}: {sizes}" + (f", {len(split.test):,} to test on" if len(split.test) else ""))
    if split.dropped:
        names = ", ".join(scan.dataset.names[i] for i in split.dropped[:3])
        console.say(
            f"  {len(split.dropped)} images that have another label in a later split are left out: {names}",
            style="yellow",
        )
    in_both = {scan.digests[i] for i in split.train} & {scan.digests[i] for i in (*split.validation, *split.test)}
    if in_both:
        console.say(
            f"  {len(in_both)} images have identical copies in the training split and in another one", style="yellow"
        )
