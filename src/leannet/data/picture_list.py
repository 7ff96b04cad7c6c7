"""`Pictures`: a list of labelled pictures, none of which is read yet. All data become one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# How split folders and files are called, and what we call them.
PARTS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip

Reader = Callable[[int], Path | bytes | NDArray[np.uint8]]


@dataclass(frozen=True)
class Pictures:
    """A set of labelled pictures. `parts` says which come already split; None: not split."""

    kind: str
    where: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    parts: tuple[str | None, ...]
    reader: Reader
    ignored: tuple[str, ...] = ()  # files there that are no pictures by their name

    def __len__(self) -> int:
        return len(self.names)

    def keep(self, indices: Iterable[int]) -> "Pictures":
        """The same set with some pictures only."""
        kept = list(indices)
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            labels=self.labels[kept],
            parts=tuple(self.parts[i] for i in kept),
            reader=_Picked(self.reader, kept),
        )

    def without(self, patterns: Iterable[str]) -> "Pictures":
        """The set without pictures whose name matches a pattern."""
        wanted = list(patterns)
        return self.keep(i for i, name in enumerate(self.names) if not any(fnmatch(name, p) for p in wanted))


@dataclass(frozen=True)
class _Picked:
    reader: Reader
    indices: list[int]

    def __call__(self, index: int) -> Path | bytes | NDArray[np.uint8]:
        return self.reader(self.indices[index])
