"""Reads every image once before training, so that a broken one is found now and not hours later."""

import hashlib
import os
import time
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
from leannet.data.images import BrokenImage, deep_levels, orientation_of, read, read_header, to_color, upright_size
from leannet.data.split import in_several_classes
from leannet.errors import LeannetError
from leannet.preprocessing import Preprocessing

Progress = Callable[[Iterator["ScannedImage"], int], Iterator["ScannedImage"]]
Work = Callable[[Sequence[int]], list["ScannedImage"]]

QUEUED = 10_000  # images submitted to the threads at once
PART = 16  # images that a thread takes at a time
WORTH_THREADS = 3e-4  # seconds an image; of less most is Python's, whose threads only wait for each other


@dataclass(frozen=True)
class ScannedImage:
    """The result of reading one image. problem: None: it can be read."""

    name: str
    digest: str  # of the stored bytes
    format: str
    notes: tuple[str, ...] = ()  # how it becomes RGB, where that is not obvious
    size: tuple[int, int] = (0, 0)  # width, height
    orientation: int = 1  # EXIF's, by which it is made upright
    problem: str | None = None
    levels: tuple[int, int] | None = None  # the lowest and highest, of an image of more than 8 bits per pixel


@dataclass(frozen=True)
class Scan:
    """The result of reading every image. dataset, digests: the images that can be read, in order."""

    dataset: Dataset
    digests: tuple[str, ...]
    broken: tuple[ScannedImage, ...]
    converted: tuple[ScannedImage, ...]
    only_of_format: tuple[ScannedImage, ...]  # the only one of its file format among many: often a placeholder
    sizes: tuple[tuple[int, int], ...]  # width and height of each image, upright
    formats: tuple[str, ...]  # of each file, by Pillow's name
    several: tuple[tuple[str, ...], ...] = ()  # names of images with the same bytes and several labels
    copies: int = 0  # images whose bytes and label equal those of an earlier one
    high_bit_depth: int = 0  # images of more than 8 bits per pixel
    grey_range: tuple[int, int] = (0, 65535)  # what becomes black and white in them, see `Preprocessing`

    @property
    def median_size(self) -> tuple[int, int]:
        """The median width and height."""
        width, height = np.median(np.array(self.sizes), axis=0)
        return int(width), int(height)

    def lines(self) -> list[str]:
        """What a user should know of it, one line each, with at most three names per line."""
        lines = self.dataset.lines()
        if self.high_bit_depth:
            low, high = self.grey_range
            images = "1 image has" if self.high_bit_depth == 1 else f"{self.high_bit_depth:,} images have"
            lines.append(f"{images} more than 8 bits per pixel: {low} becomes black and {high} white")
        if self.copies:
            lines.append(f"{self.copies:,} images are copies of another of their class, bit for bit")
        if self.several:
            number, labels = sum(map(len, self.several)), "the same bytes and different labels"
            equal = ", ".join(" = ".join(names[:3]) for names in self.several[:3])
            more = f" and {len(self.several) - 3:,} more" if len(self.several) > 3 else ""
            lines.append(f"{number:,} images have {labels}; they stay on one side of the split: {equal}{more}")
        for verb, files in (
            ("cannot be read and {is} left out", [f"{f.name} ({f.problem})" for f in self.broken]),
            ("{is} converted to RGB", [f"{f.name} ({', '.join(f.notes)})" for f in self.converted]),
            (
                "{is} the only one of its format and worth checking",
                [f"{f.name} ({f.format})" for f in self.only_of_format],
            ),
        ):
            if files:
                what, be = ("1 file", "is") if len(files) == 1 else (f"{len(files):,} files", "are")
                more = f" and {len(files) - 3} more" if len(files) > 3 else ""
                lines.append(f"{what} {verb.replace('{is}', be)}: {', '.join(files[:3])}{more}")
        return lines


def scan(
    dataset: Dataset,
    progress: Progress | None = None,
    training: bool = True,
    color: Literal["RGB", "L"] = "RGB",
    shared_by: Callable[[Sequence[int], Work], list[ScannedImage]] | None = None,
    grey_range: tuple[int, int] | None = None,
    is_known: Callable[[str], bool] = lambda digest: False,
) -> Scan:
    """Reads every image. Raises LeannetError if none is readable, or too few of a class to train on.

    grey_range: that of an existing network; None: chosen to cover these images. shared_by: divides the reading among
    processes, and returns all results in order. is_known: whether an image of this digest was decoded before; of such
    images only the header is read.
    """
    preprocessing = Preprocessing(height=1, width=1, color=color)

    def inspect(index: int) -> ScannedImage:
        return _inspect(dataset.names[index], dataset.reader(index), preprocessing, is_known)

    def inspected(indices: Sequence[int]) -> Iterator[ScannedImage]:
        first, rest = [inspect(index) for index in indices[:1]], indices[1 + PART :]  # the first one loads decoders
        began = time.perf_counter()
        first += [inspect(index) for index in indices[1 : 1 + PART]]
        seconds = time.perf_counter() - began
        yield from first
        if seconds < WORTH_THREADS * len(first):
            yield from map(inspect, rest)
            return
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(rest), QUEUED):
                queued = rest[start : start + QUEUED]
                parts = [queued[place : place + PART] for place in range(0, len(queued), PART)]
                for images in pool.map(lambda part: [inspect(index) for index in part], parts):
                    yield from images

    def inspect_all(indices: Sequence[int]) -> list[ScannedImage]:
        return list(progress(inspected(indices), len(indices)) if progress else inspected(indices))

    all_indices = range(len(dataset))
    images = shared_by(all_indices, inspect_all) if shared_by else inspect_all(all_indices)
    readable = [i for i, image in enumerate(images) if image.problem is None]
    readable_images = dataset.keep(readable)
    readable_images = readable_images.sized(
        [images[i].size for i in readable], [images[i].orientation for i in readable]
    )
    readable_images = readable_images.trainable() if training else readable_images
    broken = tuple(image for image in images if image.problem)
    _check(readable_images, broken, training)
    formats = Counter(images[i].format for i in readable)
    return Scan(
        dataset=readable_images,
        digests=tuple(images[i].digest for i in readable),
        broken=broken,
        converted=tuple(images[i] for i in readable if images[i].notes),
        only_of_format=tuple(images[i] for i in readable if formats[images[i].format] == 1 and len(readable) >= 20),
        sizes=tuple(images[i].size for i in readable),
        formats=tuple(images[i].format for i in readable),
        several=_with_several_labels(readable_images, [images[i].digest for i in readable]),
        copies=len(readable) - len({(images[i].digest, int(dataset.labels[i])) for i in readable}),
        high_bit_depth=sum(images[i].levels is not None for i in readable),
        grey_range=grey_range or grey_range_of([images[i].levels for i in readable]),
    )


def _with_several_labels(dataset: Dataset, digests: list[str]) -> tuple[tuple[str, ...], ...]:
    """Names of the images with the same bytes and different labels, by group."""
    of_several = in_several_classes(digests, dataset.labels, np.arange(len(dataset)))
    groups: dict[str, list[str]] = {}
    for index, digest in enumerate(digests):
        if digest in of_several:
            groups.setdefault(digest, []).append(dataset.names[index])
    return tuple(map(tuple, groups.values()))


def grey_range_of(levels: Sequence[tuple[int, int] | None]) -> tuple[int, int]:
    """The values that become black and white in images of more than 8 bits: one range for a whole data set.

    Without negative values it is that of the smallest usual bit depth that covers them all (8, 10, 12, 14, 16, as of
    cameras and scanners); with negative values, or above 16 bits, it runs from the lowest to the highest.
    """
    ranges = [low_high for low_high in levels if low_high is not None]
    if not ranges:
        return 0, 65535
    low, high = (
        min(low_high[0] for low_high in ranges),
        max(low_high[1] for low_high in ranges),
    )
    if low >= 0 and high <= 65535:
        return 0, next(2**bits - 1 for bits in (8, 10, 12, 14, 16) if high < 2**bits)
    return min(low, 0) if low >= 0 else low, max(high, low + 1)


def _inspect(name: str, source: object, preprocessing: Preprocessing, is_known: Callable[[str], bool]) -> ScannedImage:
    if isinstance(source, np.ndarray):
        height, width = source.shape[:2]
        return ScannedImage(name, hashlib.sha256(source.tobytes()).hexdigest(), "array", size=(width, height))
    assert isinstance(source, Path | bytes)
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        return ScannedImage(name, "", "", problem=error.strerror or str(error))
    digest = hashlib.sha256(data).hexdigest()
    try:
        if is_known(digest):
            image = read_header(data)
            if not image.mode.startswith("I"):  # whose levels only the pixels say
                return ScannedImage(name, digest, image.format or "", _notes(image), upright_size(image),
                                    orientation_of(image))  # fmt: skip
        image = read(data)
        upright = to_color(image, preprocessing)
    except BrokenImage as error:
        return ScannedImage(name, digest, "", problem=str(error))
    # Pillow forgets a TIFF's orientation when it has turned it.
    orientation = orientation_of(read_header(data) if image.format == "TIFF" else image)
    return ScannedImage(name, digest, image.format or "", _notes(image), upright.size, orientation,
                        levels=deep_levels(image))  # fmt: skip


def _notes(image: Image.Image) -> tuple[str, ...]:
    """How the image becomes RGB, where that is not obvious."""
    notes = []
    if image.mode not in {"RGB", "L", "1"}:
        words = {"P": "palette", "RGBA": "alpha over white", "LA": "grey with alpha over white"}
        notes.append(words.get(image.mode, image.mode))
    with suppress(Exception):  # counting frames reads more of a file, which may be damaged
        if getattr(image, "n_frames", 1) > 1:
            notes.append(f"the first of {getattr(image, 'n_frames', 1)} frames")
    if orientation_of(image) != 1:
        notes.append("turned upright by EXIF")
    return tuple(notes)


def _check(dataset: Dataset, broken: tuple[ScannedImage, ...], training: bool) -> None:
    where, unreadable = dataset.where, _unread(broken)
    left_out = "".join(f"; {entry.line()}" for entry in dataset.left_out if "image" in entry.what)
    if not len(dataset):
        raise LeannetError(f"{where}: expected images that can be read, found none{unreadable}{left_out}")
    if not training:
        return
    counts = dataset.images_of_classes()
    if len(dataset.classes) < 2 and dataset.truths is None:
        raise LeannetError(
            f"{where}: expected two classes or more, found one: {dataset.classes[0]}{unreadable}{left_out}"
        )
    for name, number in zip(dataset.classes, counts, strict=True):
        if number < 2 and dataset.truths is None:  # of a rare object one image trains, and none validates
            raise LeannetError(
                f"{where}: class '{name}' has {number or 'no'} image{'' if number == 1 else 's'}{unreadable}; "
                f"expected two or more, one to train on and one to validate on{left_out}"
            )


def _unread(broken: tuple[ScannedImage, ...]) -> str:
    if not broken:
        return ""
    return f" ({len(broken)} could not be read: {broken[0].name} ({broken[0].problem}){', ...' * (len(broken) > 1)})"


def report_skipped(scan: Scan) -> list[dict[str, str]]:
    """The images that cannot be read, as plain data for JSON."""
    return [{"name": image.name, "problem": image.problem or ""} for image in scan.broken]


def report_left_out(scan: Scan, max_names: int | None = None) -> list[dict[str, Any]]:
    """What was left out, by reason, as plain data for JSON. max_names: names per reason; None: all."""
    return [
        {"what": f"{entry.what} {entry.why}", "count": len(entry.names), "names": list(entry.names[:max_names])}
        | ({"way_out": entry.way_out} if entry.way_out else {})
        for entry in scan.dataset.left_out
    ]
