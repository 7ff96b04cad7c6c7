"""`Dataset`: a list of labelled images, none decoded yet. Every kind of data becomes one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leannet.data.truths import Truths
from leannet.errors import LeannetError

NAMES_SHOWN = 3  # names of left-out files in a line

Reader = Callable[[int], Path | bytes | NDArray[np.uint8]]


@dataclass(frozen=True)
class LeftOut:
    """Files, rows or samples that do not become images of a set, all for one reason.

    what, why: two halves of a sentence, as "sample" and "without a label". way_out: how to have them read.
    """

    what: str
    why: str
    names: tuple[str, ...]
    way_out: str = ""

    def line(self) -> str:
        """Their number, the reason, at most three names, and how to have them read."""
        plural = "" if len(self.names) == 1 else "s"
        more = f" and {len(self.names) - NAMES_SHOWN:,} more" if len(self.names) > NAMES_SHOWN else ""
        way_out = f"; {self.way_out}" if self.way_out else ""
        return f"left out: {len(self.names):,} {self.what}{plural} {self.why}: {self.names_in_words()}{more}{way_out}"

    def names_in_words(self) -> str:
        """The first names."""
        return ", ".join(self.names[:NAMES_SHOWN])


def grouped_by_reason(left_out: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
    """The same with one entry per reason, in order of first appearance."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for entry in left_out:
        names.setdefault((entry.what, entry.why, entry.way_out), []).extend(entry.names)
    return tuple(
        LeftOut(what, why, tuple(all_names), way_out) for (what, why, way_out), all_names in names.items() if all_names
    )


def rarest(labels: Sequence[NDArray[np.integer]], classes: int) -> NDArray[np.int64]:
    """The class of each image for splits: of those in it the rarest; of none the most frequent, which it takes nothing
    from. labels: those in each image."""
    counts = np.bincount(np.concatenate([*labels, np.empty(0, np.int64)]).astype(np.int64), minlength=classes)
    common = int(counts.argmax())
    return np.array([min(each.tolist(), key=lambda label: counts[label], default=common) for each in labels], np.int64)


@dataclass(frozen=True)
class Dataset:
    """A set of labelled images. `splits`: the split of each image; None: the data has no splits.

    truths: of a detection set the objects of each image; the label of an image is then the rarest class that is in it,
    so that splits by class spread that one too.
    """

    kind: str
    where: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    splits: tuple[str | None, ...]
    reader: Reader
    left_out: tuple[LeftOut, ...] = ()
    remarks: tuple[str, ...] = ()  # how the data was read, where that is not obvious
    truths: tuple[Truths, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def lines(self) -> list[str]:
        """Remarks on how the data was read, and what was left out, one per line."""
        return [*self.remarks, *(entry.line() for entry in self.left_out)]

    def keep(self, indices: Iterable[int]) -> "Dataset":
        """The set with only these images, in this order."""
        positions = list(indices)
        return replace(
            self,
            names=tuple(self.names[i] for i in positions),
            labels=self.labels[positions],
            splits=tuple(self.splits[i] for i in positions),
            reader=Picked(self.reader, positions),
            truths=None if self.truths is None else tuple(self.truths[i] for i in positions),
        )

    def images_of_classes(self, indices: Iterable[int] | None = None) -> NDArray[np.int64]:
        """How many images each class is in, of all or of some."""
        some = list(range(len(self)) if indices is None else indices)
        if self.truths is None:
            return np.bincount(self.labels[some], minlength=len(self.classes))
        counts = np.zeros(len(self.classes), np.int64)
        for index in some:
            counts[np.unique(self.truths[index].labels)] += 1
        return counts

    def sized(self, sizes: Sequence[tuple[int, int]], orientations: Sequence[int] = ()) -> "Dataset":
        """The set with the objects of its images in pixels, each cut at the border of its image.

        sizes: width and height of each, upright. orientations: EXIF's, by which they were made
        upright; empty: none was turned.
        """
        if self.truths is None:
            return self
        turns = list(zip(self.truths, sizes, orientations or [1] * len(sizes), strict=True))
        truths = [each.in_image(size, orientation) for each, size, orientation in turns]
        turned, other = list[str](), list[str]()
        for name, (each, size, orientation) in zip(self.names, turns, strict=True):
            if each.is_stored(size, orientation):
                turned.append(name)
            elif each.said not in {None, size}:
                said = "annotations say {} x {}".format(*each.said or ())
                other.append("{} ({} x {}, {})".format(name, *size, said))
        inside = tuple(each.inside() for each in truths)
        beyond = [int((each.beyond & each.touches).sum()) for each in truths]
        left_out = [LeftOut("object", "outside the image", tuple(each.where(~each.touches, name)))
                    for name, each in zip(self.names, truths, strict=True)]  # fmt: skip
        cut = sum(beyond)
        remarks = [*self.remarks]
        if turned:
            remarks.append(f"{_images(turned)} turned upright by EXIF, and their boxes with them: annotations say the "
                           f"size as stored: {_some(turned)}")  # fmt: skip
        if other:
            remarks.append(f"{_images(other)} not of the size that their annotations say; boxes are read as pixels of "
                           f"the image: {_some(other)}")  # fmt: skip
        if cut:
            reach = "1 object reaches beyond its" if cut == 1 else f"{cut:,} objects reach beyond their"
            names = [name for name, number in zip(self.names, beyond, strict=True) if number]
            remarks.append(f"{reach} image and {'is' if cut == 1 else 'are'} cut at its border: in {_some(names)}")
        return replace(
            self, truths=inside, remarks=tuple(remarks), left_out=grouped_by_reason((*self.left_out, *left_out))
        )

    def only_classes(self, which: NDArray[np.bool_], why: str) -> "Dataset":
        """A detection set without the objects of some classes, which are left out for this reason, and without these
        classes. which: (classes,), those that stay."""
        assert self.truths is not None
        gone = [LeftOut("object", f"{why} ('{self.classes[label]}')", (place,))
                for name, each in zip(self.names, self.truths, strict=True)
                for goes in [~which[each.labels]]
                for label, place in zip(each.labels[goes].tolist(), each.where(goes, name), strict=True)]  # fmt: skip
        numbers = np.cumsum(which) - 1
        truths = tuple(each.only(which[each.labels]).numbered(numbers) for each in self.truths)
        return replace(
            self,
            classes=tuple(name for name, stays in zip(self.classes, which, strict=True) if stays),
            truths=truths,
            labels=rarest([each.labels for each in truths], int(which.sum())),
            left_out=grouped_by_reason((*self.left_out, *gone)),
        )

    def trainable(self) -> "Dataset":
        """A detection set without the classes that no image can be trained on: those of no image, or of none of its own
        training split; a classifier's as it is."""
        if self.truths is None:
            return self
        train = [index for index, split in enumerate(self.splits) if split == "train"]
        has_images = self.images_of_classes(train or None) > 0
        if has_images.all() or not has_images.any():
            return self
        return self.only_classes(has_images, "of a class that no training image has")

    def without(self, patterns: Iterable[str]) -> "Dataset":
        """The set without images whose name matches a pattern."""
        names_to_skip = list(patterns)
        if not names_to_skip:
            return self
        return self.keep(i for i, name in enumerate(self.names) if not any(fnmatch(name, p) for p in names_to_skip))

    def numbered_as(self, classes: Sequence[str], owner: str) -> "Dataset":
        """The same images with the class numbers of `classes`. Raises LeannetError for a class that is not among them.

        Of a detection set with others the objects of an unknown one go, and are named.
        owner: whose classes they are, for the error.
        """
        if tuple(classes) == self.classes:
            return self
        numbers = {name: number for number, name in enumerate(classes)}
        unknown = [name for name in self.classes if name not in numbers]
        if unknown and self.truths is not None and len(unknown) < len(self.classes):
            known = np.array([name in numbers for name in self.classes])
            return self.only_classes(known, f"of a class that {owner} does not know").numbered_as(classes, owner)
        if unknown:
            raise LeannetError(
                f"{self.where}: expected the classes of {owner} ({', '.join(list(classes)[:8])}), found a class "
                f"'{unknown[0]}'"
            )
        renumber = np.array([numbers[name] for name in self.classes], dtype=np.int64)
        truths = None if self.truths is None else tuple(each.numbered(renumber) for each in self.truths)
        return replace(self, classes=tuple(classes), labels=renumber[self.labels], truths=truths)


def _images(names: Sequence[str]) -> str:
    return "1 image is" if len(names) == 1 else f"{len(names):,} images are"


def _some(names: Sequence[str]) -> str:
    """The first names."""
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")


@dataclass(frozen=True)
class Picked:
    """Reads some of the images that another reader reads."""

    reader: Reader
    indices: list[int]

    def __call__(self, index: int) -> Path | bytes | NDArray[np.uint8]:
        return self.reader(self.indices[index])
