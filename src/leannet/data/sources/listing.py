"""Joins the listings of files into one `Dataset`: labels become class numbers, images without one are left out."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import Dataset, LeftOut, grouped_by_reason
from leannet.data.sources.labels import HIDDEN, WHOLE, NoLabel, alike, class_names, joined_labels, label_of, ordered
from leannet.errors import LeannetError

ReadImage = Callable[[int], Path | bytes]
Task = Literal["classify", "detect"]


@dataclass(frozen=True)
class ReadingOptions:
    """How to read data that leaves it open. None: leannet decides.

    task: what a folder is read for that holds both classes and boxes. image_column, label_column: of tables.
    class_depth: the depth of class folders, 1 or 2. strict: whether data that does not match these options is refused;
    otherwise they are only preferred, as with options of other data.
    """

    image_column: str | None = None
    label_column: str | None = None
    class_depth: int | None = None
    strict: bool = True
    task: Task | None = None

    def to_dict(self) -> dict[str, Any]:
        """The options that were set, as plain data."""
        return {key: value for key, value in vars(self).items() if value is not None and key != "strict"}


@dataclass
class Listing:
    """The images of one file, or of a set of folders: names, labels and splits, in columns of equal length.

    labels: as the data holds them. class_names: the names of numbered classes in this file; another file may number
    them differently. read: the image at an index of this listing.
    """

    source: str
    names: list[str]
    labels: Sequence[Any]
    splits: list[str | None]
    read: ReadImage
    class_names: tuple[str, ...] = ()
    are_names: bool = False  # labels are class names already, as those of folders
    left_out: list[LeftOut] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Paths:
    """Images that are files."""

    paths: list[Path]

    def __call__(self, index: int) -> Path:
        return self.paths[index]


@dataclass(frozen=True)
class _Reader:
    """Reads images of several listings by one index."""

    reads: list[ReadImage]
    starts: NDArray[np.int64]
    places: NDArray[np.int64]  # of each image in the set: its index in the concatenated listings

    def __call__(self, index: int) -> Path | bytes:
        place = int(self.places[index])
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        return self.reads[number](place - int(self.starts[number]))


def assemble(kind: str, where: str, listings: Sequence[Listing], remarks: Iterable[str] = ()) -> Dataset:
    """One dataset of all listed images.

    Raises LeannetError for a value that is not a label of one class, for class numbers without a name, and if no image
    is left.
    """
    notes = list(remarks)
    left_out = [entry for listing in listings for entry in listing.left_out]
    class_of_image = _class_names_of_images(listings, notes)
    for listing in listings:
        notes += listing.remarks
    names = [name for listing in listings for name in listing.names]
    splits = [split for listing in listings for split in listing.splits]
    unlabelled_images = _without_label(names, class_of_image, splits)
    left_out += unlabelled_images
    excluded = {i for i, word in enumerate(class_of_image) if word is None}
    _without_training(splits, notes)
    if any(splits):
        unsplit = [i for i, split in enumerate(splits) if split is None and i not in excluded]
        left_out.append(LeftOut("image", "in no split, although others are in one", tuple(names[i] for i in unsplit)))
        excluded.update(unsplit)
    included = np.array([i for i in range(len(names)) if i not in excluded], dtype=np.int64)
    reasons = grouped_by_reason(left_out)
    if not len(included):
        raise LeannetError(f"{where}: {nothing_left(reasons)}")
    class_of_included = [class_of_image[i] or "" for i in included]
    joined_label = None if listings[0].are_names else joined_labels(class_of_included)
    if joined_label is not None:
        name = names[int(included[class_of_included.index(joined_label)])]
        raise LeannetError(
            f"{where}: expected one label per image, found several labels per image: "
            f"'{joined_label}' of {name} joins others"
        )
    classes = _classes(listings, class_of_included, notes)
    notes.append(alike(classes))
    numbers = {name: number for number, name in enumerate(classes)}
    sizes = [len(listing.names) for listing in listings]
    return Dataset(
        kind,
        where,
        classes,
        tuple(names[i] for i in included),
        np.array([numbers[word] for word in class_of_included], dtype=np.int64),
        tuple(splits[i] for i in included),
        _Reader([listing.read for listing in listings], np.cumsum([0, *sizes[:-1]]), included),
        reasons,
        tuple(dict.fromkeys(filter(None, notes))),
    )


def _without_training(splits: list[str | None], notes: list[str]) -> None:
    """If no split is called train, images without a split form it; if all are in one split, there are no splits."""
    named_splits = {split for split in splits if split}
    if not named_splits or "train" in named_splits:
        return
    if None in splits:
        notes.append(f"images outside the {' or '.join(sorted(named_splits))} split are taken as the train split")
        splits[:] = [split or "train" for split in splits]
    elif len(named_splits) == 1:
        notes.append(f"all images are named {next(iter(named_splits))}, so the name is not taken as a split")
        splits[:] = [None] * len(splits)


def nothing_left(left_out: Sequence[LeftOut]) -> str:
    """Why a set is empty, as the end of an error message."""
    if not left_out:
        return "expected labelled images, found none"
    return f"expected labelled images, found none: {'; '.join(entry.line() for entry in left_out[:3])}"


def _class_names_of_images(listings: Sequence[Listing], remarks: list[str]) -> list[str | None]:
    """The class name of each image; None: it has no label."""
    known_names = {listing.class_names for listing in listings if listing.class_names}
    class_of_image: list[str | None] = []
    for listing in listings:
        if listing.are_names:
            class_of_image += [unicodedata.normalize("NFC", name) for name in listing.labels]
            continue
        labels = [_label(value, listing, i) for i, value in enumerate(listing.labels)]
        names = listing.class_names
        if not names and known_names and any(isinstance(label, int) for label in labels):
            if len(known_names) > 1:
                raise LeannetError(
                    f"{listing.source}: expected names for its numbered classes, found none; the other files of "
                    "the set disagree on them, so it is unclear which apply"
                )
            names = next(iter(known_names))
            remarks.append(f"{listing.source} has no class names: its numbers are read as those of the other files")
        class_of_image += [_class_name(label, names, listing) for label in labels] if names else class_names(labels)
    return class_of_image


def _label(value: Any, listing: Listing, index: int) -> int | str | None:
    try:
        return label_of(value)
    except NoLabel as error:
        raise LeannetError(f"{listing.source}: {listing.names[index]}: expected one label, found {error}") from None


def _class_name(label: int | str | None, names: tuple[str, ...], listing: Listing) -> str | None:
    """The class name of a label, by number if it is one. -1 is how publishers mark a hidden label."""
    number = int(label) if isinstance(label, str) and label not in names and label.lstrip("+-").isdigit() else label
    if not isinstance(number, int):
        return number
    if number == -1:
        return None
    if not 0 <= number < len(names):
        raise LeannetError(
            f"{listing.source}: expected a class number below {len(names)}, the number of class names, found {number}"
        )
    return names[number]


def _without_label(names: list[str], class_of_image: list[str | None], splits: list[str | None]) -> list[LeftOut]:
    """Images without a label, by reason. Hidden labels (-1 all over a split) become None in `class_of_image`."""
    class_names_present = {word for word in class_of_image if word is not None and word != HIDDEN}
    if class_names_present and HIDDEN in class_of_image and not any(WHOLE.match(word) for word in class_names_present):
        # Beside names, -1 is not a class.
        class_of_image[:] = [None if word == HIDDEN else word for word in class_of_image]
    left_out = [
        LeftOut("image", "without a label", tuple(n for n, word in zip(names, class_of_image, strict=True) if not word))
    ]
    for split in ("validation", "test"):
        places = [i for i, split_of_image in enumerate(splits) if split_of_image == split]
        words = {class_of_image[i] for i in places} - {None}
        if words == {HIDDEN} and {word for i, word in enumerate(class_of_image) if splits[i] != split} != {HIDDEN}:
            hidden = tuple(names[i] for i in places)
            left_out.append(LeftOut("image", f"of the {split} split, whose labels are hidden (-1)", hidden))
            for i in places:
                class_of_image[i] = None
    return left_out


def _classes(listings: Sequence[Listing], words: list[str], remarks: list[str]) -> tuple[str, ...]:
    """Classes in the order of their files, training files first; then those that no file names."""
    by_split = sorted(listings, key=lambda listing: listing.splits[:1] != ["train"])
    named_classes = tuple(dict.fromkeys(name for listing in by_split for name in listing.class_names))
    if not named_classes:
        return ordered(words)
    if len({listing.class_names for listing in listings if listing.class_names}) > 1:
        remarks.append("the files number their classes differently: classes are matched by name")
    present = set(words)
    unused = [name for name in named_classes if name not in present]
    if unused:
        more = f" and {len(unused) - 3:,} more" if len(unused) > 3 else ""
        remarks.append(
            f"{len(unused):,} class name{'' if len(unused) == 1 else 's'} without an image: "
            f"{', '.join(unused[:3])}{more}"
        )
    return (*(name for name in named_classes if name in present), *ordered(present - set(named_classes)))
