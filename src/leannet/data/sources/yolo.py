"""YOLO text: images/ beside labels/, a text file an image, a line an object; data.yaml names folders and classes.

A line is a class number, then the middle, the width and the height of a box in shares of the image's. A line of more
numbers is an outline of points, and its box the one around them; where data.yaml has `kpt_shape`, a box and its key
points. An image without a text file has no objects.
"""

import math
import os
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from leannet.data.images import image_suffixes
from leannet.data.sources.boxed import BoxedImage, Object, Problems, first_of, numbers, place_in, possible
from leannet.data.sources.splits import plain_split
from leannet.data.sources.walking import is_ignored, seen_below
from leannet.errors import LeannetError

LISTS = ("classes.txt", "obj.names")
SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
IMAGES, LABELS = "images", "labels"
YAML = {".yaml", ".yml"}


def yolo_file(root: Path) -> Path | None:
    """The file that names the classes of a YOLO folder; None: it is no such folder.

    Raises LeannetError for a folder of labels whose classes nothing names.
    """
    named = sorted((file for file in root.iterdir() if file.suffix.lower() in YAML),
                   key=lambda file: (file.stem not in {"data", "dataset"}, file.name))  # fmt: skip
    for file in named:
        if _is_described(file):
            return file
    labels = root / LABELS
    has_labels = labels.is_dir() and (root / IMAGES).is_dir()
    lists = [folder / name for folder in (root, labels) for name in LISTS]
    classes = next((file for file in lists if file.is_file()), None)
    if classes is not None and (has_labels or any(_is_label(_labels_of(image, root)) for image in _all_images(root))):
        return classes
    if has_labels and any(_is_label(file) for file in seen_below(labels, {".txt"})[:1]):
        raise LeannetError(f"{root}: has {IMAGES}/ and {LABELS}/, but nothing names the classes: expected data.yaml "
                           f"with `names`, or {LISTS[0]}, a name a line")  # fmt: skip
    return None


def _is_described(file: Path) -> bool:
    """Whether a YAML file of a folder is one that describes it. Raises LeannetError for a data.yaml that is no YAML;
    any other may be of something else, and has to name images too."""
    if file.stem in {"data", "dataset"}:
        return names_classes(file)
    with suppress(LeannetError):
        return names_classes(file) and any(word in _yaml(file) for word in SPLITS)
    return False


def names_classes(file: Path) -> bool:
    """Whether a YAML file is one of a YOLO folder. Raises LeannetError for what is no YAML."""
    content = _yaml(file)
    return isinstance(content, dict) and "names" in content


def _is_label(file: Path) -> bool:
    """Whether a file has lines of a class and four numbers."""
    text = file.read_text(errors="replace") if file.is_file() else ""
    lines = [line for line in text.splitlines()[:1] if line.strip()]
    return any(len(values) == 5 and not any(map(math.isnan, values)) for values in map(numbers, map(str.split, lines)))


def read_yolo(root: Path, file: Path, problems: Problems) -> tuple[list[BoxedImage], tuple[str, ...]]:
    """The images of a folder, and its classes in their order.

    Raises LeannetError for a file of classes and folders that is not what it should be, and where no image is left.
    """
    points: tuple[int, int] | None = None
    listed = {root / folder / name for folder in (".", LABELS) for name in LISTS}  # files that are of no image
    if file.suffix.lower() in YAML:
        content = _yaml(file)
        classes, points = _classes(content, file), _points(content)
        folders = _folders(content, file, root, listed, problems)
    else:
        classes = _names(file)
        folders = _by_name(root / IMAGES if (root / IMAGES).is_dir() else root)
    images, folders_of_labels = [], {root / LABELS}
    for split, image in folders:
        labels = _labels_of(image, root)
        listed.add(labels)
        folders_of_labels.add(labels.parent)
        objects = possible(_objects(labels, classes, points, root, problems), problems) if labels.is_file() else ()
        images.append(BoxedImage(image, place_in(root, image), split, objects, is_relative=True))
    _report_alone([folder for folder in sorted(folders_of_labels) if folder.is_dir()], listed, root, problems)
    if not images:
        raise LeannetError(f"{file}: expected folders of images, found none that holds one{first_of(problems)}")
    return images, classes


def _yaml(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise LeannetError(f"{file}{line}: expected YAML, found {getattr(error, 'problem', None) or error}") from None


def _report_alone(folders: Sequence[Path], claimed: Container[Path], root: Path, problems: Problems) -> None:
    """Adds the files of labels whose images are nowhere. claimed: those of an image, and other text."""
    alone = [file for folder in folders for file in sorted(folder.glob("*.txt")) if file not in claimed]
    alone = [file for file in alone if not is_ignored(file.name) and _is_label(file)]
    stems = {image.stem for image in _all_images(root)} if alone else set()
    for file in alone:
        if file.stem not in stems:
            problems.add("image", "not there", place_in(root, file))


def _names(file: Path) -> tuple[str, ...]:
    """Of the classes, a line each. Raises LeannetError for a line that is empty, and for a name that stands twice."""
    names = [line.strip() for line in file.read_text(errors="replace").rstrip().splitlines()]
    for number, name in enumerate(names, start=1):
        if not name or name in names[: number - 1]:
            what = f"'{name}' again" if name else "an empty line"
            raise LeannetError(f"{file}:{number}: expected a class a line, each once, found {what}")
    return tuple(names)


def _classes(content: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    """From a list, or from a mapping of numbers to names without a gap."""
    names = content["names"]
    if isinstance(names, dict):
        names = {int(key) if str(key).isdecimal() else key: name for key, name in names.items()}
    if (
        isinstance(names, dict)
        and all(isinstance(key, int) for key in names)
        and sorted(names) == list(range(len(names)))
    ):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise LeannetError(f"{file}: names: expected a list of classes, or numbers from 0 to their names")
    classes = tuple(str(name) for name in names)
    if twice := [name for name, number in Counter(classes).items() if number > 1]:
        raise LeannetError(f"{file}: names: expected every class once, found '{twice[0]}' twice")
    return classes


def _points(content: Mapping[str, Any]) -> tuple[int, int] | None:
    """How many key points an object has, and how many numbers each; None: objects have boxes or outlines alone."""
    match content.get("kpt_shape"):
        case [int(number), int(values)]:
            return number, values
    return None


def _folders(
    content: Mapping[str, Any], file: Path, root: Path, listed: set[Path], problems: Problems
) -> Iterator[tuple[str | None, Path]]:
    """The split and the path of each image that data.yaml leads to. listed: takes the files that list images."""
    base = file.parent / str(content.get("path") or "")
    if not base.is_dir():  # it was written on another machine
        base = file.parent
    for word, split in SPLITS.items():
        places = content.get(word)
        for place in places if isinstance(places, list) else [places] if places else []:
            if split == "test" and not _found(base, file.parent, str(place)).exists():  # exports name one that is not
                problems.add("test split", "whose images are not there", str(place))
                continue
            path = _found(base, file.parent, str(place))
            if path.is_file():
                listed.add(path)
                images = list(_in_list(path, (path.parent, base, file.parent), root, problems))
            else:
                images = _images(path, file)
            yield from ((split, image) for image in images)


def _found(base: Path, beside: Path, place: str) -> Path:
    """A folder or a list; exports that were moved say ../train/images of a folder beside data.yaml."""
    candidates = (base / place, beside / place, beside / place.removeprefix("../"))
    return next((path for path in candidates if path.exists()), candidates[0])


def _in_list(file: Path, folders: Sequence[Path], root: Path, problems: Problems) -> Iterator[Path]:
    """The images of a list, a line each, relative to one of these folders; darknet's lists begin with folders above."""
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        parts = Path(line.strip().replace("\\", "/")).parts
        # A name alone could be another image's.
        below = [Path(*parts[first:]) for first in range(max(len(parts) - 1, 1))]
        paths = [Path(os.path.normpath(folder / each)) for each in below for folder in folders]
        if (image := next((path for path in paths if path.is_file()), None)) is not None:
            yield image
        else:
            problems.add("image", "not there", f"{place_in(root, file)}:{number}")


def _images(place: Path, file: Path) -> list[Path]:
    if not place.is_dir():
        raise LeannetError(f"{file}: names {place}, which is not there; expected a folder of images, or a list of them")
    return _all_images(place)


def _by_name(folder: Path) -> Iterator[tuple[str | None, Path]]:
    """Without data.yaml: the split is in the name of the folder below images/."""
    for path in _all_images(folder):
        parts = path.relative_to(folder).parts
        yield (plain_split(parts[0]) if len(parts) > 1 else None), path


def _all_images(folder: Path) -> list[Path]:
    return seen_below(folder, image_suffixes())


def _labels_of(image: Path, root: Path) -> Path:
    """labels/ in place of the last images/ of a path below the folder, where it is there; else beside the image."""
    parts, above = list(image.parts), len(root.parts) if image.is_relative_to(root) else 0
    for place in range(len(parts) - 2, above - 1, -1):
        if parts[place] == IMAGES:
            parts[place] = LABELS
            break
    instead = Path(*parts).with_suffix(".txt")
    return instead if instead.is_file() else image.with_suffix(".txt")


def _objects(
    file: Path, classes: Sequence[str], points: tuple[int, int] | None, root: Path, problems: Problems
) -> Iterator[Object]:
    long = 5 + points[0] * points[1] if points else None
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        place, values = f"{place_in(root, file)}:{number}", numbers(line.split())
        values = values[:5] if len(values) == long else values
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
