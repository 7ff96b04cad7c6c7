"""COCO: JSON files of images, annotations and categories, beside folders of images.

`bbox` is left, top, width and height, from the image's edge (Lin et al., arXiv 1405.0312; cocodataset.org). An
annotation of a crowd, or to be ignored, is neither right nor wrong. Classes stand in the order of their ids, which may
leave numbers out.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from leannet.data.sources.boxed import BoxedImage, Object, Problems, nothing_read, numbers, place_in, possible
from leannet.data.sources.finding import Files
from leannet.data.sources.splits import ASIDE, plain_split, split_word
from leannet.data.sources.walking import is_ignored
from leannet.errors import LeannetError

TABLES = ("images", "annotations", "categories")
FOLDER = "annotations"
SECOND = ("person_keypoints", "stuff")  # of COCO's own: they have boxes too, and count where there are no others
NAMED = ("annotation", "coco", "instances")  # words in names of such files
Content = Mapping[str, Any]


def coco_files(root: Path) -> dict[Path, Content]:
    """The COCO files of a folder with what is in them: of its folder `annotations`, its own, and those of its split
    folders.

    Raises LeannetError for a file that should be one, and is no JSON or lacks a table.
    """
    inner = sorted(child for child in root.iterdir() if child.is_dir())
    named = [child for child in inner if child.name.lower() == FOLDER]
    folders = [*named, root, *(child for child in inner if plain_split(child.name) is not None)]
    files = [file for folder in folders for file in sorted(folder.glob("*.json")) if not is_ignored(file.name)]
    boxed: dict[Path, Content] = {}
    broken: list[tuple[Path, LeannetError]] = []
    for file in files:
        try:
            content = coco_content(file)
        except LeannetError as error:
            broken.append((file, error))
        else:
            boxed |= {} if content is None else {file: content}
    for file, reason in broken:
        is_named = file.parent in named or any(word in file.stem.lower() for word in NAMED)
        if is_named or (boxed and _split(file, root) is not None):
            raise reason
    return {file: content for file, content in boxed.items() if not file.stem.startswith(SECOND)} or boxed


def coco_content(file: Path) -> Content | None:
    """The tables of a COCO file of boxes; None: it is of something else, as captions are.

    Raises LeannetError for what is no JSON, and for boxes without one of the other tables.
    """
    try:
        content = json.loads(file.read_bytes())
    except json.JSONDecodeError as error:
        raise LeannetError(f"{file}:{error.lineno}: expected JSON, found {error.msg}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise LeannetError(f"{file}: cannot be read: {error}") from None
    if not isinstance(content, dict) or not isinstance(annotations := content.get("annotations"), list):
        return None
    has_boxes = any(isinstance(each, dict) and "bbox" in each for each in annotations)
    lacking = [name for name in TABLES if not isinstance(content.get(name), list)]
    if lacking and has_boxes:
        raise LeannetError(
            f"{file}: expected a COCO file with {', '.join(TABLES)}, found no {' and no '.join(lacking)}"
        )
    return None if lacking or (annotations and not has_boxes) else content


def folder_of(file: Path) -> Path:
    """The folder that a COCO file describes: its own, or that above annotations/ and its like."""
    return file.parent.parent if file.parent.name.lower() in ASIDE else file.parent


def read_coco(
    root: Path, files: Mapping[Path, Content], problems: Problems
) -> tuple[list[BoxedImage], tuple[str, ...]]:
    """The images of COCO files in a folder, and the classes in the order of their ids.

    Raises LeannetError for a file that is not what it should be, for two files of one split, and for an id of a class
    that stands for two.
    """
    splits = [_split(file, root) for file in files]
    if len(files) > 1 and (None in splits or len(set(splits)) < len(splits)):
        names = ", ".join(file.relative_to(root).as_posix() for file in list(files)[:4])
        raise LeannetError(
            f"{root}: expected one COCO file, or one for each split, found {len(files)} ({names}); give the path of one"
        )
    images: list[BoxedImage] = []
    classes: dict[int, str] = {}
    for (file, content), split in zip(files.items(), splits, strict=True):
        for number, name in _categories(content, file):
            if classes.setdefault(number, name) != name:
                raise LeannetError(f"{file}: class {number} is '{name}', and '{classes[number]}' in another file")
        read = _images(content, file, root, split, dict(classes), problems)
        images += read if len(files) > 1 else (replace(each, split=None) for each in read)
    if not images:
        raise nothing_read(root, problems)
    return images, tuple(dict.fromkeys(classes[number] for number in sorted(classes)))


def _split(file: Path, root: Path) -> str | None:
    """By the name of the file, else of its folder."""
    word = split_word(file.stem)
    return word[0] if word else plain_split(file.parent.name) if file.parent != root else None


def _categories(content: Mapping[str, Any], file: Path) -> Iterator[tuple[int, str]]:
    for place, each in enumerate(content["categories"]):
        number = each.get("id") if isinstance(each, dict) else None
        # Neither NaN nor infinity, which JSON has in Python, is whole.
        if not isinstance(number, int | float) or number % 1 != 0 or not str(each.get("name", "")):
            raise LeannetError(f"{file}: categories[{place}]: expected an id and a name, found {json.dumps(each)[:80]}")
        yield int(number), str(each["name"])


def _images(
    content: Mapping[str, Any],
    file: Path,
    root: Path,
    split: str | None,
    classes: Mapping[int, str],
    problems: Problems,
) -> Iterator[BoxedImage]:
    name = place_in(root, file)
    paths = Files(file, folder_of(file))
    entries: dict[Any, Mapping[str, Any]] = {}
    places: dict[Any, int] = {}
    for place, each in enumerate(content["images"]):
        if not isinstance(each, dict) or not isinstance(each.get("file_name"), str) or not _is_id(each.get("id")):
            problems.add("image", "without an id or a file name", f"{name}: images[{place}]")
        elif each["id"] in entries:
            problems.add("image", "whose id is that of another", f"{name}: images[{place}]")
        else:
            entries[each["id"]] = each
            places[each["id"]] = place
    of_image: dict[Any, list[Object]] = {}
    for place, each in enumerate(content["annotations"]):
        where = f"{name}: annotations[{place}]"
        number = each.get("image_id") if isinstance(each, dict) else None
        if not _is_id(number) or number not in entries:
            problems.add("object", "of an image that is not listed", where)
        elif not _is_id(each.get("category_id")) or each["category_id"] not in classes:
            problems.add("object", "of a class that is not listed", where)
        else:
            of_image.setdefault(number, []).append(_object(each, classes, where))
    for number, entry in entries.items():
        path = paths(entry["file_name"], split)
        beside = file.parent / entry["file_name"].replace("\\", "/")
        path = path if path.is_file() or not beside.is_file() else Path(os.path.normpath(beside))
        if not path.is_file():
            problems.add("image", "not there", f"{name}: images[{places[number]}], {entry['file_name']}")
            continue
        objects = possible(of_image.get(number, ()), problems)
        width, height = numbers([entry.get("width"), entry.get("height")])
        size = (int(width), int(height)) if 0 < width < math.inf and 0 < height < math.inf else None
        yield BoxedImage(path, place_in(root, path), split, objects, size)


def _is_id(value: object) -> bool:
    return isinstance(value, int | str | float)


def _object(annotation: Mapping[str, Any], classes: Mapping[int, str], where: str) -> Object:
    box = annotation.get("bbox")
    left, top, width, height = numbers(box) if isinstance(box, list) and len(box) == 4 else numbers([None] * 4)
    is_crowd = bool(annotation.get("iscrowd") or annotation.get("ignore"))
    edges = (left, top, left + width, top + height)
    (area,) = numbers([annotation.get("area")])
    return Object(classes[annotation["category_id"]], edges, where, is_crowd, area if 0 < area < math.inf else None)
