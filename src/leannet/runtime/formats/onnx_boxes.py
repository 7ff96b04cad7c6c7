"""How boxes are found in ONNX: the places with the largest logits, then the largest of those. No NonMaxSuppression.

What leaves the network of them: boxes (N, of_all, 4), scores (N, of_all), and classes (N, of_all) as integers.
"""

import numpy as np

from leannet.runtime import operations as ops
from leannet.runtime.finding import origins_and_factors, ties
from leannet.runtime.formats.onnx_graph import OnnxGraph
from leannet.runtime.operations import Array


def top_boxes(to: OnnxGraph, step: ops.TopBoxes, *maps: str) -> str:
    """(N, 6, of_all, 1): left, top, right, bottom, score, class."""
    path = step.name
    shapes = [to.operations.shape(name) for name in step.inputs]
    origins, factors = origins_and_factors(step, shapes)

    def constant(name: str, value: Array | list[int]) -> str:
        return to.constant(f"{path}:{name}", np.asarray(value, None if isinstance(value, np.ndarray) else np.int64))

    def flat(tensors: tuple[str, ...], name: str, channels: int) -> str:
        shape = constant(f"{name}_shape", [0, channels, -1])
        parts = [to.node("Reshape", [each, shape], f"{path}:{name}_{n}") for n, each in enumerate(tensors)]
        return to.node("Concat", parts, f"{path}:{name}", axis=2) if len(parts) > 1 else parts[0]

    def largest(values: str, name: str, taken_off: Array, number: int) -> str:
        key = to.node("Sub", [values, constant(f"{name}_ties", taken_off)], f"{path}:{name}_key")
        return to.top(key, constant(f"{name}_number", [number]), f"{path}:{name}")

    classes = shapes[0].channels
    logits, sides = flat(maps[::2], "logits", classes), flat(maps[1::2], "sides", 4)
    scaled = to.node("Mul", [sides, constant("factors", factors)], f"{path}:scaled")
    boxes = to.node("Add", [scaled, constant("origins", origins)], f"{path}:placed")
    one, row = constant("one", [0, 1, -1]), constant("row", [0, -1])
    # A maximum over the classes that every version of ONNX spells alike.
    stacked = to.node("Reshape", [logits, constant("stacked_shape", [0, 1, classes, -1])], f"{path}:stacked")
    pooled = to.node("MaxPool", [stacked], f"{path}:pooled", kernel_shape=[classes, 1], strides=[1, 1])
    likeliest = to.node("Reshape", [pooled, row], f"{path}:likeliest")
    place = largest(likeliest, "place", ties(origins.shape[1]), step.places)  # (N, places)
    of_each = to.node("Reshape", [place, one], f"{path}:of_each")
    of_each = to.node("Tile", [of_each, constant("classes", [1, classes, 1])], f"{path}:of_classes")
    of_place = to.node("GatherElements", [logits, of_each], f"{path}:of_place", axis=2)
    by_place = to.node("Transpose", [of_place], f"{path}:by_place", perm=[0, 2, 1])
    best = to.node("Reshape", [by_place, row], f"{path}:best")
    top = largest(best, "top", ties(classes * step.places), step.of_all)  # (N, of_all)
    # Looked up, since OpenCV 4 divides integers as if they were none.
    ranks, numbers = np.repeat(np.arange(step.places), classes), np.tile(np.arange(classes), step.places)
    rank, number = (
        to.node("Gather", [constant(f"{name}s", values), top], f"{path}:{name}")
        for name, values in (("rank", ranks), ("number", numbers))
    )
    rank = to.node("Reshape", [rank, row], f"{path}:rank_of_each")  # OpenCV 4 has made it an axis more
    where = to.node("GatherElements", [place, rank], f"{path}:where", axis=1)
    of_box = to.node("Reshape", [where, one], f"{path}:of_box")
    top_boxes_xyxy = to.node(
        "GatherElements", [boxes, to.node("Concat", [of_box] * 4, f"{path}:of_sides", axis=1)], f"{path}:found", axis=2
    )
    score = to.node("Sigmoid", [to.node("GatherElements", [best, top], f"{path}:chosen", axis=1)], f"{path}:score")
    parts = {"boxes": top_boxes_xyxy, "scores": score, "classes": number}
    if step.name in to.operations.readers and all(map(_is_part, to.operations.readers[step.name])):
        to.parts[step.name] = parts
        return path
    label = to.node("Cast", [number], f"{path}:label", to=to.onnx.TensorProto.FLOAT)
    joined = [top_boxes_xyxy, *(to.node("Reshape", [each, one], f"{each}:one") for each in (score, label))]
    values = to.node("Concat", joined, f"{path}:joined", axis=1)
    return to.node("Reshape", [values, constant("shape", [0, *step.shape])], path)


def found_part(to: OnnxGraph, step: ops.FoundPart) -> str:
    """Boxes, scores or classes."""
    tensor = to.parts[step.inputs[0]][step.part]
    return to.node("Transpose", [tensor], step.name, perm=[0, 2, 1]) if step.part == "boxes" else tensor


def _is_part(step: ops.Operation) -> bool:
    return isinstance(step, ops.FoundPart)
