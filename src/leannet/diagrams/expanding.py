"""The block of a path, and the channel splits inside it."""

from collections.abc import Sequence

from leannet.errors import LeannetError, nearest
from leannet.rows import Architecture, BlockBase, Node, Slice


def find(architecture: Architecture, path: str) -> Node:
    """The block of that path. Raises LeannetError where there is none, or where it has nothing inside."""
    first, *rest = path.split(".")
    node = architecture.graph.by_path[architecture.row(first).name]
    for name in rest:
        inside = {each.row.name: each for each in _block(node, architecture).inside}
        if name not in inside:
            raise LeannetError(f"'{node.path}' has no '{name}' inside; nearest: {nearest(name, inside)}")
        node = inside[name]
    return _block(node, architecture)


def splits(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """For each slice that is part of a channel split: all slices of that split, in order of their channels."""
    split_of: dict[str, list[Node]] = {}
    for source in dict.fromkeys(node.reads[0] for node in nodes):
        slices = [(node.row.start, node) for node in nodes if isinstance(node.row, Slice) and node.reads[0] == source]
        slices.sort(key=lambda pair: pair[0])
        ends = [0]
        for start, node in slices:
            if start == ends[-1]:
                ends.append(start + node.out_shape.channels)
        if len(slices) > 1 and len(ends) == len(slices) + 1 and ends[-1] == slices[0][1].in_shapes[0].channels:
            split = [node for _, node in slices]
            split_of |= {node.row.name: split for node in split}
    return split_of


def _block(node: Node, architecture: Architecture) -> Node:
    if node.inside:
        return node
    blocks = [row.name for row in architecture.rows if isinstance(row, BlockBase)]
    known = f"blocks of {architecture.name}, nearest first: {nearest(node.path, blocks)}" if blocks else (
        f"{architecture.name} has no blocks"
    )  # fmt: skip
    raise LeannetError(f"'{node.path}' is a layer, with nothing inside to draw; {known}")
