"""Pascal VOC: Annotations/*.xml, JPEGImages/, and lists of the splits in ImageSets/Main/*.txt.

Pixels are counted from 1 and a box holds its last ones: xmin - 1, ymin - 1, xmax, ymax are its edges (Everingham et al.
2010, section 3.3). Objects that are `difficult` are neither right nor wrong, as there. The parts of an object, which
have boxes of their own, are not objects.
"""

import xml.sax
from pathlib import Path
from typing import Any
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from leannet.data.images import image_suffixes
from leannet.data.sources.boxed import BoxedImage, Object, Problems, numbers, possible
from leannet.errors import LeannetError

ANNOTATIONS, IMAGES, LISTS = "Annotations", "JPEGImages", Path("ImageSets") / "Main"
SPLITS = {"train": "train", "val": "validation", "test": "test"}
BOX = ("xmin", "ymin", "xmax", "ymax")


def is_voc(root: Path) -> bool:
    """Whether a folder is laid out so."""
    folder = root / ANNOTATIONS
    return folder.is_dir() and any(file.suffix.lower() == ".xml" for file in folder.iterdir())


def read_voc(root: Path, problems: Problems) -> list[BoxedImage]:
    """The images of a folder, in the order of their lists; without lists all that have annotations, in no split.

    Raises LeannetError where a list names an image of another, and where no image is left.
    """
    images = _images(root)
    listed = _splits(root)
    files = {file.stem: file for file in sorted((root / ANNOTATIONS).iterdir()) if file.suffix.lower() == ".xml"}
    annotated = []
    for stem in listed or files:
        file, path = files.get(stem), images.get(stem)
        if file is None:
            problems.add("image", "without annotations", f"{stem} ({LISTS.as_posix()})")
        elif path is None:
            problems.add("image", f"that is not in {IMAGES}/", f"{ANNOTATIONS}/{file.name}")
        elif (parsed := _parsed(file, problems)) is not None:
            name = path.relative_to(root).as_posix()
            annotated.append(BoxedImage(path, name, listed.get(stem), possible(parsed[0], problems), parsed[1]))
    for stem in files if listed else ():
        if stem not in listed:
            problems.add("image", f"that no list in {LISTS.as_posix()} names", f"{ANNOTATIONS}/{files[stem].name}")
    if not annotated:
        raise LeannetError(f"{root}: expected images with annotations, found none that can be read")
    return annotated


def _images(root: Path) -> dict[str, Path]:
    """By their names without extension, which annotations often give wrongly."""
    folder = root / IMAGES
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {file.stem: file for file in files if file.suffix.lower() in image_suffixes()}


def _splits(root: Path) -> dict[str, str]:
    """The split of each image, by the name without its extension. trainval counts where there is no train and val."""
    split_of: dict[str, str] = {}
    lists = {word: root / LISTS / f"{word}.txt" for word in SPLITS}
    if not lists["train"].is_file():
        lists["train"] = root / LISTS / "trainval.txt"
    for word, file in lists.items():
        for number, line in enumerate(file.read_text(errors="replace").splitlines() if file.is_file() else (), start=1):
            stem = Path(line.split()[0]).name if line.strip() else ""
            if split_of.get(stem, SPLITS[word]) != SPLITS[word]:
                raise LeannetError(
                    f"{file}:{number}: '{stem}' is of the {split_of[stem]} split too; expected it in one"
                )
            if stem:
                split_of[stem] = SPLITS[word]
    return split_of


def _parsed(file: Path, problems: Problems) -> tuple[list[Object], tuple[int, int] | None] | None:
    """The objects of a file, and the image's size if it says it; None: it is not what it should be."""
    handler = _Annotation(f"{ANNOTATIONS}/{file.name}")
    try:
        xml.sax.parse(str(file), handler)
    except (xml.sax.SAXParseException, OSError, ValueError) as error:
        line = f":{error.getLineNumber()}" if isinstance(error, xml.sax.SAXParseException) else ""
        why = error.getMessage() if isinstance(error, xml.sax.SAXParseException) else str(error)
        problems.add("image", f"whose annotations cannot be read ({why})", f"{handler.file}{line}")
        return None
    width, height = (numbers([handler.size.get(side, "")])[0] for side in ("width", "height"))
    size = (int(width), int(height)) if width > 0 and height > 0 else None
    objects = []
    for number, fields in handler.objects:
        left, top, right, bottom = numbers([fields.get(side, "") for side in BOX])
        place, label = f"{handler.file}:{number}", fields.get("name", "")
        if not label:
            problems.add("object", "without a class", place)
            continue
        box = (left - 1, top - 1, right, bottom)
        objects.append(Object(label, box, place, is_crowd=fields.get("difficult", "0") == "1"))
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
