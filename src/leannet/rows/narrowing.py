"""An architecture without some of its channels: narrower rows, and which numbers of each weight they keep. No torch.

A block whose fields can say its new widths stays a block; another is written out as its rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError
from leannet.rows.base import RowBase
from leannet.rows.channels import Channels
from leannet.rows.fields import INPUT
from leannet.rows.graph import Node, input_name, resolve
from leannet.rows.layers import MIXING, Conv, Slice
from leannet.rows.parameters import parameters
from leannet.rows.table import Architecture

Masks = Mapping[str, NDArray[np.bool_]]  # for each layer which of its channels stay
MOST_GUESSES = 4096  # of a block's fields


@dataclass(frozen=True)
class Narrowed:
    """What is left. kept: for each key of its state dict that of the wide network, and for each axis the numbers that
    are kept; None: all."""

    architecture: Architecture
    kept: dict[str, tuple[str, tuple[NDArray[np.int64] | None, ...]]]

    def state(self, wide: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The weights, from those of the wide network."""
        state = {}
        for key, (source, axes) in self.kept.items():
            value = wide[source]
            for axis, numbers in enumerate(axes):
                if numbers is not None:
                    value = value.take(numbers, axis=axis)
            state[key] = value
        return state


def narrowed(channels: Channels, removed: Collection[int]) -> Narrowed:
    """The architecture without these groups of channels.

    Raises LeannetError for a group that cannot be removed, and where a layer would be left without channels.
    """
    for group in removed:
        if group in channels.fixed:
            raise LeannetError(f"a channel cannot be removed: {channels.fixed[group]}")
    gone = np.zeros(channels.count, bool)
    gone[list(removed)] = True
    written = {path: ~gone[groups] for path, groups in channels.written.items()}
    for path, keeps in written.items():
        if not keeps.any():
            raise LeannetError(f"layer {path}: expected a channel to be left, found none")
    wide = channels.architecture
    table, masks = _with_blocks_that_can(wide, written)
    narrow = table.rewrite(lambda node: [_narrow_block(node, masks) or _narrow_layer(node, masks)])
    kept = {}
    for layer, renamed in zip(wide.layers, table.layers, strict=True):
        if layer.shares is not None:
            continue
        axes: dict[str, NDArray[np.int64] | None] = {"out": _numbers(written[layer.path]), "": None}
        if layer.path in channels.read:
            axes["in"] = _numbers(_of_one_group(layer, ~gone[channels.read[layer.path]]))
        for parameter in parameters(layer):
            of = tuple(axes[axis] for axis in parameter.axes)
            kept[f"{renamed.path}.{parameter.name}"] = (f"{layer.path}.{parameter.name}", of)
    return Narrowed(narrow, kept)


def _with_blocks_that_can(table: Architecture, written: Masks) -> tuple[Architecture, Masks]:
    """The table with blocks written out whose fields cannot say their new widths, and the masks of its layers."""
    while stuck := {node.path for node in table.graph.nodes if node.inside and _narrow_block(node, written) is None}:
        flat = table.rewrite(partial(_inside_of, stuck))
        names = zip(table.layers, flat.layers, strict=True)
        written = {INPUT: written[INPUT], **{new.path: written[old.path] for old, new in names}}
        table = flat
    return table, written


def _inside_of(blocks: Collection[str], node: Node) -> list[RowBase] | None:
    return [each.row for each in node.inside] if node.path in blocks else None


def _numbers(keeps: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    return None if keeps.all() else np.flatnonzero(keeps)


def _of_one_group(layer: Node, keeps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The columns of a grouped convolution are those of any one of its groups, which are tied; of one with a channel a
    group that channel."""
    groups = layer.row.groups if isinstance(layer.row, Conv) else 1
    columns = len(keeps) // groups
    return np.ones(1, bool) if groups > 1 and columns == 1 else keeps[:columns]


def _may_be_width(row: RowBase, field: str) -> bool:
    """Whether a field of a row holds an integer, or none where it might."""
    value = getattr(row, field)
    return type(value) is int or (value is None and _takes_integers(type(row).model_fields[field].annotation))


def _takes_integers(annotation: Any) -> bool:
    return annotation is int or any(_takes_integers(part) for part in get_args(annotation))


def _narrow_layer(node: Node, written: Masks) -> RowBase:
    row, keeps = node.row, written[node.path]
    changes: dict[str, Any] = {}
    if isinstance(row, MIXING):
        changes["out_channels"] = int(keeps.sum())
        if isinstance(row, Conv) and row.groups == row.out_channels == node.in_shapes[0].channels > 1:
            changes["groups"] = int(keeps.sum())
    elif isinstance(row, Slice):
        source = written[node.inputs[0]]
        changes = {"start": int(source[: row.start].sum()), "out_channels": int(keeps.sum())}
    return row.model_copy(update=changes)


def _narrow_block(node: Node, written: Masks) -> RowBase | None:
    """The block with fields that give every layer inside its new width; None: none do, or it is a layer."""
    if not node.inside:
        return None
    wanted = {layer.path: _narrow_layer(layer, written) for layer in node.layers}
    widths = {layer.path: int(written[layer.path].sum()) for layer in node.layers}
    shapes = [
        (input_name(number), shape._replace(channels=int(written[path].sum())))
        for number, (path, shape) in enumerate(zip(node.inputs, node.in_shapes, strict=True))
    ]
    fields = {name: getattr(node.row, name) for name in type(node.row).model_fields if _may_be_width(node.row, name)}
    candidates = []
    for value in fields.values():  # as wide as a layer that was as wide as it says, or, where it says nothing, as any
        of = [widths[layer.path] for layer in node.layers if value in (None, layer.out_shape.channels)]
        candidates.append(list(dict.fromkeys([value, *of] if value is None else [*of, value])))
    for values in islice(product(*candidates), MOST_GUESSES):
        changes = {name: value for (name, old), value in zip(fields.items(), values, strict=True) if value != old}
        row = node.row.model_copy(update=changes)
        alone = row.model_copy(update={"inputs": tuple(name for name, _ in shapes), "shares": None})
        try:
            (guess,) = resolve([alone], shapes)
        except LeannetError:
            continue
        prefix = len(node.path) - len(node.row.name)
        layers = list(guess.layers)
        if [layer.path for layer in layers] == [path[prefix:] for path in wanted] and all(
            layer.row == row for layer, row in zip(layers, wanted.values(), strict=True)
        ):
            return row
    return None
