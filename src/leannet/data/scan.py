"""Reads every image once before training, so that a broken one is met now and not hours later."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from leannet.data.dataset import Dataset
from leannet.data.images import BrokenImage, deep_levels, read, to_color
from leannet.data.split import in_several_classes
from leannet.errors import LeannetError
from leannet.preprocessing import Preprocessing

Progress = Callable[[Iterator["Found"], int], Iterator["Found"]]
Work = Callable[[Sequence[int]], list["Found"]]

AT_ONCE = 10_000  # images that wait for a thread


@dataclass(frozen=True)
class Found:
    """What one image turned out to be. `problem` None: it can be read."""

    name: str
    digest: str  # of the stored bytes
    format: str
    notes: tuple[str, ...] = ()  # how it becomes RGB, where that is not plain
    size: tuple[int, int] = (0, 0)  # width, height
    problem: str | None = None
    levels: tuple[int, int] | None = None  # the least and the most, in an image of more than 8 bits a pixel


@dataclass(frozen=True)
class Scan:
    """What a reading of every image found. `images` and `digests` are those that can be read, in order."""

    dataset: Dataset
    digests: tuple[str, ...]
    broken: tuple[Found, ...]
    converted: tuple[Found, ...]
    odd: tuple[Found, ...]  # the only one of its file format among many: often a placeholder
    sizes: tuple[tuple[int, int], ...]  # width and height of each image, upright
    formats: tuple[str, ...]  # of the file, as Pillow calls it
    several: tuple[tuple[str, ...], ...] = ()  # names of images with the same bytes and several labels
    copies: int = 0  # images beside another of the same bytes and label
    deep: int = 0  # images of more than 8 bits a pixel
    grey_range: tuple[int, int] = (0, 65535)  # what becomes black and white in them, see `Preprocessing`

    @property
    def median_size(self) -> tuple[int, int]:
        """The median width and height."""
        width, height = np.median(np.array(self.sizes), axis=0)
        return int(width), int(height)

    def lines(self) -> list[str]:
        """What a person should know of it, a line each, with at most three names a line."""
        lines = self.dataset.lines()
        if self.deep:
            low, high = self.grey_range
            images = "1 image has" if self.deep == 1 else f"{self.deep:,} images have"
            lines.append(f"{images} more than 8 bits a pixel: {low} becomes black and {high} white")
        if self.copies:
            lines.append(f"{self.copies:,} images are copies of another of their class, bit for bit")
        if self.several:
            number, labels = sum(map(len, self.several)), "the same bytes and different labels"
            equal = ", ".join(" = ".join(names[:3]) for names in self.several[:3])
            more = f" and {len(self.several) - 3:,} more" if len(self.several) > 3 else ""
            lines.append(f"{number:,} images have {labels}; they stay on one side of the split: {equal}{more}")
        for verb, found in (
            ("cannot be read and {is} left out", [f"{f.name} ({f.problem})" for f in self.broken]),
            ("{is} converted to RGB", [f"{f.name} ({', '.join(f.notes)})" for f in self.converted]),
            ("{is} the only one of its format, worth a look", [f"{f.name} ({f.format})" for f in self.odd]),
        ):
            if found:
                what, be = ("1 file", "is") if len(found) == 1 else (f"{len(found):,} files", "are")
                more = f" and {len(found) - 3} more" if len(found) > 3 else ""
                lines.append(f"{what} {verb.replace('{is}', be)}: {', '.join(found[:3])}{more}")
        return lines


def scan(
    dataset: Dataset,
    progress: Progress | None = None,
    training: bool = True,
    color: Literal["RGB", "L"] = "RGB",
    shared_by: Callable[[Sequence[int], Work], list[Found]] | None = None,
    grey_range: tuple[int, int] | None = None,
) -> Scan:
    """Reads every image. Raises LeannetError where none is left, or too few of a class to train on.

    grey_range: of a network that is there already; None: the one that holds what these images have.
    shared_by: has several processes read a share each; it gives all of what they found, in order.
    """
    preprocessing = Preprocessing(height=1, width=1, color=color)

    def look(index: int) -> Found:
        return _look(dataset.names[index], dataset.reader(index), preprocessing)

    def each(indices: Sequence[int]) -> Iterator[Found]:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(indices), AT_ONCE):
                yield from pool.map(look, indices[start : start + AT_ONCE])

    def look_at(indices: Sequence[int]) -> list[Found]:
        return list(progress(each(indices), len(indices)) if progress else each(indices))

    every = range(len(dataset))
    found = shared_by(every, look_at) if shared_by else look_at(every)
    good = [i for i, f in enumerate(found) if f.problem is None]
    kept = dataset.keep(good)
    broken = tuple(f for f in found if f.problem)
    _check(kept, broken, training)
    formats = Counter(found[i].format for i in good)
    return Scan(
        dataset=kept,
        digests=tuple(found[i].digest for i in good),
        broken=broken,
        converted=tuple(found[i] for i in good if found[i].notes),
        odd=tuple(found[i] for i in good if formats[found[i].format] == 1 and len(good) >= 20),
        sizes=tuple(found[i].size for i in good),
        formats=tuple(found[i].format for i in good),
        several=_several(kept, [found[i].digest for i in good]),
        copies=len(good) - len({(found[i].digest, int(dataset.labels[i])) for i in good}),
        deep=sum(found[i].levels is not None for i in good),
        grey_range=grey_range or range_of([found[i].levels for i in good]),
    )


def _several(dataset: Dataset, digests: list[str]) -> tuple[tuple[str, ...], ...]:
    """Names of the images that have the same bytes and several labels."""
    of_several = in_several_classes(digests, dataset.labels, np.arange(len(dataset)))
    groups: dict[str, list[str]] = {}
    for index, digest in enumerate(digests):
        if digest in of_several:
            groups.setdefault(digest, []).append(dataset.names[index])
    return tuple(map(tuple, groups.values()))


def range_of(levels: Sequence[tuple[int, int] | None]) -> tuple[int, int]:
    """What becomes black and white in images of more than 8 bits: one range for a whole data set.

    Without negative values it is that of the fewest bits that hold all of them (8, 10, 12, 14, 16: what cameras and
    scanners have); with negative ones, and above 16 bits, it runs from the least to the greatest.
    """
    found = [each for each in levels if each is not None]
    if not found:
        return 0, 65535
    low, high = min(each[0] for each in found), max(each[1] for each in found)
    if low >= 0 and high <= 65535:
        return 0, next(2**bits - 1 for bits in (8, 10, 12, 14, 16) if high < 2**bits)
    return min(low, 0) if low >= 0 else low, max(high, low + 1)


def _look(name: str, source: object, preprocessing: Preprocessing) -> Found:
    if isinstance(source, np.ndarray):
        height, width = source.shape[:2]
        return Found(name, hashlib.sha256(source.tobytes()).hexdigest(), "array", size=(width, height))
    assert isinstance(source, Path | bytes)
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        return Found(name, "", "", problem=error.strerror or str(error))
    digest = hashlib.sha256(data).hexdigest()
    try:
        image = read(data)
        upright = to_color(image, preprocessing)
    except BrokenImage as error:
        return Found(name, digest, "", problem=str(error))
    return Found(name, digest, image.format or "", _notes(image), upright.size, levels=deep_levels(image))


def _notes(image: Image.Image) -> tuple[str, ...]:
    """How the image becomes RGB, where that is not plain."""
    notes = []
    if image.mode not in {"RGB", "L", "1"}:
        words = {"P": "palette", "RGBA": "alpha over white", "LA": "grey with alpha over white"}
        notes.append(words.get(image.mode, image.mode))
    with suppress(Exception):  # counting the frames of a damaged file reads on in it
        if getattr(image, "n_frames", 1) > 1:
            notes.append(f"the first of {getattr(image, 'n_frames', 1)} frames")
    with suppress(Exception):
        if image.getexif().get(0x0112, 1) != 1:
            notes.append("turned upright by EXIF")
    return tuple(notes)


def _check(dataset: Dataset, broken: tuple[Found, ...], training: bool) -> None:
    where, missing = dataset.where, _unread(broken)
    also = "".join(f"; {each.line()}" for each in dataset.left_out if "image" in each.what)
    if not len(dataset):
        raise LeannetError(f"{where}: expected images that can be read, found none{missing}{also}")
    if not training:
        return
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    if len(dataset.classes) < 2:
        raise LeannetError(f"{where}: expected two classes or more, found one: {dataset.classes[0]}{missing}{also}")
    for name, number in zip(dataset.classes, counts, strict=True):
        if number < 2:
            raise LeannetError(
                f"{where}: class '{name}' has {number or 'no'} image{'' if number == 1 else 's'}{missing}; "
                f"expected two or more, one to learn from and one to validate on{also}"
            )


def _unread(broken: tuple[Found, ...]) -> str:
    if not broken:
        return ""
    return f" ({len(broken)} could not be read: {broken[0].name} ({broken[0].problem}){', ...' * (len(broken) > 1)})"


def report_skipped(found: Scan) -> list[dict[str, str]]:
    """The images that cannot be read, as plain data."""
    return [{"name": f.name, "problem": f.problem or ""} for f in found.broken]


def report_left_out(found: Scan, most: int | None = None) -> list[dict[str, Any]]:
    """What is no labelled image, by reason, as plain data. most: names of each reason; None: all."""
    return [
        {"what": f"{each.what} {each.why}", "count": len(each.names), "names": list(each.names[:most])}
        | ({"way_out": each.way_out} if each.way_out else {})
        for each in found.dataset.left_out
    ]
