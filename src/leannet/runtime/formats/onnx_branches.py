"""How a branch is spelled in ONNX: an If, whose bodies have weights of their own."""

from typing import Any

import numpy as np

from leannet.runtime import operations as ops
from leannet.runtime.formats.onnx_graph import OnnxGraph, Shaped


def branch(to: OnnxGraph, step: ops.Branch) -> str:
    """An If, its weights inside its bodies: runtimes give convolutions their own layout only there."""
    shape = to.constant("constant:one_number", np.array([-1 if to.gathers else 1], np.int64))
    decision = step.inputs[0]
    decided = to.booleans.get(decision) or to.node(
        "Cast", [to.read(decision)], f"{step.name}:decided", to=to.onnx.TensorProto.BOOL
    )
    runs = to.node("Reshape", [decided, shape], f"{step.name}:runs")
    if to.gathers:
        return _gathered(to, step, runs)
    bodies = {}
    for word, side in zip(("then", "else"), step.sides, strict=True):
        inner = to.inside(side.steps, f"{step.name}:{word}")
        made = _side(inner, step, side)
        if not any(made in node.output for node in inner.nodes):
            made = inner.node("Identity", [made], inner.name)
        bodies[f"{word}_branch"] = _body(inner, step, made)
    return _of_its_form(to, step, to.node("If", [runs], step.name, **bodies))


def _gathered(to: OnnxGraph, step: ops.Branch, runs: str) -> str:
    """For any number of images: for each side an If of whether there are any, which gathers them, computes, and
    scatters. A side that computes nothing is what the other is scattered into."""
    constants = {"first": np.array([-1]), "columns": np.array([-1, 1]), "none": np.array([0])}
    flat, columns, none = (to.constant(f"constant:{word}", value) for word, value in constants.items())
    form: Shaped = "vector" if step.shape[1:] == (1, 1) else "image"
    turned = to.node("Not", [runs], f"{step.name}:turned")
    order = sorted(zip(("then", "else"), step.sides, (runs, turned), strict=True), key=lambda each: bool(each[1].steps))
    made = ""
    for word, side, of_side in order:
        if not side.steps and not made:
            made = to.read(side.value, form, step.range is not None)
            continue
        if not made:
            made = _zeros_for_all(to, step, runs)
        name = f"{step.name}:{word}"
        places = to.node("Reshape", [to.node("NonZero", [of_side], f"{name}:places"), flat], f"{name}:some")
        are_any = to.node("Greater", [to.node("Shape", [places], f"{name}:number"), none], f"{name}:any")
        inner = to.inside(side.steps, name)
        inside = {each.name for each in side.steps}
        for value in dict.fromkeys(each for one in side.steps for each in one.inputs if each not in inside):
            inner.gather(value, places)
        if side.value not in inside and side.value not in inner.own:
            inner.gather(side.value, places)
        rows = inner.node("Reshape", [places, columns], f"{name}:rows")
        scattered = inner.node("ScatterND", [made, rows, _side(inner, step, side)], f"{name}:scattered")
        outer = to.inside((), f"{name}:none")
        same = outer.node("Identity", [made], f"{name}:same")
        bodies = {"then_branch": _body(inner, step, scattered), "else_branch": _body(outer, step, same)}
        last = word == order[-1][0]
        made = _of_its_form(to, step, to.node("If", [are_any], step.name if last else f"{name}:if", **bodies))
    return made


def _zeros_for_all(to: OnnxGraph, step: ops.Branch, runs: str) -> str:
    """Of the branch's shape and type, for all images."""
    dims = to.constant(f"{step.name}:shape", np.array(_dims(step)[1:], np.int64))
    shape = to.node("Concat", [to.node("Shape", [runs], f"{step.name}:images"), dims], f"{step.name}:all", axis=0)
    value = np.zeros(1, np.float32 if step.range is None else np.uint8)
    filled = to.onnx.numpy_helper.from_array(value, "value")
    return _of_its_form(to, step, to.node("ConstantOfShape", [shape], f"{step.name}:zeros", value=filled))


def _side(inner: OnnxGraph, step: ops.Branch, side: ops.Body) -> str:
    """Spells the operations of a side, and returns the tensor that it gives."""
    for name in dict.fromkeys(name for each in side.steps if isinstance(each, ops.Sum) for name in each.inputs):
        operations = inner.operations
        if name in step.inputs and operations.shape(name)[1:] != (1, 1) and operations.range(name) is None:
            inner.enter(name)
    for each in side.steps:
        inner.write(each)
    return inner.read(side.value, "vector" if step.shape[1:] == (1, 1) else "image", step.range is not None)


def _body(inner: OnnxGraph, step: ops.Branch, made: str) -> Any:
    return inner.body(made, _dims(step, None if inner.gathers else 1), is_integers=step.range is not None)


def _dims(step: ops.Branch, images: int | None = 1) -> list[int | None]:
    vector = step.shape[1:] == (1, 1)
    return [images, *(step.shape[:1] if vector else step.shape)]


def _of_its_form(to: OnnxGraph, step: ops.Branch, made: str) -> str:
    """Notes whether what a branch gives has two dimensions."""
    if step.shape[1:] == (1, 1):
        to.flat.add(made)
    return made
