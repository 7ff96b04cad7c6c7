"""Choices as branches: what only one side of a choice needs becomes a body, which runs where that side is taken.

For one image at a time. Without this pass a choice is two products and a sum, and both sides always run.
"""

from collections.abc import Sequence
from dataclasses import replace

from leannet.rows import Architecture
from leannet.rows.sides import gates
from leannet.runtime import operations as ops
from leannet.runtime.operations import Operation, Operations


def branching(operations: Operations, architecture: Architecture) -> Operations:
    """The same operations, those of each choice by a decision as a branch with two bodies.

    A network without such a choice is what it was.
    """
    steps = list(operations)
    for gate in gates(architecture):  # an inner one comes before the one that it is inside of, and moves with it
        mixing = {step.name: step for step in steps if step.layer == gate.path}
        last = next(reversed(mixing))
        sides, moved = [], set[str]()
        for word, layers in zip(("first", "second"), gate.sides, strict=True):
            paths = {layer.path for layer in layers}
            body = tuple(step for step in steps if step.layer in paths)
            moved |= {step.name for step in body}
            sides.append(ops.Body(body, mixing[f"{gate.path}:{word}"].inputs[0]))
        decision = mixing[f"{gate.path}:first"].inputs[1]
        others = [step for step in steps if step.name not in moved and step.name not in mixing]
        for_both = _only_for(others, sides, {decision, *operations.outputs.values()})
        moved |= {step.name for step in for_both}
        first, second = (replace(side, steps=(*for_both, *side.steps)) for side in sides)
        branch = ops.Branch(
            name=last,
            inputs=(decision, *_outside(first, second, moved)),
            layer=gate.path,
            shape=mixing[last].shape,
            sides=(first, second),
        )
        steps = [
            branch if step.name == last else step
            for step in steps
            if step.name not in moved and (step.name not in mixing or step.name == last)
        ]
    return replace(operations, steps=tuple(steps))


def _only_for(others: Sequence[Operation], sides: Sequence[ops.Body], kept: set[str]) -> tuple[Operation, ...]:
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
