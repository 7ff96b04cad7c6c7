"""Activation functions at the end of the operation before, for formats whose operations end in one."""

from collections.abc import Collection
from dataclasses import replace

from leannet.runtime.lowered import Operations
from leannet.runtime.operations import (
    Activate,
    Body,
    Branch,
    Convolve,
    ConvolveTransposed,
    FullyConnect,
    Operation,
    Sum,
)

WITH_EPILOGUE = (Convolve, ConvolveTransposed, FullyConnect, Sum)


def with_epilogues(operations: Operations, kinds: Collection[str]) -> Operations:
    """The same with activation functions of these kinds at the end of the operation before, where nothing else reads
    what that makes."""
    steps: list[Operation] = []
    for step in operations:
        previous = steps[-1] if steps else None
        if (
            isinstance(step, Activate)
            and step.kind in kinds
            and isinstance(previous, WITH_EPILOGUE)
            and previous.layer == step.layer
            and step.inputs == (previous.name,)
            and len(operations.readers[previous.name]) == 1
            and previous.name not in operations.outputs.values()
        ):
            steps[-1] = replace(previous, name=step.name, activation=step.kind)
        elif isinstance(step, Branch):
            first, second = (
                Body(
                    with_epilogues(replace(operations, steps=side.steps, outputs={"": side.value}), kinds).steps,
                    side.value,
                )
                for side in step.sides
            )
            steps.append(replace(step, sides=(first, second)))
        else:
            steps.append(step)
    return replace(operations, steps=tuple(steps))
