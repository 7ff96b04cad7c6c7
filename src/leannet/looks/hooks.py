"""Forward hooks: the outputs of layers, recorded while the network runs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from leannet.blocks.table import masked
from leannet.errors import LeannetError
from leannet.network import Network
from leannet.rows import INPUT, Architecture, BlockBase, Conv, Dropout, GlobalPool


@dataclass(frozen=True)
class Point:
    """Where an output is recorded: a module of the network, and which of its runs, as rows may share one."""

    path: str
    module: nn.Module
    run: int


def find(network: Network, layer: str) -> Point:
    """The layer, row or part of a layer of that name, in either spelling: `block_1.project` or `block_1_project`.

    Its output is that of the row as the table says it: a convolution's with its normalisation and activation; a
    block's is that of its last layer. Raises LeannetError with the nearest names.
    """
    table = network.architecture
    auxiliary = table.shapes.keys() - table.without_auxiliary().shapes.keys()
    if layer.split(".")[0] in auxiliary:
        raise LeannetError(f"layer '{layer}' is of an auxiliary head, which runs in training alone")
    layers = {each.path: each for each in table.layers}
    last = layers.get(table.made_by.get(layer, layer))
    if last is not None and last.shares is not None:  # it has no module of its own
        users = [each.path for each in table.layers if last.shares in (each.path, each.shares)]
        return Point(layer, network.layer(last.shares), users.index(last.path))
    module = network.layer(layer)
    return Point(next(path for path, each in network.named_modules() if each is module), module, 0)


@contextmanager
def record_outputs(network: Network, points: Sequence[Point], gradients: bool = False) -> Iterator[dict[str, Tensor]]:
    """While it lasts, each run of the network records the outputs of the points, by path; in evaluation mode.

    These are copies, since what follows a layer may work in place. gradients: a recorded output is where gradients
    end: the network goes on from it, and nothing before it is differentiated. Blocks that an image skips run too.
    """
    outputs: dict[str, Tensor] = {}
    runs: Counter[nn.Module] = Counter()

    def begin(*_: Any) -> None:
        outputs.clear()
        runs.clear()

    def watch(module: nn.Module) -> Any:
        def record(_: nn.Module, __: Any, output: Tensor) -> Tensor | None:
            number = runs[module]
            runs[module] += 1
            for point in points:
                if point.module is module and point.run == number:
                    outputs[point.path] = output.detach().clone()
                    if gradients:
                        return outputs[point.path].requires_grad_().clone()
            return None

        return module.register_forward_hook(record)

    was_training = network.training
    with ExitStack() as stack:
        stack.callback(network.train, was_training)
        for handle in (network.register_forward_pre_hook(begin), *map(watch, {point.module for point in points})):
            stack.callback(handle.remove)
        network.eval()
        stack.enter_context(masked(network))
        yield outputs


def to_feature_maps(value: Tensor) -> Tensor:
    """(N, C, H, W), also of a vector (N, C)."""
    return value if value.ndim == 4 else value.flatten(1)[:, :, None, None]


def early_layer(architecture: Architecture) -> str:
    """The last layer of the first block; in a network without blocks, the first convolution."""
    for kind in (BlockBase, Conv):
        for row in architecture.rows:
            if isinstance(row, kind):
                return architecture.made_by[row.name]
    return architecture.rows[0].name


def late_layer(architecture: Architecture) -> str:
    """The pooling over all positions before the classes; where there is none, what the row of classes reads.

    Raises LeannetError for a network without classes.
    """
    reads, shapes = architecture.reads(), architecture.shapes
    name = reads[architecture.head][0]
    while name != INPUT and isinstance(architecture.row(name), Dropout):
        name = reads[name][0]
    last = name
    while name != INPUT and shapes[name][1:] == (1, 1):
        if isinstance(architecture.row(name), GlobalPool):
            return name
        name = reads[name][0]
    return architecture.rows[0].name if last == INPUT else last
