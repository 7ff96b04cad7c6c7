"""Rows as a torch module: one executor, for networks and for the blocks inside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from leannet.blocks.layers import layer_module
from leannet.errors import LeannetError
from leannet.rows import LayerBase, Node, input_name

RESERVED = {"architecture", "vectors", "auxiliary"}  # what a Network holds besides its rows


@dataclass(frozen=True)
class Step:
    """One row at run time: its module, what it reads, and the values that no later row reads."""

    name: str
    module: str
    inputs: tuple[str, ...]
    done: tuple[str, ...]


class Table(nn.Module):
    """Runs rows in order. Each row is a child module under its own name, except rows that share the weights of another.

    nodes: the rows. inputs: how many values they read. outputs: the rows to return; empty: the last.
    Between rows every value is (N, C, H, W), as the rows say; a vector is (N, C, 1, 1).
    """

    def __init__(self, nodes: Sequence[Node], inputs: int = 1, outputs: Sequence[str] = ()):
        super().__init__()
        self.input_names = [input_name(number) for number in range(inputs)]
        self.output_names = tuple(outputs) or (nodes[-1].row.name,)
        reads = [node.reads for node in nodes]
        self.steps = tuple(
            Step(node.row.name, node.row.shares or node.row.name, node.reads, self._done(index, reads))
            for index, node in enumerate(nodes)
        )
        for node in nodes:
            if node.row.shares is None:
                self._add(node)

    def _add(self, node: Node) -> None:
        row = node.row
        if hasattr(self, row.name) or row.name in RESERVED:
            raise LeannetError(f"row '{row.name}': torch modules use this name themselves, choose another")
        if isinstance(row, LayerBase):
            self.add_module(row.name, layer_module(row, node.in_shapes))
        else:
            self.add_module(row.name, Block(node.inside, len(node.in_shapes)))

    def _done(self, index: int, reads: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        later = {name for names in reads[index + 1 :] for name in names}
        return tuple(
            dict.fromkeys(name for name in reads[index] if name not in later and name not in self.output_names)
        )

    def run(self, *inputs: Tensor, until: str | None = None) -> list[Tensor]:
        """The outputs, in the order of `output_names`; or that of one row, running no further."""
        values: dict[str, Tensor] = dict(zip(self.input_names, inputs, strict=True))
        for step in self.steps:
            values[step.name] = self._modules[step.module](*[values[name] for name in step.inputs])  # type: ignore[misc]
            if step.name == until:
                return [values[until]]
            for name in step.done:
                del values[name]
        return [values[name] for name in self.output_names]


class Block(Table):
    """The rows inside a block: its inputs -> (N, C, H, W)."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(*inputs)[0]
