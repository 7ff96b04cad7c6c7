"""Images with boxes, as the three usual formats list them: Pascal VOC, COCO and YOLO each become these.

Boxes are left, top, right, bottom, measured at the edges of pixels: one over a whole image is (0, 0, width, height) in
every format. Nothing is repaired: what cannot be an object is left out, and its place in its file said.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import NAMES_SHOWN, Dataset, LeftOut, grouped_by_reason, rarest
from leannet.data.sources.listing import Paths
from leannet.data.truths import Truths
from leannet.errors import LeannetError


@dataclass(frozen=True)
class Object:
    """An object in an image. box: left, top, right, bottom in pixels, or, relative, in shares of width and height.

    is_crowd: several at once, or one too hard to ask for: no answer there is right or wrong. place: "file:line", or
    what says it as well. area: in pixels, of what is seen of it; None: that of the box.
    """

    label: str
    box: tuple[float, float, float, float]
    place: str
    is_crowd: bool = False
    area: float | None = None


@dataclass(frozen=True)
class BoxedImage:
    """An image and what is in it. size: width and height where the annotations say them."""

    path: Path
    name: str
    split: str | None
    objects: tuple[Object, ...]
    size: tuple[int, int] | None = None
    is_relative: bool = False

    def boxes(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """(n, 4) in pixels of an image of (width, height)."""
        boxes = np.array([each.box for each in self.objects], np.float64).reshape(-1, 4)
        return boxes * (size * 2) if self.is_relative else boxes

    def truths(self, numbers: Mapping[str, int]) -> Truths:
        """The same as arrays. numbers: of the classes."""
        areas = [each.area or float(np.prod(np.subtract(each.box[2:], each.box[:2]))) for each in self.objects]
        return Truths(
            np.array([each.box for each in self.objects], np.float64).reshape(-1, 4),
            np.array([numbers[each.label] for each in self.objects], np.int64),
            np.array([each.is_crowd for each in self.objects], bool),
            np.array(areas) if any(each.area for each in self.objects) else None,
            is_relative=self.is_relative,
            said=self.size,
            places=tuple(each.place for each in self.objects),
        )


def boxed_dataset(
    kind: str, where: str, images: Sequence[BoxedImage], classes: Sequence[str], problems: "Problems"
) -> Dataset:
    """A detection set. classes: in their order, of which those without an object go; empty: all, sorted."""
    number = len(images)
    images = without_unseen(images, problems)
    counts = Counter(each.label for image in images for each in image.objects)
    if not counts:
        raise LeannetError(
            f"{where}: expected objects, found none in {number:,} image{'s' if number > 1 else ''}{first_of(problems)}"
        )
    names = tuple(name for name in classes or sorted(counts) if counts[name])
    numbers = {name: number for number, name in enumerate(names)}
    empty = tuple(image.name for image in images if not image.objects)
    absent = [name for name in classes if not counts[name]]
    remarks = [f"{len(images):,} images, {counts.total():,} objects: "
               + ", ".join(f"{counts[name]:,} {name}" for name in names)]  # fmt: skip
    if empty:
        remarks.append(f"{len(empty):,} image{'s have' if len(empty) > 1 else ' has'} no object")
    if any(image.split for image in images):
        for image in images:
            if image.split is None:
                problems.add("image", "in no split, although others are in one", image.name)
    if absent:
        remarks.append(f"classes without an object: {', '.join(absent[:NAMES_SHOWN])}")
    truths = tuple(image.truths(numbers) for image in images)
    return Dataset(
        kind,
        where,
        names,
        tuple(image.name for image in images),
        rarest([each.labels for each in truths], len(names)),
        tuple(image.split for image in images),
        Paths([image.path for image in images]),
        problems.by_reason(),
        tuple(remarks),
        truths,
    )


def without_unseen(images: Sequence[BoxedImage], problems: "Problems") -> Sequence[BoxedImage]:
    """The images without the objects of classes that no training image has, where the data says which those are."""
    seen = {each.label for image in images if image.split == "train" for each in image.objects}
    if not any(image.split == "train" for image in images):
        return images
    for image in images:
        for each in image.objects:
            if each.label not in seen:
                problems.add("object", f"of a class that no training image has ('{each.label}')", each.place)
    return [replace(image, objects=tuple(each for each in image.objects if each.label in seen)) for image in images]


@dataclass
class Problems:
    """What is left out, entry by entry."""

    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, what: str, why: str, place: str) -> None:
        """what, why: as of `LeftOut`. place: where in which file."""
        self.left_out.append(LeftOut(what, why, (place,)))

    def by_reason(self) -> tuple[LeftOut, ...]:
        """One entry a reason, in order of first appearance."""
        return grouped_by_reason(self.left_out)


def first_of(problems: Problems) -> str:
    """The first reasons why things are left out, for an error."""
    return "".join(f"; {entry.line()}" for entry in problems.by_reason()[:NAMES_SHOWN])


def nothing_read(where: Path, problems: Problems) -> LeannetError:
    """The error where no image is left, with the first reasons."""
    return LeannetError(f"{where}: expected images with annotations, found none that can be read{first_of(problems)}")


def place_in(root: Path, path: Path) -> str:
    """A path as messages and results name it: relative to the folder of the set, where it is below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def possible(objects: Iterable[Object], problems: Problems) -> tuple[Object, ...]:
    """Those whose boxes are numbers and have an area, each once.

    A box may reach beyond the image: what cuts and places images cuts it too.
    """
    kept: dict[tuple[str, tuple[float, ...], bool], Object] = {}
    for each in objects:
        left, top, right, bottom = each.box
        key = (each.label, each.box, each.is_crowd)
        if not np.isfinite(each.box).all():
            problems.add("object", "whose box is not four numbers", each.place)
        elif right <= left or bottom <= top:
            problems.add("object", "whose box has no area", each.place)
        elif key in kept:
            problems.add("object", "that is the same as another of its image", each.place)
        else:
            kept[key] = each
    return tuple(kept.values())


def numbers(texts: Sequence[object]) -> tuple[float, ...]:
    """Texts as numbers; what is none becomes NaN."""
    values = []
    for text in texts:
        try:
            values.append(float(text) if isinstance(text, str | int | float) else float("nan"))
        except (ValueError, OverflowError):
            values.append(float("nan"))
    return tuple(values)
