"""Choices as branches: what only one side of a choice needs becomes a body, which runs where that side is taken.

For one image at a time. Without this pass a choice is two products and a sum, and both sides always run.
"""

from dataclasses import replace

from leannet.rows import Architecture
from leannet.rows.sides import gates
from leannet.runtime import operations as ops
from leannet.runtime.operations import Operations


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
        outside = _outside(sides[0], sides[1], moved)
        branch = ops.Branch(
            name=last,
            inputs=(decision, *outside),
            layer=gate.path,
            shape=mixing[last].shape,
            sides=(sides[0], sides[1]),
        )
        steps = [
            branch if step.name == last else step
            for step in steps
            if step.name not in moved and (step.name not in mixing or step.name == last)
        ]
    return replace(operations, steps=tuple(steps))


def _outside(first: ops.Body, second: ops.Body, inside: set[str]) -> tuple[str, ...]:
    """The values that two bodies read from outside of them."""
    read = [name for body in (first, second) for step in body.steps for name in step.inputs]
    return tuple(dict.fromkeys(name for name in (*read, first.value, second.value) if name not in inside))
