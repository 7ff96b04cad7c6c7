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

CLASSES = 10  # that are named


class Reader:
    """Reads the images that settings name, and keeps what it found for the next run on the same ones."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._scan: Scan | None = None

    def read(self, settings: Settings, console: Console, known: Header | None = None) -> Scan:
        """What a reading of every image found.

        known: of a network that is there already: classes have its numbers, however the data would number them now.
        Raises LeannetError as `scan` does.
        """
        if self._scan is None or self._settings is None or _reads(settings) != _reads(self._settings):
            self._settings, self._scan = settings, _read(settings, console)
        if known is None:
            return self._scan
        dataset = self._scan.dataset.numbered_as(known.classes, "this run")
        return replace(self._scan, dataset=dataset, grey_range=known.preprocessing.grey_range)


def _reads(settings: Settings) -> tuple[object, ...]:
    """The settings that say which images are read, and how."""
    return settings.data, settings.reading, settings.skip, settings.limit, settings.seed, settings.color


def _read(settings: Settings, console: Console) -> Scan:
    dataset = open_dataset(settings.data, settings.reading).without(settings.skip)
    if settings.limit:
        dataset = _some(dataset, settings.limit, settings.seed)
    names = ", ".join(dataset.classes[:CLASSES]) + (", ..." if len(dataset.classes) > CLASSES else "")
    size = f"{len(dataset):,} images, {len(dataset.classes)} classes ({names})"
    console.say(f"{settings.data}: {dataset.kind}, {size}")
    found = scan(dataset, console.reading, color=settings.color, shared_by=processes.shared_out)
    for line in found.lines():
        console.say(f"  {line}", style="yellow")
    return found


def _some(dataset: Dataset, limit: int, seed: int) -> Dataset:
    """About so many images, each class of each split in its proportion, and two of each at least."""
    order = np.random.default_rng(seed).permutation(len(dataset))
    groups: dict[tuple[str | None, int], list[int]] = {}
    for index in order.tolist():
        groups.setdefault((dataset.splits[index], int(dataset.labels[index])), []).append(index)
    share = min(1.0, limit / max(len(dataset), 1))
    return dataset.keep(sorted(i for group in groups.values() for i in group[: max(2, round(share * len(group)))]))


def tell_split(console: Console, found: Scan, split: Split) -> None:
    how = "as the data comes" if split.ratio is None else f"by content, seed {split.seed}"
    sizes = f"{len(split.train):,} to train on, {len(split.validation):,} to validate on"
    console.say(f"split {how}: {sizes}" + (f", {len(split.test):,} to test on" if len(split.test) else ""))
    if split.dropped:
        names = ", ".join(found.dataset.names[i] for i in split.dropped[:3])
        console.say(
            f"  {len(split.dropped)} images with another label in a later split are left out: {names}", style="yellow"
        )
    both = {found.digests[i] for i in split.train} & {found.digests[i] for i in (*split.validation, *split.test)}
    if both:
        console.say(f"  {len(both)} images are in the training split and in another, as equal copies", style="yellow")
