"""What a network with gates costs an image: mult-adds by what it decides, the gates' own included. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from leannet.cost.counting import count
from leannet.rows import Architecture, Choose, Node
from leannet.rows.sides import gates


@dataclass(frozen=True)
class GateCost:
    """A choice, and the mult-adds of what runs only where its decision is 1, and only where it is 0.

    Layers of a choice inside a side count there. inside: the choice in whose side it is, and which; None: it is always
    asked.
    """

    path: str
    decision: str
    macs: tuple[int, int]
    inside: tuple[str, int] | None = None


@dataclass(frozen=True)
class SkippingCost:
    """Mult-adds of an architecture with gates.

    total: of everything. always: of what every image runs. deciding: of what is there to decide alone, part of it all.
    """

    total: int
    always: int
    deciding: int
    gates: tuple[GateCost, ...]

    @property
    def decisions(self) -> tuple[str, ...]:
        """The rows that decide, each once, in the order in which `of` takes their answers."""
        return tuple(dict.fromkeys(gate.decision for gate in self.gates))

    @property
    def least(self) -> int:
        """Of an image for which the cheaper side of every choice runs."""
        inner = {gate.path: list[GateCost]() for gate in self.gates}
        for gate in self.gates:
            if gate.inside is not None:
                inner[gate.inside[0]].append(gate)

        def cheapest(gate: GateCost) -> int:
            return min(
                gate.macs[side] + sum(cheapest(each) for each in inner[gate.path] if each.inside == (gate.path, side))
                for side in (0, 1)
            )

        return self.always + sum(cheapest(gate) for gate in self.gates if gate.inside is None)

    def of(self, decisions: Mapping[str, bool]) -> int:
        """The mult-adds of an image that decides so: for each row in `decisions` whether it says 1."""
        return self.always + sum(gate.macs[0 if decisions[gate.decision] else 1] for gate in self.ran(decisions))

    def ran(self, decisions: Mapping[str, bool]) -> list[GateCost]:
        """The gates that an image that decides so comes to."""
        by_path, reached = {gate.path: gate for gate in self.gates}, dict[str, bool]()

        def is_reached(gate: GateCost) -> bool:
            if gate.path not in reached:
                outer = None if gate.inside is None else by_path[gate.inside[0]]
                side = gate.inside[1] if gate.inside is not None else 0
                reached[gate.path] = outer is None or (decisions[outer.decision] == (side == 0) and is_reached(outer))
            return reached[gate.path]

        return [gate for gate in self.gates if is_reached(gate)]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {"least": self.least}


def skipping(architecture: Architecture) -> SkippingCost | None:
    """What its choices save; None: it has no choice by a decision."""
    found = gates(architecture)
    if not found:
        return None
    cost = count(architecture)
    macs = {layer.path: layer.macs for layer in cost.layers}
    innermost: dict[str, tuple[str, int]] = {}  # of a layer the choice in whose side it is, none between them
    for gate in sorted(found, key=lambda gate: -sum(map(len, gate.sides))):  # what is inside another is smaller
        for number, side in enumerate(gate.sides):
            innermost |= {layer.path: (gate.path, number) for layer in side}
    sums = {(gate.path, number): 0 for gate in found for number in (0, 1)}
    for path, place in innermost.items():
        sums[place] += macs[path]
    costs = tuple(
        GateCost(gate.path, gate.decision, (sums[gate.path, 0], sums[gate.path, 1]), innermost.get(gate.path))
        for gate in found
    )
    always = cost.macs - sum(sums.values())
    return SkippingCost(cost.macs, always, sum(macs[node.path] for node in _deciding(architecture)), costs)


def _deciding(architecture: Architecture) -> Sequence[Node]:
    """The layers that lead to decisions, or scores that choices mix by, and to nothing else."""
    made = {architecture.made_by[name] for name in architecture.output_names}
    readers = architecture.graph.readers
    found: dict[str, Node] = {}
    for layer in reversed(architecture.layers):
        reading = readers[layer.path]
        if (
            layer.path not in made
            and reading
            and all(
                reader.path in found or (isinstance(reader.row, Choose) and reader.inputs.index(layer.path) == 2)
                for reader in reading
            )
        ):
            found[layer.path] = layer
    return list(found.values())
