"""The files below a folder. Links are followed, loops detected, and files of other programs ignored."""

import os
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from leannet.data.dataset import LeftOut
from leannet.data.images import HEIF_SUFFIXES, HEIF_WAY_OUT, image_suffixes

# What operating systems and archivers leave behind. Names that begin with a dot are ignored too.
FOREIGN = {"__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db", "@eadir", "$recycle.bin", "lost+found"}


@dataclass
class Folder:
    """A folder and everything below it. `others`: files without the extension of an image."""

    path: Path
    images: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list["Folder"] = field(default_factory=list)
    number: int = 0  # images here and below

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def bearing(self) -> list["Folder"]:
        """The folders directly below that contain an image at any depth."""
        return [folder for folder in self.folders if folder.number]

    def all_images(self) -> list[Path]:
        """The images here and below, in the order of their paths."""
        return sorted([*self.images, *(path for folder in self.folders for path in folder.all_images())])

    def all_others(self) -> list[Path]:
        """Files without the extension of an image, here and below."""
        return sorted([*self.others, *(path for folder in self.folders for path in folder.all_others())])

    def all_folders(self) -> list["Folder"]:
        """The folders below, at any depth."""
        return [inner for folder in self.folders for inner in (folder, *folder.all_folders())]


@dataclass
class Trouble:
    """The paths that could not be followed."""

    dangling: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def left_out(self) -> list[LeftOut]:
        return [
            LeftOut("link", "to a missing file", tuple(self.dangling)),
            LeftOut("link", "to a folder that contains it (a loop)", tuple(self.loops)),
            LeftOut("folder", "that cannot be opened", tuple(self.closed)),
        ]


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or belongs to another program."""
    return name.startswith(".") or name.lower() in FOREIGN


def seen_below(folder: Path, suffixes: Container[str], deep: bool = True) -> list[Path]:
    """The files of these extensions in a folder, and, deep, in those below, sorted, without those that are hidden."""
    return [
        path
        for path in sorted(folder.rglob("*") if deep else folder.iterdir())
        if path.suffix.lower() in suffixes and not any(map(is_ignored, path.relative_to(folder).parts))
    ]


def walk(root: Path) -> tuple[Folder, Trouble]:
    """The tree of a folder. Links to files and folders are followed, except one to a folder that contains it."""
    trouble = Trouble()
    return _walk(root, root, frozenset(), trouble), trouble


def _walk(path: Path, root: Path, ancestors: frozenset[tuple[int, int]], trouble: Trouble) -> Folder:
    folder = Folder(path)
    suffixes = image_suffixes()
    try:
        status = path.stat()
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:
        trouble.closed.append(path.relative_to(root).as_posix())
        return folder
    with_this = ancestors | {(status.st_dev, status.st_ino)}
    for entry in entries:
        if is_ignored(entry.name):
            continue
        inside = path / entry.name
        kind = _kind(entry)
        if kind == "folder":
            inside_status = inside.stat()
            if (inside_status.st_dev, inside_status.st_ino) in with_this:
                trouble.loops.append(inside.relative_to(root).as_posix())
                continue
            folder.folders.append(_walk(inside, root, with_this, trouble))
        elif kind == "dangling":
            trouble.dangling.append(inside.relative_to(root).as_posix())
        elif kind != "file":
            continue  # a socket, a device
        elif inside.suffix.lower() in suffixes:
            folder.images.append(inside)
        else:
            folder.others.append(inside)
    folder.number = len(folder.images) + sum(subfolder.number for subfolder in folder.folders)
    return folder


def _kind(entry: "os.DirEntry[str]") -> str:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # a link to itself
        return "dangling"
    return "dangling" if entry.is_symlink() else "other"


def without_reader(paths: list[Path]) -> list[Path]:
    """Images whose format needs an extra of leannet that is not installed."""
    return [path for path in paths if path.suffix.lower() in HEIF_SUFFIXES]


def not_images(paths: list[Path], root: Path) -> list[LeftOut]:
    """Files without the extension of an image that can be read, by kind."""
    heic = without_reader(paths)
    rest = [path for path in paths if path.suffix.lower() not in HEIF_SUFFIXES]

    def names(paths_of_kind: list[Path]) -> tuple[str, ...]:
        return tuple(path.relative_to(root).as_posix() for path in paths_of_kind)

    return [
        LeftOut("HEIC image", "that no installed package reads", names(heic), HEIF_WAY_OUT),
        LeftOut("file", "not named as an image", names(rest)),
    ]
