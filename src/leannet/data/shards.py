"""WebDataset shards: tar files whose members belong together by name, `000123.jpg` and `000123.cls`.

A tar file says where each member begins, so its pictures can be read in any order. They are: the split, the marks and
resuming then work as for any other data, and shuffling is over all shards, not within a buffer.
"""

import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leannet.data.picture_list import PARTS, Pictures
from leannet.data.pictures import SUFFIXES
from leannet.errors import LeannetError

LABEL_ENDINGS = (".cls", ".cls.txt", ".label", ".json", ".txt")
LABEL_KEYS = ("label", "class", "cls", "class_name")
NAMES_FILE = "classes.txt"  # beside the shards: a class name a line, for labels that are numbers


@dataclass(frozen=True)
class _Members:
    """Where each picture lies: which shard, from which byte, how many."""

    shards: tuple[Path, ...]
    places: tuple[tuple[int, int, int], ...]

    def __call__(self, index: int) -> bytes:
        shard, start, size = self.places[index]
        with self.shards[shard].open("rb") as file:
            file.seek(start)
            return file.read(size)


def open_shards(where: str, shards: Sequence[Path]) -> Pictures:
    """The pictures of tar shards; those of `train-000.tar` and `val-000.tar`, or of folders so named, are parts.

    Raises LeannetError, naming shard and sample, for one without a picture or a label, and for what is no tar file.
    """
    names, words, parts, places = [], [], [], []
    for number, shard in enumerate(shards):
        part = PARTS.get(shard.stem.split("-")[0].lower(), PARTS.get(shard.parent.name.lower()))
        for key, word, start, size in _samples(shard):
            names.append(f"{shard.name}/{key}")
            words.append(word)
            parts.append(part if len(shards) > 1 else None)
            places.append((number, start, size))
    if not names:
        raise LeannetError(f"{where}: expected samples of a picture and a label in its shards, found none")
    classes, labels = _labels(words, Path(where))
    reader = _Members(tuple(shards), tuple(places))
    return Pictures("WebDataset shards", where, classes, tuple(names), labels, tuple(parts), reader)


def _samples(shard: Path) -> Iterator[tuple[str, str, int, int]]:
    """(key, label, first byte, bytes) of each sample of a shard."""
    members: dict[str, dict[str, tarfile.TarInfo]] = defaultdict(dict)
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isfile():
                    folder, _, name = member.name.rpartition("/")
                    stem, dot, ending = name.partition(".")
                    members[f"{folder}/{stem}" if folder else stem][(dot + ending).lower()] = member
            for key, found in members.items():
                picture = next((m for ending, m in found.items() if f".{ending.rsplit('.', 1)[-1]}" in SUFFIXES), None)
                label = next((found[ending] for ending in LABEL_ENDINGS if ending in found), None)
                if picture is None or label is None:
                    missing = "picture" if picture is None else f"label ({', '.join(LABEL_ENDINGS[:3])} or .json)"
                    raise LeannetError(f"{shard}: sample '{key}' has no {missing}; it has {', '.join(found)}")
                file = tar.extractfile(label)
                assert file is not None
                yield key, _word(file.read(), label.name, shard), picture.offset_data, picture.size
    except (tarfile.TarError, OSError, EOFError) as error:
        raise LeannetError(f"{shard}: not readable as an uncompressed tar file: {error}") from None


def _word(data: bytes, name: str, shard: Path) -> str:
    try:
        text = data.decode().strip()
        if name.lower().endswith(".json"):
            values = json.loads(text)
            text = str(next(values[key] for key in LABEL_KEYS if key in values))
    except (ValueError, StopIteration, TypeError):
        raise LeannetError(f"{shard}: {name}: expected a label, or JSON with one of {', '.join(LABEL_KEYS)}") from None
    return text


def _labels(words: list[str], where: Path) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    numbers = all(word.isdigit() for word in words)
    file = (where if where.is_dir() else where.parent) / NAMES_FILE
    if numbers and file.exists():
        try:
            classes = tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
        except UnicodeDecodeError as error:
            raise LeannetError(f"{file}: not readable as UTF-8: {error}") from None
        most = max(int(word) for word in words)
        if most >= len(classes):
            raise LeannetError(f"{file}: names {len(classes)} classes, and a label is {most}")
        return classes, np.array([int(word) for word in words])
    classes = tuple(sorted(set(words), key=int if numbers else str))
    index = {name: number for number, name in enumerate(classes)}
    return classes, np.array([index[word] for word in words])
