"""WebDataset shards: tar files whose members form samples by name, as `000123.jpg` and `000123.cls` do.

A tar file says where each member begins, so images are read in random order. The split, fingerprints and resuming then
work as for any other data, and shuffling covers all shards, not just a buffer.
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
from leannet.data.sources.walking import is_ignored
from leannet.errors import LeannetError

LABEL_ENDINGS = (".cls", ".cls.txt", ".label", ".json", ".txt")
LABEL_KEYS = ("label", "class", "cls", "class_name")
BLOCK = 512  # bytes
NAMES_FILE = "classes.txt"  # beside the shards: one class name per line, for numeric labels

Members = dict[str, dict[str, tarfile.TarInfo]]  # key -> extension in lower case -> member


@dataclass(frozen=True)
class _ByteRanges:
    """Reads the images of a shard by their byte ranges (start, size)."""

    shard: Path
    ranges: list[tuple[int, int]]

    def __call__(self, index: int) -> bytes:
        start, size = self.ranges[index]
        with self.shard.open("rb") as file:
            file.seek(start)
            return file.read(size)


@dataclass
class _Samples:
    """The samples of a shard, and the members that form none."""

    keys: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)  # of each image: start and size in bytes
    extra_images: list[str] = field(default_factory=list)  # beside one with a plainer extension
    with_several: list[str] = field(default_factory=list)  # keys: several images, none plainer than the others
    without_image: list[str] = field(default_factory=list)
    without_label: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def open_shard(shard: Path, split: str | None, class_names: tuple[str, ...]) -> Listing:
    """The samples of one shard. A sample without an image or a label is counted and left out.

    The key of a sample ends at the first dot of its name, as in WebDataset, or at the last dot if that gives more
    complete samples. Of several images in a sample, the one with the plain extension is taken.
    Raises LeannetError if the file is not a readable tar file.
    """
    try:
        with tarfile.open(shard, "r:") as tar:
            all_members = list(tar)
            _check_end(shard, all_members)
            members, broken_links = _resolved([member for member in all_members if not _is_ignored(member.name)])
            first, last = _grouped(members, _first_dot), _grouped(members, _last_dot)
            by_last = _complete(last) > _complete(first)
            samples = _read(tar, last if by_last else first, shard)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise LeannetError(f"{shard}: not readable as an uncompressed tar file: {error}") from None

    def left_out_of(what: str, why: str, names: list[str]) -> LeftOut:
        return LeftOut(what, why, tuple(f"{shard.name}/{name}" for name in names))

    return Listing(
        str(shard),
        [f"{shard.name}/{key}" for key in samples.keys],
        samples.labels,
        _splits_of(samples.keys) if split is None else [split] * len(samples.keys),
        _ByteRanges(shard, samples.ranges),
        class_names,
        left_out=[
            left_out_of("image", "beside the main image of its sample", samples.extra_images),
            left_out_of("sample", "with several images, none with a plain extension (.jpg)", samples.with_several),
            left_out_of("sample", "without an image", samples.without_image),
            left_out_of("sample", f"without a label ({', '.join(LABEL_ENDINGS[:3])} or .json)", samples.without_label),
            left_out_of(
                "sample", f"whose label is neither text nor JSON with {', '.join(LABEL_KEYS)}", samples.unreadable
            ),
            left_out_of("file", "named neither as an image nor as a label", samples.others),
            left_out_of("link", "to a missing member", broken_links),
            left_out_of("file", "whose name is repeated in its tar file", _repeated(members)),
        ],
        remarks=["the keys of samples end at the last dot of a name"] if by_last else [],
    )


def _check_end(shard: Path, members: Sequence[tarfile.TarInfo]) -> None:
    """Raises LeannetError if a tar file continues after the point where Python stops reading, or has no end.

    tarfile reports no error for a damaged header in the middle, nor for a file cut off between two members.
    """
    blocks = [member.offset_data + -(-member.size // BLOCK) * BLOCK for member in members if member.isreg()]
    end = max([0, *blocks, *(member.offset_data for member in members)])
    with shard.open("rb") as file:
        file.seek(end)
        rest = file.read(BLOCK)
        if len(rest) < BLOCK:
            raise LeannetError(f"{shard}: the tar file is cut off: its end is missing; copy or create it again")
        while rest and not any(rest):
            rest = file.read(1 << 20)
    if rest:
        raise LeannetError(
            f"{shard}: damaged, or several tar files in one: data follows its last readable member "
            f"{members[-1].name if members else '(none)'}; create it again"
        )


def _resolved(members: Sequence[tarfile.TarInfo]) -> tuple[list[tarfile.TarInfo], list[str]]:
    """Files, with links replaced by their targets under the links' own names; and the names of broken links."""
    files = {member.name.removeprefix("./"): member for member in members if member.isreg()}
    resolved, broken_links = [], []
    for member in members:
        if member.isreg():
            resolved.append(member)
        elif member.islnk() or member.issym():
            base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
            target = files.get(posixpath.normpath(str(base / member.linkname)))
            if target is None:
                broken_links.append(member.name)
                continue
            linked = copy.copy(target)
            linked.name = member.name
            resolved.append(linked)
    return resolved, broken_links


def _repeated(members: Sequence[tarfile.TarInfo]) -> list[str]:
    counts = Counter(member.name for member in members)
    return [name for name, number in counts.items() if number > 1 for _ in range(number - 1)]


def _splits_of(keys: Sequence[str]) -> list[str | None]:
    """The splits in the first folders of keys, if all of them name one."""
    folders = {key.partition("/")[0] if "/" in key else "" for key in keys}
    splits = splits_among(folders)
    if len(set(splits.values())) < 2 or splits.keys() != folders:
        return [None] * len(keys)
    return [splits[key.partition("/")[0]] for key in keys]


def read_class_names(folder: Path) -> tuple[str, ...]:
    """The class names in `classes.txt` of a folder, in the order of their numbers; empty without such a file."""
    file = folder / NAMES_FILE
    if not file.is_file():
        return ()
    try:
        return tuple(line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise LeannetError(f"{file}: not readable as UTF-8: {error}") from None


def _is_ignored(name: str) -> bool:
    return any(is_ignored(part) for part in PurePosixPath(name).parts if part not in {".", ".."})


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
    """The image with the plainest extension; None: there is none, or several are equally plain."""
    extensions = [extension for extension in sample if f".{extension.rsplit('.', 1)[-1]}" in image_suffixes()]
    fewest_dots = min((extension.count(".") for extension in extensions), default=0)
    plainest = [sample[extension] for extension in extensions if extension.count(".") == fewest_dots]
    return plainest[0] if len(plainest) == 1 else None


def _label(sample: dict[str, tarfile.TarInfo]) -> tarfile.TarInfo | None:
    return next((sample[ending] for ending in LABEL_ENDINGS if ending in sample), None)


def _complete(groups: Members) -> int:
    return sum(_image(sample) is not None and _label(sample) is not None for sample in groups.values())


def _read(tar: tarfile.TarFile, groups: Members, shard: Path) -> _Samples:
    samples = _Samples()
    for key, sample in groups.items():
        image, label = _image(sample), _label(sample)
        if not _images(sample) and label is None:
            samples.others += [member.name for member in sample.values()]
        elif image is None:
            (samples.with_several if _images(sample) else samples.without_image).append(key)
        elif label is None:
            samples.without_label.append(key)
        else:
            try:
                samples.labels.append(_value(_bytes_of(tar, label), label.name))
            except ValueError:
                samples.unreadable.append(key)
                continue
            samples.keys.append(key)
            samples.ranges.append((image.offset_data, image.size))
            samples.extra_images += [member.name for member in _images(sample) if member is not image]
    return samples


def _bytes_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _value(data: bytes, name: str) -> Any:
    """The label in a member: text, or a value from JSON. Raises ValueError if it cannot be read."""
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
