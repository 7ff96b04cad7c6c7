"""Finds the image files that a table lists, relative to the table's own folder."""

import os
from collections import defaultdict
from pathlib import Path

from leannet.data.images import image_suffixes
from leannet.data.sources.splits import split_word
from leannet.data.sources.walking import is_ignored
from leannet.errors import LeannetError

NAMES_SHOWN = 3
DEPTH = 4  # levels of folders below the table that are searched


class Files:
    """Resolves the file names of a table to paths. `remarks` lists how names were completed.

    folder: what they are relative to; None: the table's own. Backslashes are read as slashes, a missing extension is
    added, and folders below are searched. If several folders have a file of that name, the one in the row's split is
    taken.
    """

    def __init__(self, table: Path, folder: Path | None = None):
        self.table, self.folder = table, folder or table.parent
        self._has_rows = folder is None
        self._index: dict[str, list[Path]] | None = None  # file name, with and without its extension -> paths
        self._folders: dict[Path, None] = {}
        self._backslashes = False
        self._extended_name = ""

    @property
    def remarks(self) -> list[str]:
        """A line for each way in which the table's file names had to be completed."""
        lines, name = [], self.table.name
        if self._folders:
            folders = [f"{folder.relative_to(self.folder).as_posix()}/" for folder in self._folders]
            more = f" and {len(folders) - NAMES_SHOWN} more" if len(folders) > NAMES_SHOWN else ""
            lines.append(f"{name}: images were found in {', '.join(folders[:NAMES_SHOWN])}{more}")
        if self._backslashes:
            lines.append(f"{name}: backslashes in paths are read as slashes")
        if self._extended_name:
            lines.append(f"{name}: file names without an extension are completed, as in {self._extended_name}")
        return lines

    def __call__(self, name: str, split: str | None = None) -> Path:
        """The path of an image; of a missing one, the path where it should be.

        Raises LeannetError if several folders have it and its split does not decide.
        """
        direct = self.folder / name
        if direct.is_file():
            return direct
        plain = name.replace("\\", "/")
        candidates = self._below(plain)
        if split and len(candidates) > 1:
            candidates = [path for path in candidates if self._split(path) == split] or candidates
        if not candidates:
            return direct
        if len(candidates) > 1:
            folders = " and ".join(f"{path.parent.relative_to(self.folder).as_posix()}/" for path in candidates[:2])
            raise LeannetError(
                f"{self.table}: {name} exists in {folders}, and nothing says which one is meant: write paths "
                f"relative to {self.folder}" + (", or add a column named split" if self._has_rows else "")
            )
        self._note(name, plain, candidates[0])
        return candidates[0]

    def _note(self, name: str, plain: str, path: Path) -> None:
        self._backslashes |= plain != name
        base = path.parent
        for _ in Path(plain).parts[:-1]:
            base = base.parent
        if base != self.folder:
            self._folders[base] = None
        if Path(plain).suffix.lower() not in image_suffixes():
            self._extended_name = self._extended_name or path.name

    def _split(self, path: Path) -> str | None:
        """The split in the name of a folder between the table and an image."""
        parts = path.relative_to(self.folder).parts[:-1]
        return next((word[0] for part in reversed(parts) if (word := split_word(part))), None)

    def _below(self, name: str) -> list[Path]:
        """Files below the table's folder whose path ends in `name`, with or without its extension."""
        if self._index is None:
            self._index = _image_index(self.folder)
        parts = Path(name).parts
        if not parts:
            return []
        folders = parts[:-1] if not Path(name).is_absolute() else parts[1:-1]
        candidates = self._index.get(parts[-1], []) or self._index.get(f"{parts[-1]}.", [])
        matches = [path for path in candidates if path.parts[:-1][len(path.parts) - 1 - len(folders) :] == folders]
        return matches if not Path(name).is_absolute() else []


def _image_index(root: Path) -> dict[str, list[Path]]:
    """Image paths by file name, and by file name up to the dot of the extension."""
    index: dict[str, list[Path]] = defaultdict(list)
    suffixes = image_suffixes()
    for directory, folders, files in os.walk(root, followlinks=True):
        here = Path(directory)
        depth = len(here.relative_to(root).parts)
        folders[:] = sorted(folder for folder in folders if not is_ignored(folder)) if depth < DEPTH else []
        for file in sorted(files):
            path = here / file
            if path.suffix.lower() in suffixes and not is_ignored(file):
                index[file].append(path)
                index[f"{path.stem}."].append(path)
    return index
