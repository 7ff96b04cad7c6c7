"""Choices that the host makes, for runtimes without branches that compute no more than what is asked for, as ncnn.

The host asks for a decision, then for the value of the side that it says, and gives that as the value of the choice, by
which the runtime goes on. What only the other side needs is never asked for. The files are those that compute both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leannet.rows import Architecture
from leannet.runtime import operations as ops
from leannet.runtime.branching import branching
from leannet.runtime.lowering import lower
from leannet.runtime.operations import Operation


@dataclass(frozen=True)
class HostChoice:
    """A choice: the value to ask for first, those of its sides, of which one is asked for, and the value to give.

    inside: for each side the choices that come before its value can be asked for.
    """

    gives: str
    decision: str
    sides: tuple[str, str]
    inside: tuple[tuple["HostChoice", ...], tuple["HostChoice", ...]]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        inside = [[choice.to_dict() for choice in choices] for choices in self.inside]
        return {"gives": self.gives, "decision": self.decision, "sides": list(self.sides), "inside": inside}


def host_choices(architecture: Architecture, param: str) -> tuple[HostChoice, ...]:
    """The choices of a network in the order that the host makes them. param: ncnn's text of it.

    The names are those of what the choice itself would read: where several layers read a value, each has a name for it,
    and the others' is gone when theirs has been read.
    """
    reads = {}
    for line in param.splitlines()[2:]:
        _, name, inputs, _, *names = line.split()
        reads[name] = names[: int(inputs)]

    def choices(steps: Sequence[Operation]) -> tuple[HostChoice, ...]:
        return tuple(choice(step) for step in steps if isinstance(step, ops.Branch))

    def choice(branch: ops.Branch) -> HostChoice:
        (first, decision), (second, _) = reads[f"{branch.name}:first"], reads[f"{branch.name}:second"]
        then, otherwise = (choices(side.steps) for side in branch.sides)
        return HostChoice(branch.name, decision, (first, second), (then, otherwise))

    return choices(branching(lower(architecture)).steps)
