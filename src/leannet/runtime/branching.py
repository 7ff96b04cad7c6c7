"""Choices as branches: what only one side of a choice needs becomes a body, which runs where that side is taken.

Where a format has no branches, a choice is two products and a sum, and both sides always run.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from leannet.rows import Shape
from leannet.rows.sides import only_for
from leannet.runtime import operations as ops
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import Operation

# For how many images a file decides: for one at a time, or for any number, those of each side gathered, and scattered.
Branches = Literal["one", "any"]


def branching(operations: Operations) -> Operations:
    """The same operations, of floats or of integers, those of each choice as a branch with two bodies.

    A network without a choice is what it was.
    """
    return replace(operations, steps=_branched(operations.steps, set(operations.outputs.values())))


def _branched(steps: Sequence[Operation], kept: Collection[str]) -> tuple[Operation, ...]:
    """kept: values that are read from outside."""
    steps = list(steps)
    while (choice := next((step for step in reversed(steps) if isinstance(step, ops.Choose)), None)) is not None:
        reads = [(step.name, step.inputs) for step in steps]
        sides, moved = [], set[str]()
        for number, value in enumerate(choice.copied):
            body = [steps[place] for place in only_for(reads, steps.index(choice), number, kept)]
            moved |= {step.name for step in body}
            sides.append(ops.Body(_branched(body, {value}), value))  # an inner choice is in it
        decision = choice.inputs[2]
        others = [step for step in steps if step.name not in moved and step is not choice]
        for_both = _for_both(others, sides, {decision, *kept})
        moved |= {step.name for step in for_both}
        # Again, since there may be a choice among what is for both.
        first, second = (replace(side, steps=_branched((*for_both, *side.steps), {side.value})) for side in sides)
        branch = ops.Branch(
            name=choice.name,
            inputs=(decision, *_outside(first, second, moved)),
            layer=choice.layer,
            shape=choice.shape,
            range=choice.range,
            sides=(first, second),
        )
        steps = [branch if step is choice else step for step in steps if step.name not in moved]
    return tuple(steps)


def _for_both(others: Sequence[Operation], sides: Sequence[ops.Body], kept: Collection[str]) -> tuple[Operation, ...]:
    """The operations that both sides need, and nothing else does, as a projection around a block: each has its own.

    A map that crosses the border of a branch is copied to another layout and back, and a second copy of a projection's
    weights costs less. others: those outside of both. kept: values that have to be outside.
    """
    inside = {name for side in sides for step in side.steps for name in step.inputs} | {side.value for side in sides}
    found: list[Operation] = []
    for step in reversed(others):
        read_here = step.name in inside or any(step.name in other.inputs for other in found)
        left = [other for other in others if other not in found]
        if read_here and step.name not in kept and not any(step.name in other.inputs for other in left):
            found.append(step)
    return tuple(reversed(found))


def _outside(first: ops.Body, second: ops.Body, inside: set[str]) -> tuple[str, ...]:
    """The values that two bodies read from outside of them."""
    read = [name for body in (first, second) for step in body.steps for name in step.inputs]
    return tuple(dict.fromkeys(name for name in (*read, first.value, second.value) if name not in inside))


def mixed(operations: Operations) -> Operations:
    """The same operations, each choice as a mixture of its sides, for all images alike."""
    steps = [part for step in operations for part in (mixture(step) if isinstance(step, ops.Choose) else (step,))]
    return replace(operations, steps=tuple(steps))


def mixture(step: ops.Choose) -> Iterator[Operation]:
    """share * first + (1 - share) * second, where the third input is a share, or a decision of floats."""
    first, second, share = step.inputs
    common: dict[str, Any] = {"layer": step.layer, "shape": step.shape}
    minus, one = np.full(1, -1, np.float32), np.ones(1, np.float32)
    yield ops.Scale(
        name=f"{step.name}:otherwise", inputs=(share,), layer=step.layer, shape=Shape(1, 1, 1), scale=minus, shift=one
    )
    yield ops.Multiply(name=f"{step.name}:first", inputs=(first, share), **common)
    yield ops.Multiply(name=f"{step.name}:second", inputs=(second, f"{step.name}:otherwise"), **common)
    yield ops.Sum(name=step.name, inputs=(f"{step.name}:first", f"{step.name}:second"), **common)
