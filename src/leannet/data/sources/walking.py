"""The files of a folder: links followed, loops noticed, what belongs to other programs passed over."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from leannet.data.dataset import LeftOut
from leannet.data.images import HEIF_SUFFIXES, HEIF_WAY_OUT, image_suffixes

# What operating systems and archivers leave beside people's files. Names that begin with a dot are passed over too.
FOREIGN = {"__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db", "@eadir", "$recycle.bin", "lost+found"}


@dataclass
class Folder:
    """A folder and all below it. `others`: files that are no images by their name."""

    path: Path
    images: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list["Folder"] = field(default_factory=list)
    number: int = 0  # of images, those of the folders below included

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def bearing(self) -> list["Folder"]:
        """The folders directly below that hold an image somewhere."""
        return [folder for folder in self.folders if folder.number]

    def all_images(self) -> list[Path]:
        """Its own and those of the folders below, in the order of their paths."""
        return sorted([*self.images, *(path for folder in self.folders for path in folder.all_images())])

    def all_others(self) -> list[Path]:
        """Files that are no images by their name, here and below."""
        return sorted([*self.others, *(path for folder in self.folders for path in folder.all_others())])

    def all_folders(self) -> list["Folder"]:
        """The folders below, at any depth."""
        return [each for folder in self.folders for each in (folder, *folder.all_folders())]


@dataclass
class Trouble:
    """What could not be followed on the way, by name."""

    dangling: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def left_out(self) -> list[LeftOut]:
        return [
            LeftOut("link", "to a file that is not there", tuple(self.dangling)),
            LeftOut("link", "to a folder above itself, which would never end", tuple(self.loops)),
            LeftOut("folder", "that may not be read", tuple(self.closed)),
        ]


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or another program's."""
    return name.startswith(".") or name.lower() in FOREIGN


def walk(root: Path) -> tuple[Folder, Trouble]:
    """The tree of a folder. Links to files and folders are followed; one to a folder above itself is not."""
    trouble = Trouble()
    return _walk(root, root, frozenset(), trouble), trouble


def _walk(path: Path, root: Path, above: frozenset[tuple[int, int]], trouble: Trouble) -> Folder:
    folder = Folder(path)
    suffixes = image_suffixes()
    try:
        status = path.stat()
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:
        trouble.closed.append(path.relative_to(root).as_posix())
        return folder
    here = above | {(status.st_dev, status.st_ino)}
    for entry in entries:
        if is_passed_over(entry.name):
            continue
        inside = path / entry.name
        kind = _kind(entry)
        if kind == "folder":
            found = inside.stat()
            if (found.st_dev, found.st_ino) in here:
                trouble.loops.append(inside.relative_to(root).as_posix())
                continue
            folder.folders.append(_walk(inside, root, here, trouble))
        elif kind == "dangling":
            trouble.dangling.append(inside.relative_to(root).as_posix())
        elif kind != "file":
            continue  # a socket, a device
        elif inside.suffix.lower() in suffixes:
            folder.images.append(inside)
        else:
            folder.others.append(inside)
    folder.number = len(folder.images) + sum(each.number for each in folder.folders)
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
    """Images of a format that an extra of leannet's reads, and nothing here does."""
    return [path for path in paths if path.suffix.lower() in HEIF_SUFFIXES]


def not_images(paths: list[Path], root: Path) -> list[LeftOut]:
    """Files that are no images by their name, by kind."""
    heic = without_reader(paths)
    rest = [path for path in paths if path.suffix.lower() not in HEIF_SUFFIXES]

    def names(some: list[Path]) -> tuple[str, ...]:
        return tuple(path.relative_to(root).as_posix() for path in some)

    return [
        LeftOut("HEIC image", "without a reader for them", names(heic), HEIF_WAY_OUT),
        LeftOut("file", "not named as an image", names(rest)),
    ]
