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

    def sized(self, sizes: Sequence[tuple[int, int]]) -> "Dataset":
        """The set with the objects of its images in pixels, each cut at the border of its image. sizes: width and
        height of each."""
        if self.truths is None:
            return self
        truths = [each.sized(size) for each, size in zip(self.truths, sizes, strict=True)]
        inside = tuple(each.inside() for each in truths)
        beyond = [int((each.beyond & each.touches).sum()) for each in truths]
        gone = [len(each.labels) - len(rest.labels) for each, rest in zip(truths, inside, strict=True)]
        left_out = [LeftOut("object", "that lies outside its image", (name,) * number)
                    for name, number in zip(self.names, gone, strict=True)]  # fmt: skip
        cut = sum(beyond)
        remarks = self.remarks
        if cut:
            names = ", ".join([name for name, number in zip(self.names, beyond, strict=True) if number][:NAMES_SHOWN])
            reach = "1 object reaches beyond its" if cut == 1 else f"{cut:,} objects reach beyond their"
            remarks = (*remarks, f"{reach} image and {'is' if cut == 1 else 'are'} cut at its border: in {names}"
                       + (", ..." if sum(map(bool, beyond)) > NAMES_SHOWN else ""))  # fmt: skip
        return replace(self, truths=inside, remarks=remarks, left_out=grouped_by_reason((*self.left_out, *left_out)))

    def without(self, patterns: Iterable[str]) -> "Dataset":
        """The set without images whose name matches a pattern."""
        names_to_skip = list(patterns)
        if not names_to_skip:
            return self
        return self.keep(i for i, name in enumerate(self.names) if not any(fnmatch(name, p) for p in names_to_skip))

    def numbered_as(self, classes: Sequence[str], owner: str) -> "Dataset":
        """The same images with the class numbers of `classes`. Raises LeannetError for a class that is not among them.

        owner: whose classes they are, for the error.
        """
        if tuple(classes) == self.classes:
            return self
        numbers = {name: number for number, name in enumerate(classes)}
        unknown = [name for name in self.classes if name not in numbers]
        if unknown:
            raise LeannetError(
                f"{self.where}: expected the classes of {owner} ({', '.join(list(classes)[:8])}), found a class "
                f"'{unknown[0]}'"
            )
        renumber = np.array([numbers[name] for name in self.classes], dtype=np.int64)
        truths = None if self.truths is None else tuple(each.numbered(renumber) for each in self.truths)
        return replace(self, classes=tuple(classes), labels=renumber[self.labels], truths=truths)


@dataclass(frozen=True)
class Picked:
    """Reads some of the images that another reader reads."""

    reader: Reader
    indices: list[int]

    def __call__(self, index: int) -> Path | bytes | NDArray[np.uint8]:
        return self.reader(self.indices[index])
