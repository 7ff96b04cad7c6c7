"""A network as operations: what rows are lowered to. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from leannet.rows import Shape
from leannet.runtime.operations import FoundPart, Operation
from leannet.runtime.values import Range


@dataclass(frozen=True, eq=False)
class Operations:
    """A network as operations, in the order that they run in.

    input: the shape of `input`. outputs: for each output its name and the value that it is. input_range: of an input
    of integers.
    """

    name: str
    input: Shape
    steps: tuple[Operation, ...]
    outputs: dict[str, str] = field(default_factory=dict)
    input_range: Range | None = None

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.steps)

    @cached_property
    def by_name(self) -> dict[str, Operation]:
        """Each operation by the name of its output."""
        return {step.name: step for step in self.steps}

    @cached_property
    def readers(self) -> dict[str, tuple[Operation, ...]]:
        """For each value the operations that read it."""
        readers: dict[str, list[Operation]] = {}
        for step in self.steps:
            for name in dict.fromkeys(step.inputs):
                readers.setdefault(name, []).append(step)
        return {name: tuple(steps) for name, steps in readers.items()}

    def shape(self, value: str) -> Shape:
        """Of a value."""
        return self.by_name[value].shape if value in self.by_name else self.input

    def dims(self, value: str) -> tuple[int, ...]:
        """Of a value where it leaves the network, the batch aside: (C,) of a vector, (of_all, 4) of boxes."""
        shape = self.shape(value)
        if isinstance(self.by_name.get(value), FoundPart):
            return tuple(size for place, size in enumerate(shape) if place == 0 or size > 1)
        return shape[:1] if shape[1:] == (1, 1) else tuple(shape)

    def range(self, value: str) -> Range | None:
        """Of a value of integers; None: it is of floats."""
        return self.by_name[value].range if value in self.by_name else self.input_range
