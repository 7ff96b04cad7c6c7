"""The files that a table names, from the table's own folder on."""

import os
from collections import defaultdict
from pathlib import Path

from leannet.data.images import image_suffixes
from leannet.data.sources.splits import split_word
from leannet.data.sources.walking import is_passed_over
from leannet.errors import LeannetError

NAMES_SHOWN = 3
DEPTH = 4  # folders below the table's that are looked through


class Files:
    """Where the images of a table are. `remarks` says what was needed to find them.

    Backslashes are taken for slashes, a missing ending is found, and so is the folder below the table's that an image
    lies in. Where several folders have one of that name, the one of the row's split is meant.
    """

    def __init__(self, table: Path):
        self.table = table
        self._index: dict[str, list[Path]] | None = None  # name, and name without its ending -> files
        self._folders: dict[Path, None] = {}
        self._backslashes = False
        self._endings = ""

    @property
    def remarks(self) -> list[str]:
        """A line for each kind of help that the table's names needed."""
        lines, name = [], self.table.name
        if self._folders:
            folders = [f"{folder.relative_to(self.table.parent).as_posix()}/" for folder in self._folders]
            more = f" and {len(folders) - NAMES_SHOWN} more" if len(folders) > NAMES_SHOWN else ""
            lines.append(f"{name}: images are found in {', '.join(folders[:NAMES_SHOWN])}{more}")
        if self._backslashes:
            lines.append(f"{name}: backslashes in paths are read as slashes")
        if self._endings:
            lines.append(f"{name}: names without an ending are found with one, as {self._endings}")
        return lines

    def __call__(self, name: str, split: str | None = None) -> Path:
        """Where the image is; where it is nowhere, where it should be.

        Raises LeannetError where it is in several folders, and nothing says which is meant.
        """
        direct = self.table.parent / name
        if direct.is_file():
            return direct
        plain = name.replace("\\", "/")
        candidates = self._below(plain)
        if split and len(candidates) > 1:
            candidates = [path for path in candidates if self._split(path) == split] or candidates
        if not candidates:
            return direct
        if len(candidates) > 1:
            folders = " and ".join(
                f"{path.parent.relative_to(self.table.parent).as_posix()}/" for path in candidates[:2]
            )
            raise LeannetError(
                f"{self.table}: {name} is in {folders}, and it is not said which is meant: write paths from the folder "
                f"of {self.table.name} on, or a column split"
            )
        self._note(name, plain, candidates[0])
        return candidates[0]

    def _note(self, name: str, plain: str, path: Path) -> None:
        self._backslashes |= plain != name
        base = path.parent
        for _ in Path(plain).parts[:-1]:
            base = base.parent
        if base != self.table.parent:
            self._folders[base] = None
        if Path(plain).suffix.lower() not in image_suffixes():
            self._endings = self._endings or path.name

    def _split(self, path: Path) -> str | None:
        """The split that a folder between the table and an image says."""
        parts = path.relative_to(self.table.parent).parts[:-1]
        return next((word[0] for part in reversed(parts) if (word := split_word(part))), None)

    def _below(self, name: str) -> list[Path]:
        """Files below the table's folder whose path ends so, with or without their ending."""
        if self._index is None:
            self._index = _indexed(self.table.parent)
        parts = Path(name).parts
        if not parts:
            return []
        folders = parts[:-1] if not Path(name).is_absolute() else parts[1:-1]
        candidates = self._index.get(parts[-1], []) or self._index.get(f"{parts[-1]}.", [])
        whole = [path for path in candidates if path.parts[:-1][len(path.parts) - 1 - len(folders) :] == folders]
        return whole if not Path(name).is_absolute() else []


def _indexed(root: Path) -> dict[str, list[Path]]:
    """Images by their name, and by their name up to the ending's dot."""
    index: dict[str, list[Path]] = defaultdict(list)
    suffixes = image_suffixes()
    for place, folders, files in os.walk(root, followlinks=True):
        here = Path(place)
        depth = len(here.relative_to(root).parts)
        folders[:] = sorted(folder for folder in folders if not is_passed_over(folder)) if depth < DEPTH else []
        for file in sorted(files):
            path = here / file
            if path.suffix.lower() in suffixes and not is_passed_over(file):
                index[file].append(path)
                index[f"{path.stem}."].append(path)
    return index
