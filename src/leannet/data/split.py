"""The train, validation and test split: by image content, so that file names and folders do not matter.

Within each class, images are ordered by a hash of the seed and their bytes, and cut in the requested proportions. The
same images are split the same way wherever they are stored; adding or removing one moves few others; and identical
copies of an image, of any class, stay on one side.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import Dataset
from leannet.errors import LeannetError
from leannet.sections import SplitRecord

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """The indices of each split, and what a checkpoint records of them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    ratio: tuple[float, ...] | None  # None: the data's own splits
    seed: int
    digests: dict[str, str]
    fingerprints: dict[str, str]  # of the images of each split, see `fingerprint`
    counts: dict[str, list[int]] = field(default_factory=dict)  # images of each class in each split
    dropped: tuple[int, ...] = ()  # images with two labels in two of the data's own splits

    def record(self) -> SplitRecord:
        """The record in a checkpoint, from which evaluation recognizes training images."""
        return SplitRecord(
            seed=self.seed,
            ratio=self.ratio,
            sizes={name: len(getattr(self, name)) for name in SPLIT_NAMES},
            digests=self.digests,
            fingerprints=self.fingerprints,
            counts=self.counts,
        )


def parse_ratio(text: str) -> tuple[float, ...]:
    """`80:20` (train, validation) or `60:20:20` (train, validation, test) as shares of one."""
    try:
        numbers = [float(number) for number in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in {2, 3} or min(numbers, default=0) <= 0:
        raise LeannetError(f"--split: expected train:validation or train:validation:test, as 80:20, found '{text}'")
    return tuple(number / sum(numbers) for number in numbers)


def split_dataset(
    dataset: Dataset,
    digests: Sequence[str],
    ratio: tuple[float, ...] | None,
    seed: int,
    fold: tuple[int, int] | None = None,
) -> Split:
    """Divides images into splits, each class in the same proportions.

    ratio: None: the data's own splits, or 80:20 if it has no validation split. A ratio divides everything but the
    data's own test split, which training never touches. fold: (i, k): the same images in k folds; the i-th, counted
    from 1, validates and the others train.
    """
    own_splits = np.array([split or "" for split in dataset.splits])
    test = np.flatnonzero(own_splits == "test")
    rest = np.flatnonzero(own_splits != "test")
    if fold is not None:
        ratio = (1 / fold[1],) * fold[1]
        counts = dataset.images_of_classes(rest)
        if counts.min() < fold[1] and dataset.truths is None:
            name = dataset.classes[int(counts.argmin())]
            raise LeannetError(
                f"{dataset.where}: class '{name}' has {counts.min()} images, too few for {fold[1]} folds"
            )
    elif ratio is None and (own_splits == "validation").any():
        splits = [np.flatnonzero(own_splits == "train"), np.flatnonzero(own_splits == "validation")]
        return _split_of(dataset, digests, splits[0], splits[1], test, None, seed)
    ratio = ratio or (0.8, 0.2)
    if fold is None and len(test) and len(ratio) == 3:
        raise LeannetError(f"{dataset.where} has a test split of its own: expected train:validation, as 80:20")
    cuts = _cut_by_content(dataset, digests, rest, ratio, seed)
    sides = [np.sort(np.concatenate(cut)) for cut in cuts]
    if fold is not None:
        validation = sides.pop(fold[0] - 1)
        train, validation = _with_every_class(dataset, digests, [np.sort(np.concatenate(sides)), validation])
        return _split_of(dataset, digests, train, validation, test, (1 - 1 / fold[1], 1 / fold[1]), seed)
    sides = _with_every_class(dataset, digests, sides)
    if len(sides) == 3:
        test = sides[2]
    return _split_of(dataset, digests, sides[0], sides[1], test, ratio, seed)


def split_as(dataset: Dataset, digests: Sequence[str], record: SplitRecord, where: str) -> Split:
    """The split that a checkpoint records, of the images that it knows. where: the checkpoint, for messages.

    Raises LeannetError where it knows none of them, or too many to recognize.
    """
    try:
        again = split_dataset(dataset, digests, record.ratio, record.seed or 0)
        if again.digests == record.digests:
            return again
    except LeannetError:
        pass
    known = membership(digests, record.fingerprints)
    if not known.decidable.all():
        raise LeannetError(
            f"{where}: knows too many images to say of each in which split it was, and {dataset.where} is not the same "
            "set any more: give the split, as --split 80:20"
        )
    train, validation, test = (np.flatnonzero(getattr(known, name)) for name in SPLIT_NAMES)
    if not len(train) or not len(validation):
        raise LeannetError(
            f"{where}: expected its training and validation images in {dataset.where}, found {len(train)} and "
            f"{len(validation)}: give the split, as --split 80:20"
        )
    return _split_of(dataset, digests, train, validation, test, record.ratio, record.seed or 0)


def _key(seed: int, digest: str) -> str:
    return hashlib.sha256(f"{seed}:{digest}".encode()).hexdigest()


def _cut_by_content(
    dataset: Dataset, digests: Sequence[str], indices: NDArray[np.int64], ratio: tuple[float, ...], seed: int
) -> list[list[NDArray[np.int64]]]:
    """For each side of the split, the indices of each class; of a detection set those without an object are one more.

    Copies of an image in several classes go to the side where the first of these classes has it.
    """
    cuts: list[list[NDArray[np.int64]]] = [[] for _ in ratio]
    labels = dataset.labels
    if dataset.truths is not None:
        labels = np.where([each.is_crowd.all() for each in dataset.truths], len(dataset.classes), labels)
    of_several_labels = in_several_classes(digests, labels, indices)
    sides: dict[str, int] = {}  # digest -> side, of images in several classes
    for label in range(len(dataset.classes) + 1):
        members = indices[labels[indices] == label]
        members = np.array(sorted(members, key=lambda i: _key(seed, digests[i])), dtype=np.int64)
        assigned = [(i, sides[digests[i]]) for i in members if digests[i] in sides]
        present = np.bincount([side for _, side in assigned], minlength=len(ratio)).tolist()
        free = np.array([i for i in members if digests[i] not in sides], dtype=np.int64)
        for side, cut in enumerate(_cut([digests[i] for i in free], ratio, present)):
            sides |= {digests[i]: side for i in free[cut] if digests[i] in of_several_labels}
            assigned_here = np.array([i for i, assigned_side in assigned if assigned_side == side], dtype=np.int64)
            cuts[side].append(np.concatenate([free[cut], assigned_here]))
    return cuts


def _with_every_class(
    dataset: Dataset, digests: Sequence[str], sides: list[NDArray[np.int64]]
) -> list[NDArray[np.int64]]:
    """The sides of a split, the first with an image of every class: an image of a detection set goes where its rarest
    class does, and may take the only ones of others along."""
    if dataset.truths is None:
        return sides
    for label in np.flatnonzero(dataset.images_of_classes(sides[0]) == 0).tolist():
        others = [index for side in sides[1:] for index in side.tolist() if label in dataset.truths[index].labels]
        if others and label not in np.concatenate([dataset.truths[index].labels for index in sides[0].tolist()]):
            moved = {index for side in sides for index in side.tolist() if digests[index] == digests[others[0]]}
            rest = [np.array([index for index in side.tolist() if index not in moved], np.int64) for side in sides]
            sides = [np.sort(np.concatenate((rest[0], np.array(sorted(moved), np.int64)))), *rest[1:]]
    return sides


def in_several_classes(digests: Sequence[str], labels: NDArray[np.int64], indices: NDArray[np.int64]) -> set[str]:
    """The digests of images with more than one label."""
    first: dict[str, int] = {}
    return {digests[i] for i in indices.tolist() if first.setdefault(digests[i], int(labels[i])) != int(labels[i])}


def _cut(digests: Sequence[str], ratio: tuple[float, ...], present: Sequence[int]) -> list[slice]:
    """Consecutive slices in the requested proportions, identical images on one side, each non-empty if possible.

    present: how many images of the class each side has already, which count towards its share.
    """
    number = len(digests)
    ends = [round((number + sum(present)) * share) for share in np.cumsum(ratio)]
    bounds = [
        min(max(most - before_it, 0), number) for most, before_it in zip(ends, np.cumsum(present).tolist(), strict=True)
    ]
    bounds[-1] = number
    for i in range(len(bounds) - 1):
        fewest, most = (bounds[i - 1] if i else 0) + 1, number - (len(bounds) - 1 - i)
        if number >= len(ratio):
            bounds[i] = min(max(bounds[i], fewest), most)
        after, before = bounds[i], bounds[i]
        while 0 < after < number and digests[after] == digests[after - 1]:
            after += 1
        while 0 < before < number and digests[before] == digests[before - 1]:
            before -= 1
        bounds[i] = before if after > most and before >= fewest else after
    return [slice(start, end) for start, end in zip([0, *bounds[:-1]], bounds, strict=True)]


def _split_of(
    dataset: Dataset,
    digests: Sequence[str],
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    test: NDArray[np.int64],
    ratio: tuple[float, ...] | None,
    seed: int,
) -> Split:
    train, validation, dropped = _without_leaks(dataset, digests, train, validation, test)
    for name, indices in (("train", train), ("validation", validation)):
        missing = np.flatnonzero(dataset.images_of_classes(indices) == 0)
        if len(missing) and (name == "train" or dataset.truths is None):  # AP is of the objects that there are
            raise LeannetError(
                f"{dataset.where}: class '{dataset.classes[missing[0]]}' has no image in its {name} split"
            )
    everything = np.concatenate([train, validation, test])
    splits = {"all": everything, "train": train, "validation": validation, "test": test}
    split_digests = {name: digest_of(digests, indices) for name, indices in splits.items() if len(indices)}
    del splits["all"]
    fingerprints = {name: fingerprint([digests[i] for i in indices]) for name, indices in splits.items()}
    counts = {name: dataset.images_of_classes(indices).tolist() for name, indices in splits.items()}
    return Split(train, validation, test, ratio, seed, split_digests, fingerprints, counts, dropped)


def _without_leaks(
    dataset: Dataset,
    digests: Sequence[str],
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    test: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, ...]]:
    """Train and validation without images of several labels that have a copy in a later one of the data's splits."""
    of_several_labels = in_several_classes(digests, dataset.labels, np.concatenate([train, validation, test]))
    in_test = of_several_labels & {digests[i] for i in test}
    in_later_split = in_test | (of_several_labels & {digests[i] for i in validation})
    dropped = [i for i in train if digests[i] in in_later_split] + [i for i in validation if digests[i] in in_test]
    if not dropped:
        return train, validation, ()
    return np.setdiff1d(train, dropped), np.setdiff1d(validation, dropped), tuple(int(i) for i in dropped)


def digest_of(digests: Sequence[str], indices: NDArray[np.int64]) -> str:
    """One digest of a set of images, independent of their order and names."""
    return hashlib.sha256("\n".join(sorted(digests[i] for i in indices)).encode()).hexdigest()


MAX_FINGERPRINTS = 100_000  # per split in a checkpoint


def fingerprint(digests: Sequence[str]) -> str:
    """The first 4 bytes of each digest, as base64: small enough for a checkpoint's header.

    Of more than MAX_FINGERPRINTS images only the smallest values are kept: see `Membership`.
    """
    return base64.b64encode(np.unique(_digest_prefixes(digests))[:MAX_FINGERPRINTS].astype("<u4").tobytes()).decode()


@dataclass(frozen=True)
class Membership:
    """Which of some images a checkpoint knows, by its fingerprints.

    One unknown image in (4 billion / fingerprints) is mistaken for a known one. decidable: all, unless a split had more
    than MAX_FINGERPRINTS images: then only those whose fingerprint is in the range that was kept.
    """

    train: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    test: NDArray[np.bool_]
    decidable: NDArray[np.bool_]


def membership(digests: Sequence[str], fingerprints: dict[str, str]) -> Membership:
    """Looks images up in the fingerprints of a checkpoint. An image with copies in several splits is in all of them."""
    prefixes = _digest_prefixes(digests)
    prefixes_by_split = {name: _prefixes_of(fingerprints, name) for name in SPLIT_NAMES}
    decidable = np.ones(len(prefixes), dtype=bool)
    for of_split in prefixes_by_split.values():
        if len(of_split) == MAX_FINGERPRINTS:
            decidable &= prefixes <= of_split[-1]
    known_in = {name: np.isin(prefixes, of_split) for name, of_split in prefixes_by_split.items()}
    return Membership(**known_in, decidable=decidable)


def is_known(fingerprints: dict[str, str]) -> Callable[[str], bool]:
    """Whether an image of a digest is among the fingerprints of a checkpoint, in whatever split."""
    prefixes = {int(prefix) for name in SPLIT_NAMES for prefix in _prefixes_of(fingerprints, name)}
    return lambda digest: _prefix(digest) in prefixes


def _prefixes_of(fingerprints: dict[str, str], split: str) -> NDArray[np.uint32]:
    return np.frombuffer(base64.b64decode(fingerprints.get(split, "")), dtype="<u4")


def _prefix(digest: str) -> int:
    return int(digest[:8], 16)


def _digest_prefixes(digests: Sequence[str]) -> NDArray[np.uint32]:
    return np.array([_prefix(digest) for digest in digests], dtype=np.uint32)
