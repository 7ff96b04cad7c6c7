"""From what files list to one set: labels become class numbers, and whatever has none is counted and left out."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import Dataset, LeftOut, grouped_by_reason
from leannet.data.sources.labels import HIDDEN, WHOLE, NoLabel, alike, class_names, joined_labels, label_of, ordered
from leannet.errors import LeannetError

Place = Callable[[int], Path | bytes]


@dataclass(frozen=True)
class ReadingOptions:
    """How data is to be read where it does not say itself. None: leannet finds out.

    image_column, label_column: of tables. class_depth: how many folders deep class folders lie, 1 or 2. strict: whether
    data that is not so is refused; else what was said of other data is only preferred.
    """

    image_column: str | None = None
    label_column: str | None = None
    class_depth: int | None = None
    strict: bool = True

    def to_dict(self) -> dict[str, Any]:
        """What was said, as plain data."""
        return {key: value for key, value in vars(self).items() if value is not None and key != "strict"}


@dataclass
class Listing:
    """What one file, or the folders of a set, list: a name, a label and a split each, in columns of equal length.

    labels: as data holds them. class_names: of labels that are numbers, as this file gives them; they hold for no other
    file. read: the image of a place in this listing.
    """

    source: str
    names: list[str]
    labels: Sequence[Any]
    splits: list[str | None]
    read: Place
    class_names: tuple[str, ...] = ()
    are_names: bool = False  # labels are class names as they stand, which folders are
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
    """Reads from the listing that an index falls into."""

    reads: list[Place]
    starts: NDArray[np.int64]
    places: NDArray[np.int64]  # of each image kept, in the listings one behind the other

    def __call__(self, index: int) -> Path | bytes:
        place = int(self.places[index])
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        return self.reads[number](place - int(self.starts[number]))


def assemble(kind: str, where: str, listings: Sequence[Listing], remarks: Iterable[str] = ()) -> Dataset:
    """One set of images of all that was listed.

    Raises LeannetError, naming the place, for what is no label of one class, for numbers without a class name, and
    where nothing is left.
    """
    notes = list(remarks)
    left_out = [entry for listing in listings for entry in listing.left_out]
    class_of_image = _class_names_of_images(listings, notes)
    for listing in listings:
        notes += listing.remarks
    names = [name for listing in listings for name in listing.names]
    splits = [split for listing in listings for split in listing.splits]
    without = _without_label(names, class_of_image, splits)
    left_out += without
    unlabelled = {i for i, word in enumerate(class_of_image) if word is None}
    _without_training(splits, notes)
    if any(splits):
        unsplit = [i for i, split in enumerate(splits) if split is None and i not in unlabelled]
        left_out.append(LeftOut("image", "of no split, where others have one", tuple(names[i] for i in unsplit)))
        unlabelled.update(unsplit)
    kept_places = np.array([i for i in range(len(names)) if i not in unlabelled], dtype=np.int64)
    missing = grouped_by_reason(left_out)
    if not len(kept_places):
        raise LeannetError(f"{where}: {nothing_left(missing)}")
    words = [class_of_image[i] or "" for i in kept_places]
    several = None if listings[0].are_names else joined_labels(words)
    if several is not None:
        name = names[int(kept_places[words.index(several)])]
        raise LeannetError(
            f"{where}: expected one label an image, found several labels an image: '{several}' of {name} joins others"
        )
    classes = _classes(listings, words, notes)
    notes.append(alike(classes))
    numbers = {name: number for number, name in enumerate(classes)}
    sizes = [len(listing.names) for listing in listings]
    return Dataset(
        kind,
        where,
        classes,
        tuple(names[i] for i in kept_places),
        np.array([numbers[word] for word in words], dtype=np.int64),
        tuple(splits[i] for i in kept_places),
        _Reader([listing.read for listing in listings], np.cumsum([0, *sizes[:-1]]), kept_places),
        missing,
        tuple(dict.fromkeys(filter(None, notes))),
    )


def _without_training(splits: list[str | None], notes: list[str]) -> None:
    """Where no split is called train: what has no split is it, and where all is of one split there is none."""
    named_splits = {split for split in splits if split}
    if not named_splits or "train" in named_splits:
        return
    if None in splits:
        notes.append(f"what is not of the {' or '.join(sorted(named_splits))} split is taken for the train split")
        splits[:] = [split or "train" for split in splits]
    elif len(named_splits) == 1:
        notes.append(f"all of it is called {next(iter(named_splits))}, which is no split here")
        splits[:] = [None] * len(splits)


def nothing_left(left_out: Sequence[LeftOut]) -> str:
    """Why a set is empty, as the rest of a line."""
    if not left_out:
        return "expected images with a label each, found none"
    return f"expected images with a label each, found none: {'; '.join(each.line() for each in left_out[:3])}"


def _class_names_of_images(listings: Sequence[Listing], remarks: list[str]) -> list[str | None]:
    """The class name of each image, None where it has no label."""
    known = {listing.class_names for listing in listings if listing.class_names}
    class_of_image: list[str | None] = []
    for listing in listings:
        if listing.are_names:
            class_of_image += [unicodedata.normalize("NFC", name) for name in listing.labels]
            continue
        labels = [_label(value, listing, i) for i, value in enumerate(listing.labels)]
        own = listing.class_names
        if not own and known and any(isinstance(label, int) for label in labels):
            if len(known) > 1:
                raise LeannetError(
                    f"{listing.source}: expected the names of its numbered classes, found none; other files of the set "
                    "have different ones, so that it is not known which are meant"
                )
            own = next(iter(known))
            remarks.append(f"{listing.source} names no classes: its numbers are taken for those of the other files")
        class_of_image += [_class_name(label, own, listing) for label in labels] if own else class_names(labels)
    return class_of_image


def _label(value: Any, listing: Listing, index: int) -> int | str | None:
    try:
        return label_of(value)
    except NoLabel as error:
        raise LeannetError(f"{listing.source}: {listing.names[index]}: expected one label, found {error}") from None


def _class_name(label: int | str | None, names: tuple[str, ...], listing: Listing) -> str | None:
    """By number, where it is one; -1 is how publishers write that there is none."""
    number = int(label) if isinstance(label, str) and label not in names and label.lstrip("+-").isdigit() else label
    if not isinstance(number, int):
        return number
    if number == -1:
        return None
    if not 0 <= number < len(names):
        raise LeannetError(f"{listing.source}: a label is {number}, and there are names of {len(names)} classes")
    return names[number]


def _without_label(names: list[str], class_of_image: list[str | None], splits: list[str | None]) -> list[LeftOut]:
    """What has no label, by reason; labels that a publisher keeps back (-1 all over a split) become None in `found`."""
    names_there = {word for word in class_of_image if word is not None and word != HIDDEN}
    if names_there and HIDDEN in class_of_image and not any(WHOLE.match(word) for word in names_there):
        class_of_image[:] = [None if word == HIDDEN else word for word in class_of_image]  # beside names it is no class
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
    """Classes in the order their files give, training files first, and those that no file names behind them."""
    by_split = sorted(listings, key=lambda listing: listing.splits[:1] != ["train"])
    named = tuple(dict.fromkeys(name for listing in by_split for name in listing.class_names))
    if not named:
        return ordered(words)
    if len({listing.class_names for listing in listings if listing.class_names}) > 1:
        remarks.append("the files number their classes differently: they are matched by name")
    used = set(words)
    unused = [name for name in named if name not in used]
    if unused:
        more = f" and {len(unused) - 3:,} more" if len(unused) > 3 else ""
        remarks.append(
            f"{len(unused):,} class name{'' if len(unused) == 1 else 's'} without an image: "
            f"{', '.join(unused[:3])}{more}"
        )
    return (*(name for name in named if name in used), *ordered(used - set(named)))
