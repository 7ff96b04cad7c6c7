"""Rows as a torch module: one executor, for networks and for the blocks inside them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leannet.blocks.layers import Decide, layer_module
from leannet.errors import LeannetError
from leannet.rows import LayerBase, Node, input_name
from leannet.rows.sides import Branch, Item, program

RESERVED = {"architecture", "vectors", "auxiliary"}  # what a Network holds besides its rows
IMAGES = "#images"  # beside the values, while decisions are recorded: the number of each image
Values = dict[str, Tensor]


@dataclass(frozen=True)
class Step:
    """One row at run time: its module, what it reads, and the values that nothing later reads."""

    name: str
    module: str
    inputs: tuple[str, ...]
    done: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """A choice at run time, with the steps that only one side needs, and what each side reads from outside."""

    step: Step
    sides: tuple[tuple["Run", ...], tuple["Run", ...]]
    reads: tuple[tuple[str, ...], tuple[str, ...]]


Run = Step | Choice


class Table(nn.Module):
    """Runs rows in order. Each row is a child module under its own name, except rows that share the weights of another.

    nodes: the rows. inputs: how many values they read. outputs: the rows to return; empty: the last.
    Between rows every value is (N, C, H, W), as the rows say; a vector is (N, C, 1, 1).

    In evaluation, what only one side of a choice needs runs for the images that take that side: none, some, which are
    gathered and scattered, or all. In training, and within `masked`, all rows run for all images.
    """

    _skips = True
    _record: dict[str, Tensor] | None = None  # what its decisions were, of the last images

    def __init__(self, nodes: Sequence[Node], inputs: int = 1, outputs: Sequence[str] = ()):
        super().__init__()
        self.input_names = [input_name(number) for number in range(inputs)]
        self.output_names = tuple(outputs) or (nodes[-1].row.name,)
        self.steps = _runs(nodes, self.output_names)
        skipping = program(nodes, self.output_names)
        can_skip = any(isinstance(each, Branch) for each in skipping)
        self._skipping = _runs(skipping, self.output_names) if can_skip else ()
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

    def run(self, *inputs: Tensor, until: str | None = None) -> list[Tensor]:
        """The outputs, in the order of `output_names`; or that of one row, running no further."""
        values: Values = dict(zip(self.input_names, inputs, strict=True))
        if self._record is not None:
            self._record.clear()
            self._images = len(inputs[0])
            values[IMAGES] = torch.arange(len(inputs[0]), device=inputs[0].device)
        runs = self._skipping if self._skips and not self.training else ()
        if until is not None and until not in {_step(each).name for each in runs}:
            runs = ()  # it is inside a side
        for each in runs or self.steps:
            self._execute(each, values)
            if _step(each).name == until:
                return [values[until]]
            for name in _step(each).done:
                del values[name]
        return [values[name] for name in self.output_names]

    def _execute(self, run: Run, values: Values) -> None:
        if isinstance(run, Choice):
            values[run.step.name] = self._chosen(run, values)
        else:
            module = self._modules[run.module]
            values[run.name] = module(*[values[name] for name in run.inputs])  # type: ignore[misc]  # torch's stubs: a child may be None
            if self._record is not None and isinstance(module, Decide):
                not_asked = torch.full((self._images,), -1, dtype=torch.int8)
                asked = self._record.setdefault(run.name, not_asked)
                asked[values[IMAGES].cpu()] = values[run.name].detach().flatten().to("cpu", torch.int8)

    def _chosen(self, choice: Choice, values: Values) -> Tensor:
        """Each image's side, and no more than that."""
        *results, decision = choice.step.inputs
        takes_first = values[decision].flatten() == 1
        number = int(takes_first.sum())
        if number + int((values[decision] == 0).sum()) < len(takes_first):  # a share of both
            sides = [self._side(choice, side, values) for side in (0, 1)]
            module = self._modules[choice.step.module]
            return module(*sides, values[decision])  # type: ignore[misc]  # torch's stubs, as above
        if number in (0, len(takes_first)):
            return self._side(choice, 0 if number else 1, values)
        chosen: Tensor | None = None
        for side, takes in enumerate((takes_first, ~takes_first)):
            index = takes.nonzero().flatten()
            names = choice.reads[side] if choice.sides[side] else (results[side],)
            names = (*names, *({IMAGES} & values.keys()))
            made = self._side(choice, side, {name: _gathered(values[name], index) for name in names})
            if chosen is None:
                chosen = torch.empty_like(made[:1].expand(len(takes), *made.shape[1:]), memory_format=_format(made))
            chosen[index] = made
        assert chosen is not None
        return chosen

    def _side(self, choice: Choice, side: int, values: Values) -> Tensor:
        """What a side makes of values, of which none is lost."""
        values = dict(values)
        for each in choice.sides[side]:
            self._execute(each, values)
            for name in _step(each).done:
                del values[name]
        return values[choice.step.inputs[side]]


class Block(Table):
    """The rows inside a block: its inputs -> (N, C, H, W)."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(*inputs)[0]


@contextmanager
def masked(network: nn.Module) -> Iterator[None]:
    """Within it all rows run for all images, and choices take from both sides."""
    tables = [module for module in network.modules() if isinstance(module, Table)]
    for table in tables:
        table._skips = False
    try:
        yield
    finally:
        for table in tables:
            table._skips = True


@contextmanager
def recording(network: Table) -> Iterator[dict[str, Tensor]]:
    """Within it each run of the network leaves what its rows decided: for each `decide` row 1, 0, or -1 where it was
    not asked, (N,) int8."""
    network._record = {}
    try:
        yield network._record
    finally:
        network._record = None


def _step(run: Run) -> Step:
    return run.step if isinstance(run, Choice) else run


def _runs(items: Sequence[Item], outputs: Sequence[str]) -> tuple[Run, ...]:
    """Rows at run time. outputs: the names of those whose values are kept."""
    runs: list[Run] = []
    for index, item in enumerate(items):
        later = {name for other in items[index + 1 :] for name in other.reads}
        row = item.row
        done = tuple(dict.fromkeys(name for name in item.reads if name not in later and name not in outputs))
        if isinstance(item, Branch):
            first, second = item.sides
            sides = _runs(first, item.node.reads[:1]), _runs(second, item.node.reads[1:2])
            step = Step(row.name, row.shares or row.name, item.node.reads, done)
            runs.append(Choice(step, sides, (_outside(first), _outside(second))))
        else:
            runs.append(Step(row.name, row.shares or row.name, item.reads, done))
    return tuple(runs)


def _outside(side: Sequence[Item]) -> tuple[str, ...]:
    """The names of what a side reads from outside of it."""
    made = {item.row.name for item in side}
    return tuple(dict.fromkeys(name for item in side for name in item.reads if name not in made))


def _gathered(value: Tensor, index: Tensor) -> Tensor:
    return value.index_select(0, index).contiguous(memory_format=_format(value))


def _format(value: Tensor) -> torch.memory_format:
    is_last = value.is_contiguous(memory_format=torch.channels_last) and not value.is_contiguous()
    return torch.channels_last if is_last else torch.contiguous_format
