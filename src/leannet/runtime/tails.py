"""The end of a network that a format has no operations for: the host computes it from what the file gives."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from leannet.rows import INPUT
from leannet.runtime import operations as ops
from leannet.runtime import reference
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import Array


def without_tail(operations: Operations) -> Operations:
    """The operations before any that finds boxes, and what is left to compute as their outputs.

    Each of those outputs has the name of its value; outputs that nothing of the tail leads to keep theirs.
    """
    tail = _tail(operations)
    if not tail:
        return operations
    inside = {step.name for step in tail}
    read = dict.fromkeys(name for step in tail for name in step.inputs if name not in inside)
    kept = {name: value for name, value in operations.outputs.items() if value not in inside}
    steps = tuple(step for step in operations if step.name not in inside)
    return replace(operations, steps=steps, outputs=kept | {value: value for value in read})


def computed_tail(operations: Operations, known: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of the whole by name, a vector as (N, C). known: by name those of what `without_tail` leaves."""
    tail = _tail(operations)
    if not tail:
        return dict(known)
    shaped = {name: value.reshape(len(value), *operations.shape(name)) for name, value in known.items()}
    values = reference.run_from(replace(operations, steps=tuple(tail)), shaped)
    return {
        name: known[name] if name in known else reference.output(operations, value, values[value]).astype(np.float32)
        for name, value in operations.outputs.items()
    }


def _tail(operations: Operations) -> Sequence[ops.Operation]:
    tail: list[ops.Operation] = []
    names: set[str] = set()
    for step in operations:
        if isinstance(step, ops.TopBoxes) or names.intersection(step.inputs):
            tail.append(step)
            names.add(step.name)
    assert INPUT not in names
    return tail
