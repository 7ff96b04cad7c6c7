"""WebDataset shards: tar files whose members belong together by name, `000123.jpg` and `000123.cls`.

A tar file says where each member begins, so its images can be read in any order. They are: the split, fingerprints and
resuming then work as for any other data, and shuffling is over all shards, not within a buffer.
"""

import copy
import json
import posixpath
import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from leannet.data.dataset import LeftOut
from leannet.data.images import image_suffixes
from leannet.data.sources.listing import Listing
from leannet.data.sources.splits import splits_among
from leannet.data.sources.walking import is_passed_over
from leannet.errors import LeannetError

LABEL_ENDINGS = (".cls", ".cls.txt", ".label", ".json", ".txt")
LABEL_KEYS = ("label", "class", "cls", "class_name")
BLOCK = 512  # bytes
NAMES_FILE = "classes.txt"  # beside the shards: a class name a line, for labels that are numbers

Members = dict[str, dict[str, tarfile.TarInfo]]  # key -> ending, in small letters -> member


@dataclass(frozen=True)
class _Places:
    """Where each image lies in a shard: from which byte, how many."""

    shard: Path
    places: list[tuple[int, int]]

    def __call__(self, index: int) -> bytes:
        start, size = self.places[index]
        with self.shard.open("rb") as file:
            file.seek(start)
            return file.read(size)


@dataclass
class _Samples:
    """What the members of a shard come to."""

    keys: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)  # images of a sample that has a plainer one
    with_several: list[str] = field(default_factory=list)  # images, none plainer than the others
    without_image: list[str] = field(default_factory=list)
    without_label: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def open_shard(shard: Path, split: str | None, class_names: tuple[str, ...]) -> Listing:
    """The samples of one shard. A sample without an image or a label is counted and left out.

    The key of a sample ends at the first dot of its name, as WebDataset has it; where that makes fewer whole samples
    than the last dot, at the last. Of several images in a sample the one with the plain ending is taken.
    Raises LeannetError for what is no tar file.
    """
    try:
        with tarfile.open(shard, "r:") as tar:
            every = list(tar)
            _check_end(shard, every)
            members, lost = _resolved([member for member in every if not _is_passed_over(member.name)])
            first, last = _grouped(members, _first_dot), _grouped(members, _last_dot)
            by_last = _whole(last) > _whole(first)
            found = _read(tar, last if by_last else first, shard)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise LeannetError(f"{shard}: not readable as an uncompressed tar file: {error}") from None

    def left(what: str, why: str, names: list[str]) -> LeftOut:
        return LeftOut(what, why, tuple(f"{shard.name}/{name}" for name in names))

    return Listing(
        str(shard),
        [f"{shard.name}/{key}" for key in found.keys],
        found.labels,
        _splits_of(found.keys) if split is None else [split] * len(found.keys),
        _Places(shard, found.places),
        class_names,
        left_out=[
            left("image", "beside the plain one of its sample", found.beside),
            left("sample", "with several images, none of a plain ending (.jpg)", found.with_several),
            left("sample", "without an image", found.without_image),
            left("sample", f"without a label ({', '.join(LABEL_ENDINGS[:3])} or .json)", found.without_label),
            left("sample", f"whose label is not text or JSON with {', '.join(LABEL_KEYS)}", found.unreadable),
            left("file", "named neither as an image nor as a label", found.others),
            left("link", "to a member that is not there", lost),
            left("file", "named twice in its tar", _twice(members)),
        ],
        remarks=["the keys of samples end at the last dot of a name"] if by_last else [],
    )


def _check_end(shard: Path, members: Sequence[tarfile.TarInfo]) -> None:
    """Raises LeannetError for a tar file that goes on behind where Python stops to read it, or that does not end.

    A damaged header in the middle, and a file that was cut between two members, end the reading without an error.
    """
    blocks = [member.offset_data + -(-member.size // BLOCK) * BLOCK for member in members if member.isreg()]
    end = max([0, *blocks, *(member.offset_data for member in members)])
    with shard.open("rb") as file:
        file.seek(end)
        rest = file.read(BLOCK)
        if len(rest) < BLOCK:
            raise LeannetError(f"{shard}: the tar file is cut off: its end is missing; copy or make it again")
        while rest and not any(rest):
            rest = file.read(1 << 20)
    if rest:
        raise LeannetError(
            f"{shard}: damaged, or several tar files in one: it goes on behind its member "
            f"{members[-1].name if members else 'none'}; make it again"
        )


def _resolved(members: Sequence[tarfile.TarInfo]) -> tuple[list[tarfile.TarInfo], list[str]]:
    """Files, and links as the files that they mean under their own names; and the names of links to nothing."""
    files = {member.name.removeprefix("./"): member for member in members if member.isreg()}
    found, lost = [], []
    for member in members:
        if member.isreg():
            found.append(member)
        elif member.islnk() or member.issym():
            base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
            target = files.get(posixpath.normpath(str(base / member.linkname)))
            if target is None:
                lost.append(member.name)
                continue
            copied = copy.copy(target)
            copied.name = member.name
            found.append(copied)
    return found, lost


def _twice(members: Sequence[tarfile.TarInfo]) -> list[str]:
    counts = Counter(member.name for member in members)
    return [name for name, number in counts.items() if number > 1 for _ in range(number - 1)]


def _splits_of(keys: Sequence[str]) -> list[str | None]:
    """The splits that the first folders of keys say, where all of them do."""
    folders = {key.partition("/")[0] if "/" in key else "" for key in keys}
    splits = splits_among(folders)
    if len(set(splits.values())) < 2 or splits.keys() != folders:
        return [None] * len(keys)
    return [splits[key.partition("/")[0]] for key in keys]


def read_class_names(folder: Path) -> tuple[str, ...]:
    """The names in `classes.txt` of a folder, in the order of their numbers; none where there is no such file."""
    file = folder / NAMES_FILE
    if not file.is_file():
        return ()
    try:
        return tuple(line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise LeannetError(f"{file}: not readable as UTF-8: {error}") from None


def _is_passed_over(name: str) -> bool:
    return any(is_passed_over(part) for part in PurePosixPath(name).parts if part not in {".", ".."})


def _first_dot(name: str) -> tuple[str, str]:
    stem, dot, ending = name.partition(".")
    return stem, dot + ending


def _last_dot(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    if not dot:
        return name, ""
    if ending.lower() == "txt" and stem.lower().endswith(".cls"):
        return stem[: -len(".cls")], ".cls.txt"
    return stem, dot + ending


def _grouped(members: Sequence[tarfile.TarInfo], cut: Callable[[str], tuple[str, str]]) -> Members:
    groups: Members = defaultdict(dict)
    for member in members:
        folder, _, name = member.name.removeprefix("./").rpartition("/")
        stem, ending = cut(name)
        groups[f"{folder}/{stem}" if folder else stem][ending.lower()] = member
    return groups


def _images(sample: dict[str, tarfile.TarInfo]) -> list[tarfile.TarInfo]:
    return [member for ending, member in sample.items() if f".{ending.rsplit('.', 1)[-1]}" in image_suffixes()]


def _image(sample: dict[str, tarfile.TarInfo]) -> tarfile.TarInfo | None:
    """The one of the plainest ending; None where there is none, or several are as plain: nobody says which is meant."""
    plain = [ending for ending in sample if f".{ending.rsplit('.', 1)[-1]}" in image_suffixes()]
    least = min((ending.count(".") for ending in plain), default=0)
    found = [sample[ending] for ending in plain if ending.count(".") == least]
    return found[0] if len(found) == 1 else None


def _label(sample: dict[str, tarfile.TarInfo]) -> tarfile.TarInfo | None:
    return next((sample[ending] for ending in LABEL_ENDINGS if ending in sample), None)


def _whole(groups: Members) -> int:
    return sum(_image(sample) is not None and _label(sample) is not None for sample in groups.values())


def _read(tar: tarfile.TarFile, groups: Members, shard: Path) -> _Samples:
    found = _Samples()
    for key, sample in groups.items():
        image, label = _image(sample), _label(sample)
        if not _images(sample) and label is None:
            found.others += [member.name for member in sample.values()]
        elif image is None:
            (found.with_several if _images(sample) else found.without_image).append(key)
        elif label is None:
            found.without_label.append(key)
        else:
            try:
                found.labels.append(_value(_bytes_of(tar, label), label.name))
            except ValueError:
                found.unreadable.append(key)
                continue
            found.keys.append(key)
            found.places.append((image.offset_data, image.size))
            found.beside += [member.name for member in _images(sample) if member is not image]
    return found


def _bytes_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _value(data: bytes, name: str) -> Any:
    """The label of a member: text, or what JSON holds. Raises ValueError where it cannot be read."""
    text = data.decode().strip()
    if not name.lower().endswith(".json"):
        return text
    values = json.loads(text)
    if not isinstance(values, dict):
        return values
    key = next((key for key in LABEL_KEYS if key in values), None)
    if key is None:
        raise ValueError("no label")
    return values[key]
