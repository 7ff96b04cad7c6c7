"""Images with boxes, as the three usual formats list them: Pascal VOC, COCO and YOLO each become these.

Boxes are left, top, right, bottom, measured at the edges of pixels: one over a whole image is (0, 0, width, height) in
every format. Nothing is repaired: what cannot be an object is left out, and its place in its file said.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leannet.data.dataset import LeftOut, grouped_by_reason


@dataclass(frozen=True)
class Object:
    """An object in an image. box: left, top, right, bottom in pixels, or, relative, in shares of width and height.

    is_crowd: several at once, or one too hard to ask for: no answer there is right or wrong. place: "file:line", or
    what says it as well.
    """

    label: str
    box: tuple[float, float, float, float]
    place: str
    is_crowd: bool = False


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


@dataclass
class Problems:
    """What was left out, as it is found."""

    found: list[LeftOut] = field(default_factory=list)

    def add(self, what: str, why: str, place: str) -> None:
        """what, why: as of `LeftOut`. place: where in which file."""
        self.found.append(LeftOut(what, why, (place,)))

    def by_reason(self) -> tuple[LeftOut, ...]:
        """One entry a reason, in order of first appearance."""
        return grouped_by_reason(self.found)


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


def beyond(boxes: NDArray[np.float64], size: tuple[int, int], slack: float = 1.0) -> NDArray[np.bool_]:
    """(n,): which boxes, in pixels, reach more than so many pixels beyond an image of (width, height)."""
    width, height = size
    return np.any(np.hstack((boxes[:, :2] < -slack, boxes[:, 2:] > np.array((width, height)) + slack)), axis=1)


def outside(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(n,): which boxes, in pixels, have no part in an image of (width, height)."""
    return np.any(np.hstack((boxes[:, 2:] <= 0, boxes[:, :2] >= np.array(size))), axis=1)


def numbers(texts: Sequence[object]) -> tuple[float, ...]:
    """Texts as numbers; what is none becomes NaN."""
    found = []
    for text in texts:
        try:
            found.append(float(text) if isinstance(text, str | int | float) else float("nan"))
        except ValueError:
            found.append(float("nan"))
    return tuple(found)
