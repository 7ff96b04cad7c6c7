"""Pascal VOC: XML files of annotations, and images of their names.

As it is published: Annotations/*.xml, JPEGImages/, and lists of the splits in ImageSets/Main/*.txt. As it is exported
too: annotations/ beside a folder of images, or both in one folder, and each of these in a folder a split.

Pixels are counted from 1 and a box holds its last ones: xmin - 1, ymin - 1, xmax, ymax are its edges (Everingham et al.
2010, section 3.3). Objects that are `difficult` are neither right nor wrong, as there. The parts of an object, which
have boxes of their own, are not objects.
"""

import math
import xml.sax
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from leannet.data.images import image_suffixes
from leannet.data.sources.boxed import BoxedImage, Object, Problems, nothing_read, numbers, place_in, possible
from leannet.data.sources.splits import plain_split
from leannet.data.sources.walking import is_ignored, seen_below
from leannet.errors import LeannetError

FOLDERS = {"annotations", "annotation", "xml", "xmls"}
IMAGES, LISTS = "JPEGImages", Path("ImageSets") / "Main"
ORDER, BOTH = ("train", "validation", "test"), "trainval"
BOX = ("xmin", "ymin", "xmax", "ymax")
YES = {"1", "true", "yes"}
BEGINNING = 2_000  # bytes of a file, which say whether it is of annotations


def is_voc(root: Path) -> bool:
    """Whether a folder is laid out so."""
    return any(True for _ in _places(root))


def read_voc(root: Path, problems: Problems) -> list[BoxedImage]:
    """The images of a folder, in the order of their lists; without lists all that have annotations, in the split of
    their folder.

    Raises LeannetError where a list names an image of another, and where no image is left.
    """
    annotated: list[BoxedImage] = []
    for base, folder, split in _places(root):
        annotated += _images(root, base, folder, split, problems)
    if not annotated:
        raise nothing_read(root, problems)
    return annotated


def _places(root: Path) -> Iterator[tuple[Path, Path, str | None]]:
    """Folders of annotations: the folder that they and their images are in, they, and the split that names it."""
    for base in (root, *sorted(child for child in root.iterdir() if child.is_dir())):
        split = None if base == root else plain_split(base.name)
        if base != root and split is None:
            continue
        inner = _of_annotations(base)
        inner += [below for folder in inner for below in _of_annotations(folder)]
        yield from ((base, folder, split) for folder in (*inner, base) if _has_annotations(folder))


def _of_annotations(folder: Path) -> list[Path]:
    """The folders in it whose names say that they hold annotations."""
    return sorted(child for child in folder.iterdir() if child.is_dir() and child.name.lower() in FOLDERS)


def _files(folder: Path) -> list[Path]:
    """The XML files in a folder."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() == ".xml" and file.is_file()]
    return [file for file in files if not is_ignored(file.name)]


def _has_annotations(folder: Path) -> bool:
    file = next(iter(_files(folder)), None)
    if file is None:
        return False
    with file.open("rb") as stream:
        return b"<annotation" in stream.read(BEGINNING)


def _images(root: Path, base: Path, folder: Path, split: str | None, problems: Problems) -> Iterator[BoxedImage]:
    """Those of a folder of annotations."""
    files = {file.stem: file for file in _files(folder)}
    place = base / IMAGES if (base / IMAGES).is_dir() else base
    images = _by_name(place)
    listed = _splits(base, files)
    for stem in listed or files:
        file, path = files.get(stem), images.get(stem)
        if file is None:
            problems.add("image", "without annotations", f"{place_in(root, listed[stem].list)}:{listed[stem].line}")
        elif path is None:
            where = f"in {place_in(root, place)}/" if place != root else "there"
            problems.add("image", f"not {where}", place_in(root, file))
        elif (parsed := _parsed(file, place_in(root, file), problems)) is not None:
            objects = possible(parsed[0], problems)
            of_split = listed[stem].split if stem in listed else split
            yield BoxedImage(path, place_in(root, path), of_split, objects, parsed[1])
    for stem in files if listed else ():
        if stem not in listed:
            problems.add("image", f"that no list in {LISTS.as_posix()} names", place_in(root, files[stem]))


def _by_name(folder: Path) -> dict[str, Path]:
    """The images here and below, the uppermost of a name, by it without its extension, which annotations often give
    wrongly."""
    by_name: dict[str, Path] = {}
    paths = seen_below(folder, image_suffixes(), deep=folder.name != IMAGES)
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        by_name.setdefault(path.stem, path)
    return by_name


class Listed(NamedTuple):
    """The split of an image, and the list and the line that say so."""

    split: str
    list: Path
    line: int


def _is_both(file: Path) -> bool:
    """Whether a list is of training and validation images."""
    return file.stem.lower().startswith(BOTH)


def _lists(folder: Path) -> list[tuple[str, Path]]:
    """The split of each list, in the order of splits; where none is `train`, the other way round, and `trainval`
    last."""
    files = sorted(folder.glob("*.txt")) if folder.is_dir() else []
    splits = [(split, file) for file in files if (split := plain_split(file.stem)) and not is_ignored(file.name)]
    splits.sort(key=lambda entry: ORDER.index(entry[0]))
    others = [entry for entry in splits if not _is_both(entry[1])]
    return others if any(split == "train" for split, _ in others) else splits[::-1]


def _splits(root: Path, files: dict[str, Path]) -> dict[str, Listed]:
    """The split of each image, by the name without its extension; of trainval what val has not."""
    listed: dict[str, Listed] = {}
    for split, file in _lists(root / LISTS):
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
            stem = _listed(line, files)
            before = listed.get(stem)
            if before is not None and _is_both(file) and before.split == "validation":
                continue
            if before is not None and before.split != split:
                raise LeannetError(f"{file}:{number}: '{stem}' is of the {before.split} split too; expected it in one")
            if stem:
                listed.setdefault(stem, Listed(split, file, number))
    return listed


def _listed(line: str, files: dict[str, Path]) -> str:
    """The name in a line of a list: all of it, or what is before a blank, with or without an extension."""
    words = [line.strip(), line.split()[0] if line.strip() else ""]
    names = [Path(word).name for word in words]
    names += [Path(name).stem for name in names if Path(name).suffix.lower() in image_suffixes()]
    return next((name for name in names if name in files), names[1])


def _parsed(file: Path, name: str, problems: Problems) -> tuple[list[Object], tuple[int, int] | None] | None:
    """The objects of a file, and the image's size if it says it; None: it is not what it should be. name: of the file,
    for messages."""
    handler = _Annotation(name)
    try:
        xml.sax.parse(str(file), handler)
    except (xml.sax.SAXParseException, OSError, ValueError) as error:
        line = f":{error.getLineNumber()}" if isinstance(error, xml.sax.SAXParseException) else ""
        why = error.getMessage() if isinstance(error, xml.sax.SAXParseException) else str(error)
        problems.add("image", f"whose annotations cannot be read ({why})", f"{handler.file}{line}")
        return None
    width, height = (numbers([handler.size.get(side, "")])[0] for side in ("width", "height"))
    size = (int(width), int(height)) if 0 < width < math.inf and 0 < height < math.inf else None
    objects = []
    for number, fields in handler.objects:
        left, top, right, bottom = numbers([fields.get(side, "") for side in BOX])
        place, label = f"{handler.file}:{number}", fields.get("name", "")
        if not label:
            problems.add("object", "without a class", place)
            continue
        box = (left - 1, top - 1, right, bottom)
        objects.append(Object(label, box, place, is_crowd=fields.get("difficult", "").lower() in YES))
    return objects, size


class _Annotation(ContentHandler):
    """Collects the fields of each object and the line that it begins in."""

    def __init__(self, file: str):
        super().__init__()
        self.file = file
        self.objects: list[tuple[int, dict[str, str]]] = []
        self.size: dict[str, str] = {}
        self._inside: list[str] = []
        self._text = ""
        self._locator: Any = None

    def setDocumentLocator(self, locator: Any) -> None:
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self._inside.append(name)
        self._text = ""
        if self._inside[1:] == ["object"]:
            self.objects.append((self._locator.getLineNumber(), {}))

    def characters(self, content: str) -> None:
        self._text += content

    def endElement(self, name: str) -> None:
        match self._inside[1:]:
            case ["object", field] | ["object", "bndbox", field]:
                self.objects[-1][1].setdefault(field, self._text.strip())
            case ["size", field]:
                self.size[field] = self._text.strip()
        self._inside.pop()
        self._text = ""
