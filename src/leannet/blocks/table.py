"""Rows as a torch module: one executor, for networks and for the blocks inside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from leannet.blocks.layers import layer_module
from leannet.errors import LeannetError
from leannet.rows import INPUT, BlockBase, LayerBase, RowBase, Shape, infer_shapes

RESERVED = {"architecture", "vectors"}  # what a Network holds besides its rows


@dataclass(frozen=True)
class Step:
    """One row at run time: its module, what it reads, and the values that no later row reads."""

    name: str
    module: str
    inputs: tuple[str, ...]
    done: tuple[str, ...]


class Table(nn.Module):
    """Runs rows in order. Each row is a child module under its own name, except rows that share the weights of another.

    rows, shapes: the rows, and (C, H, W) of what they read. outputs: the rows to return; empty: the last.
    Between rows every value is (N, C, H, W), as the rows say; a vector is (N, C, 1, 1).
    """

    def __init__(self, rows: Sequence[RowBase], shapes: Sequence[Shape], outputs: Sequence[str] = ()):
        super().__init__()
        self.input_names = [INPUT if i == 0 else f"{INPUT}_{i + 1}" for i in range(len(shapes))]
        self.output_names = tuple(outputs) or (rows[-1].name,)
        inputs = list(zip(self.input_names, shapes, strict=True))
        _, outputs_by_name = infer_shapes(rows, inputs)
        known = dict(inputs) | {name: shape for name, (_, shape) in outputs_by_name.items()}
        above = [INPUT, *(row.name for row in rows)]
        reads = [row.inputs or (before,) for before, row in zip(above, rows, strict=False)]
        self.steps = tuple(
            Step(row.name, row.shares or row.name, names, self._done(index, reads))
            for index, (row, names) in enumerate(zip(rows, reads, strict=True))
        )
        for row, names in zip(rows, reads, strict=True):
            if row.shares is None:
                self._add(row, [known[name] for name in names])

    def _add(self, row: RowBase, shapes: Sequence[Shape]) -> None:
        if hasattr(self, row.name) or row.name in RESERVED:
            raise LeannetError(f"row '{row.name}': torch modules use this name themselves, choose another")
        module: nn.Module
        if isinstance(row, BlockBase):
            module = Block(row.expand(*shapes), shapes)
        else:
            assert isinstance(row, LayerBase)
            module = layer_module(row, shapes)
        self.add_module(row.name, module)

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
