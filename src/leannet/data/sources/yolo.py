"""YOLO text: images/ beside labels/, a text file an image, a line an object; data.yaml names folders and classes.

A line is a class number, then the middle, the width and the height of a box in shares of the image's. A line of more
numbers is an outline of points, and its box the one around them. An image without a text file has no objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from leannet.data.images import image_suffixes
from leannet.data.sources.boxed import BoxedImage, Object, Problems, numbers, possible
from leannet.data.sources.splits import plain_split
from leannet.errors import LeannetError

NAMES = ("data.yaml", "dataset.yaml")
LISTS = ("classes.txt", "obj.names")
SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
IMAGES, LABELS = "images", "labels"


def yolo_file(root: Path) -> Path | None:
    """The file that names the classes of a YOLO folder; None: it is no such folder."""
    names = next((root / name for name in NAMES if (root / name).is_file()), None)
    if names is not None and names_classes(names):
        return names
    has_labels = (root / LABELS).is_dir() and (root / IMAGES).is_dir()
    return next((file for file in _lists(root) if file.is_file()), None) if has_labels else None


def names_classes(file: Path) -> bool:
    """Whether a YAML file is one of a YOLO folder. Raises LeannetError for what is no YAML."""
    content = _yaml(file)
    return isinstance(content, dict) and "names" in content


def _lists(root: Path) -> Iterator[Path]:
    for folder in (root, root / LABELS):
        for name in LISTS:
            yield folder / name


def read_yolo(root: Path, file: Path, problems: Problems) -> tuple[list[BoxedImage], tuple[str, ...]]:
    """The images of a folder, and its classes in their order.

    Raises LeannetError for a file of classes and folders that is not what it should be, and where no image is left.
    """
    if file.suffix.lower() in {".yaml", ".yml"}:
        content = _yaml(file)
        classes, folders = _classes(content, file), _folders(content, file)
    else:
        classes = tuple(line.strip() for line in file.read_text().splitlines() if line.strip())
        folders = _by_name(root / IMAGES)
    images = []
    for split, image in folders:
        labels = _labels_of(image)
        objects = possible(_objects(labels, classes, root, problems), problems) if labels.is_file() else ()
        images.append(BoxedImage(image, _name(image, root), split, objects, is_relative=True))
    if not images:
        raise LeannetError(f"{file}: expected folders of images, found none that holds one")
    return images, classes


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _yaml(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise LeannetError(f"{file}{line}: expected YAML, found {getattr(error, 'problem', None) or error}") from None


def _classes(content: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    """From a list, or from a mapping of numbers to names without a gap."""
    names = content["names"]
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise LeannetError(f"{file}: names: expected a list of classes, or numbers from 0 to their names")
    return tuple(str(name) for name in names)


def _folders(content: Mapping[str, Any], file: Path) -> Iterator[tuple[str | None, Path]]:
    """The split and the path of each image that data.yaml leads to."""
    base = file.parent / str(content.get("path") or "")
    if not base.is_dir():  # it was written on another machine
        base = file.parent
    for word, split in SPLITS.items():
        places = content.get(word)
        for place in places if isinstance(places, list) else [places] if places else []:
            yield from ((split, image) for image in _images(_found(base, file.parent, str(place)), file))


def _found(base: Path, beside: Path, place: str) -> Path:
    """A folder or a list; exports that were moved say ../train/images of a folder beside data.yaml."""
    candidates = (base / place, beside / place, beside / place.removeprefix("../"))
    return next((path for path in candidates if path.exists()), candidates[0])


def _images(place: Path, file: Path) -> list[Path]:
    if place.is_file():
        lines = [line.strip() for line in place.read_text().splitlines() if line.strip()]
        return [place.parent / line for line in lines]
    if not place.is_dir():
        raise LeannetError(f"{file}: names {place}, which is not there; expected a folder of images, or a list of them")
    return [path for path in sorted(place.rglob("*")) if path.suffix.lower() in image_suffixes()]


def _by_name(folder: Path) -> Iterator[tuple[str | None, Path]]:
    """Without data.yaml: the split is in the name of the folder below images/."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in image_suffixes():
            parts = path.relative_to(folder).parts
            yield (plain_split(parts[0]) if len(parts) > 1 else None), path


def _labels_of(image: Path) -> Path:
    """labels/ in place of the last images/ of a path, else beside the image."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == IMAGES:
            parts[place] = LABELS
            break
    return Path(*parts).with_suffix(".txt")


def _objects(file: Path, classes: Sequence[str], root: Path, problems: Problems) -> Iterator[Object]:
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        place, values = f"{_name(file, root)}:{number}", numbers(line.split())
        if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
            problems.add("object", "whose line is not a class and four numbers", place)
        elif values[0] not in range(len(classes)):
            problems.add("object", "of a class that is not listed", place)
        else:
            yield Object(classes[int(values[0])], _box(values[1:]), place)


def _box(values: Sequence[float]) -> tuple[float, float, float, float]:
    if len(values) == 4:
        x, y, width, height = values
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
