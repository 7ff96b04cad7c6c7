"""What the operation `top_boxes` needs in any format, and what it computes, in numpy."""

from collections.abc import Sequence

import numpy as np

from leannet.rows import Shape
from leannet.rows.finding import TIE
from leannet.runtime.operations import PARTS, Array, Part, TopBoxes


def origins_and_factors(step: TopBoxes, shapes: Sequence[Shape]) -> tuple[Array, Array]:
    """(4, L) each, level after level: boxes in pixels are origins + factors * sides. shapes: of what it reads."""
    origins, factors = [], []
    for shape, stride, unit in zip(shapes[::2], step.strides, step.units, strict=True):
        y, x = np.mgrid[: shape.height, : shape.width].reshape(2, -1) * stride + stride / 2
        origins.append(np.stack((x, y, x, y)))
        factors.append(np.outer((-1, -1, 1, 1), np.full(x.size, unit)))
    return np.concatenate(origins, 1).astype(np.float32), np.concatenate(factors, 1).astype(np.float32)


def ties(number: int) -> Array:
    """(number,): what is taken off logits, so that equal ones have an order."""
    return np.float32(TIE) * np.arange(number, dtype=np.float32)


def top_boxes(step: TopBoxes, maps: Sequence[Array]) -> Array:
    """(N, 6, of_all, 1) of maps (N, C, H, W)."""
    number = len(maps[0])
    logits = np.concatenate([each.reshape(number, each.shape[1], -1) for each in maps[::2]], axis=2)
    sides = np.concatenate([each.reshape(number, 4, -1) for each in maps[1::2]], axis=2)
    origins, factors = origins_and_factors(step, [Shape(*each.shape[1:]) for each in maps])
    classes = logits.shape[1]
    place = _largest(logits.max(axis=1), step.places)
    of_place = np.take_along_axis(logits, np.repeat(place[:, None], classes, axis=1), axis=2)
    best = of_place.transpose(0, 2, 1).reshape(number, -1)
    top = _largest(best, step.of_all)
    where = np.take_along_axis(place, top // classes, axis=1)
    boxes = np.take_along_axis(origins + factors * sides, np.repeat(where[:, None], 4, axis=1), axis=2)
    score = 1 / (1 + np.exp(-np.take_along_axis(best, top, axis=1)))
    return np.concatenate((boxes, score[:, None], (top % classes)[:, None]), axis=1)[..., None]


def found_part(packed: Array, part: Part) -> Array:
    """Of objects (N, 6, of_all, 1) their boxes (N, of_all, 4, 1), or scores or classes (N, of_all, 1, 1)."""
    if part == "boxes":
        return packed[:, :4].transpose(0, 2, 1, 3)
    return packed[:, 4 if part == "scores" else 5, :, :, None]


def found_parts(packed: Array) -> list[Array]:
    """Of objects (N, 6, of_all, 1) boxes (N, of_all, 4), scores (N, of_all) and classes (N, of_all)."""
    boxes, scores, classes = (found_part(packed, part)[..., 0] for part in PARTS)
    return [np.ascontiguousarray(boxes), scores[..., 0], classes[..., 0]]


def _largest(values: Array, number: int) -> Array:
    """The places of the largest along the last axis, the largest first; before them what is NaN, as in torch."""
    order = np.where(np.isnan(values), -np.inf, ties(values.shape[-1]) - values)
    return np.argsort(order, axis=-1, kind="stable")[..., :number]
