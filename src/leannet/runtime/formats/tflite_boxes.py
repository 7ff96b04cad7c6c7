"""How boxes are found in LiteRT: the places with the largest logits, then the largest of those."""

from typing import Any

import numpy as np

from leannet.runtime import operations as ops
from leannet.runtime.finding import origins_and_factors, ties
from leannet.runtime.formats.tflite_graph import TfliteGraph
from leannet.runtime.operations import Array


def top_boxes(to: TfliteGraph, step: ops.TopBoxes, *maps: int) -> int:
    """(1, of_all, 1, 6): left, top, right, bottom, score, class."""
    path, number = step.name, step.of_all
    shapes = [to.operations.shape(name) for name in step.inputs]
    classes, places = shapes[0].channels, sum(shape.height * shape.width for shape in shapes[::2])
    origins, factors = (each.T[None] for each in origins_and_factors(step, shapes))

    def flat(tensors: tuple[int, ...], name: str, channels: int) -> int:
        """(1, L, channels)."""
        parts = [
            to.reshape(each, f"{path}:{name}_{n}", (1, to.shape(each)[1] * to.shape(each)[2], channels))
            for n, each in enumerate(tensors)
        ]
        if len(parts) == 1:
            return parts[0]
        shape = (1, places, channels)
        return to.op("CONCATENATION", parts, f"{path}:{name}", shape, "ConcatenationOptions", Axis=1)

    def largest(values: int, name: str, taken_off: Array, most: int) -> int:
        off = to.constant(f"{path}:{name}_ties", taken_off)
        key = to.op("SUB", [values, off], f"{path}:{name}_key", to.shape(values), "SubOptions")
        return to.top(key, f"{path}:{name}", most)

    def gathered(values: int, where: int, name: str, shape: tuple[int, ...]) -> int:
        """Of each image, by its own places."""
        made = to.op("GATHER", [values, where], f"{path}:{name}", shape, "GatherOptions", 5, Axis=1, BatchDims=1)
        to.tensors[made].dtype = to.tensors[values].dtype
        return made

    def whole(kind: str, inputs: list[int], name: str, **fields: Any) -> int:
        """Arithmetic of whole numbers (1, number)."""
        made = to.op(kind, inputs, f"{path}:{name}", (1, number), **fields)
        to.tensors[made].dtype = "int32"
        return made

    logits = flat(maps[::2], "logits", classes)  # (1, L, classes)
    scaled = to.op(
        "MUL", [flat(maps[1::2], "sides", 4), to.constant(f"{path}:factors", factors)], f"{path}:scaled",
        (1, places, 4), "MulOptions",
    )  # fmt: skip
    boxes = to.op(
        "ADD", [scaled, to.constant(f"{path}:origins", origins)], f"{path}:placed", (1, places, 4), "AddOptions"
    )
    axes = to.constant(f"{path}:axes", np.array([2], np.int32))
    likeliest = to.op("REDUCE_MAX", [logits, axes], f"{path}:likeliest", (1, places), "ReducerOptions", KeepDims=False)
    place = largest(likeliest, "place", ties(places), step.places)  # (1, step.places)
    of_place = gathered(logits, place, "of_place", (1, step.places, classes))
    best = to.reshape(of_place, f"{path}:best", (1, step.places * classes))
    top = largest(best, "top", ties(step.places * classes), number)  # (1, number)
    divisor = to.constant(f"{path}:classes", np.array([classes], np.int32))
    rank = whole("FLOOR_DIV", [top, divisor], "rank", options="FloorDivOptions")
    label = whole("FLOOR_MOD", [top, divisor], "number", options="FloorModOptions")
    where = gathered(place, rank, "where", (1, number))
    top_boxes_xyxy = gathered(boxes, where, "found", (1, number, 4))
    chosen = gathered(best, top, "chosen", (1, number))
    score = to.op("LOGISTIC", [chosen], f"{path}:score", (1, number))
    label = to.op("CAST", [label], f"{path}:label", (1, number), "CastOptions")
    to.parts[path] = {"boxes": top_boxes_xyxy, "scores": score, "classes": label}
    if all(isinstance(reader, ops.FoundPart) for reader in to.operations.readers.get(path, ())):
        return label
    parts = [
        top_boxes_xyxy,
        *(
            to.reshape(value, f"{path}:{word}_one", (1, number, 1))
            for value, word in ((score, "score"), (label, "label"))
        ),
    ]
    values = to.op("CONCATENATION", parts, f"{path}:joined", (1, number, 6), "ConcatenationOptions", Axis=2)
    return to.reshape(values, path, (1, number, 1, 6))


def found_part(to: TfliteGraph, step: ops.FoundPart, found: int) -> int:
    """Boxes (1, of_all, 4), scores or classes (1, of_all), which are floats here, as in LiteRT's own detectors."""
    return to.parts[step.inputs[0]][step.part]
