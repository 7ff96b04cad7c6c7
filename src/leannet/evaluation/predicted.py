"""The predictions of a network for images, whatever runs it. No torch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leannet.data.dataset import LeftOut
from leannet.data.images import BrokenImage, fit, read, to_array, to_color
from leannet.data.sources.walking import Folder, not_images, walk
from leannet.errors import LeannetError, as_items
from leannet.evaluation.drawn import Drawings
from leannet.evaluation.films import frames, is_film
from leannet.tasks.detection import FoundObjects
from leannet.tasks.task import Answer, Floats, Task


def predictions_of_images(
    images: Sequence[str | Path | Image.Image],
    task: Task,
    answers: Callable[[NDArray[np.uint8]], Floats],
    most: int,
    drawings: Drawings | None = None,
    score: float | None = None,
) -> tuple[list[Answer], list[dict[str, str]]]:
    """What a network says of images, in order, and the images that cannot be read with the reason.

    images: paths of images, of films, of folders of images, or PIL images; of a film each frame is an image. answers:
    the task's, of one prepared image (H, W, C) uint8. most: how much of each. drawings: takes up every image with what
    was found in it. score: the least of an object; None: as the task says.
    Raises LeannetError for a path that does not exist, a folder without images, and a score of what finds none.
    """
    if score is not None and task.name != "detect":
        raise LeannetError(f"--score {score:g}: of objects that are found: this network names classes: leave it out")
    predictions: list[Answer] = []
    missed: list[LeftOut] = []
    named_images = list_images(images, missed)
    broken = [{"path": n, "problem": f"{each.why}; {each.way_out}".rstrip("; ")} for each in missed for n in each.names]
    for name, image in named_images:
        path = image if isinstance(image, Path) else None
        try:
            for word, each in _opened(name, image):
                upright = to_color(each, task.preprocessing)
                array = to_array(fit(upright, task.preprocessing))
                answer = task.answer(word, answers(array), upright.size, most)
                predictions.append(answer.from_score(score) if isinstance(answer, FoundObjects) else answer)
                if drawings is not None:
                    drawings.add(predictions[-1], upright, path)
        except BrokenImage as error:
            broken.append({"path": name, "problem": str(error)})
    return predictions, broken


def _opened(name: str, image: Path | Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """An image, or the frames of a film, each with its name. Raises BrokenImage."""
    if isinstance(image, Image.Image):
        yield name, image
    elif is_film(image):
        yield from ((f"{name}#{number}", frame) for number, frame in enumerate(frames(image)))
    else:
        yield name, read(image)


def list_images(
    images: Sequence[str | Path | Image.Image], missed: list[LeftOut] | None = None
) -> list[tuple[str, Path | Image.Image]]:
    """Each image with its name; of folders all images and films in them, links followed.

    missed: takes up what is an image there and cannot be read. Raises LeannetError for a path that does not exist, and
    a folder without images.
    """
    paths: list[tuple[str, Path | Image.Image]] = []
    for image in as_items(images):
        if isinstance(image, Image.Image):
            paths.append((f"image {len(paths)}", image))
            continue
        path = Path(image)
        if path.is_dir():
            tree, unread, others = _walk(path)
            films = [path for path in tree.all_others() if is_film(path)]
            if not tree.number and not films:
                why = "; ".join(each.line() for each in (*unread, others) if each.names)
                raise LeannetError(f"{image}: expected images in this folder, found none{why and f' ({why})'}")
            paths += [(str(p), p) for p in sorted([*tree.all_images(), *films])]
            if missed is not None:
                missed += unread
        elif path.exists():
            paths.append((str(image), path))
        else:
            raise LeannetError(f"{image}: no such image")
    return paths


def not_images_among(images: Sequence[str | Path]) -> LeftOut:
    """The files in folders among `images` that are no images by their name."""
    folders = [Path(image) for image in images if Path(image).is_dir()]
    names = [name for folder in folders for name in _walk(folder)[2].names]
    return LeftOut("file", "not named as an image", tuple(names))


def _walk(folder: Path) -> tuple[Folder, list[LeftOut], LeftOut]:
    """The tree of a folder, what in it cannot be read, and what is no image."""
    tree, trouble = walk(folder)
    heic, others = not_images([path for path in tree.all_others() if not is_film(path)], folder)
    unread = [heic, *trouble.left_out()]
    whole = [replace(each, names=tuple(str(folder / name) for name in each.names)) for each in (*unread, others)]
    return tree, whole[:-1], whole[-1]
