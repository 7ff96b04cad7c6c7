"""What operations do only to undo it: a part of a concatenation is the value that was there before.

An LSTM cell hands its hidden numbers and the cell's on as one state, which the next one takes apart: among operations
of few numbers, each costs what starting it costs.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from leannet.rows import Shape
from leannet.runtime import operations as ops
from leannet.runtime.operations import Operation


def without_detours(steps: Sequence[Operation], kept: Collection[str], input_: Shape) -> tuple[Operation, ...]:
    """The same operations without slices that are one part of a concatenation, and without concatenations that nothing
    reads then.

    kept: values that are read from outside. input_: the shape of what steps do not make.
    """
    made: dict[str, Operation] = {}
    same: dict[str, str] = {}
    for step in steps:
        step = replace(step, inputs=tuple(same.get(name, name) for name in step.inputs))
        part = _part(step, made, input_)
        if part is None or step.name in kept:
            made[step.name] = step
        else:
            same[step.name] = part
    read = {name for step in made.values() for name in step.inputs} | set(kept)
    return tuple(step for step in made.values() if step.name in read or not isinstance(step, ops.Concatenate))


def _part(step: Operation, made: Mapping[str, Operation], input_: Shape) -> str | None:
    """The part that a slice is."""
    if not isinstance(step, ops.Slice) or not isinstance(whole := made.get(step.inputs[0]), ops.Concatenate):
        return None
    start = 0
    for name in whole.inputs:
        shape = made[name].shape if name in made else input_
        if (start, shape) == (step.start, step.shape):
            return name
        start += shape.channels
    return None
