"""Early exits: heads in the middle of a network, at which images leave it whose class is sure enough. No torch.

An exit is rows like the rest: the mean of each channel, classes, their softmax, the largest of it, and a decision by
that; behind the last row a choice for each exit, the first of which has all others in its second side (BranchyNet,
Teerapittayanon et al., arXiv 1709.01686, decides by entropy, MSDNet, Huang et al., arXiv 1703.09844, so).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from leannet.errors import LeannetError, nearest
from leannet.rows.editing import linked
from leannet.rows.endpoints import Output
from leannet.rows.layers import Choose, Decide, GlobalPool, Largest, Linear, RowBase, Softmax
from leannet.rows.table import Architecture

THRESHOLD = 0.9  # of the largest probability, until one is chosen by validation images


@dataclass(frozen=True)
class Exit:
    """An exit: the row that decides, the row of its classes, and the choice between those and the rest."""

    decision: str
    logits: str
    choice: str


def with_exits(architecture: Architecture, after: Sequence[str], threshold: float = THRESHOLD) -> Architecture:
    """The same network with an exit behind each of these rows.

    In training no image leaves. The rows that were there keep their names.

    Raises LeannetError for a row that is not there, or that not every later map comes from, and where there are exits
    already.
    """
    if exits(architecture):
        raise LeannetError(f"{architecture.name} has exits already: name the network without them")
    places, names = exit_rows(architecture), [row.name for row in architecture.rows]
    for name in after:
        if name not in names:
            raise LeannetError(f"{architecture.name} has no row '{name}'; nearest: {nearest(name, places)}")
        if name not in places:
            raise LeannetError(f"an exit behind '{name}': expected a map that all later rows go on from: "
                               f"{', '.join(places)}")  # fmt: skip
    classes, last = architecture.classes, architecture.output_names[0]
    rows: list[tuple[RowBase, tuple[str, ...]]] = []
    numbers = {name: number for number, name in enumerate(sorted(after, key=names.index), start=1)}
    for node in architecture.graph.nodes:
        rows.append((node.row, node.reads))
        if (number := numbers.get(node.path)) is not None:
            exit_ = f"exit_{number}"
            rows += [
                (GlobalPool(name=f"{exit_}_pool"), (node.path,)),
                (Linear(name=f"{exit_}_logits", out_channels=classes), (f"{exit_}_pool",)),
                (Softmax(name=f"{exit_}_probabilities"), (f"{exit_}_logits",)),
                (Largest(name=f"{exit_}_confidence"), (f"{exit_}_probabilities",)),
                (Decide(name=exit_, threshold=threshold, training="off"), (f"{exit_}_confidence",)),
            ]
    rest = last
    for number in sorted(numbers.values(), reverse=True):
        rows.append((Choose(name=f"exit_{number}_or_on"), (f"exit_{number}_logits", rest, f"exit_{number}")))
        rest = f"exit_{number}_or_on"
    outputs = (Output(row=rest), *(output for output in architecture.outputs if output.row != last))
    fields = {"rows": linked(rows), "outputs": outputs, "name": f"{architecture.name}_{len(numbers)}_exits"}
    return Architecture(**{**dict(architecture), **fields})


def exit_rows(architecture: Architecture) -> tuple[str, ...]:
    """The rows that an exit may stand behind: maps that every later map comes from, and not the last of them."""
    architecture = architecture.without_auxiliary()
    nodes, shapes = architecture.graph.nodes, architecture.shapes
    order = {node.path: place for place, node in enumerate(nodes)}
    places = []
    for place, node in enumerate(nodes[:-1]):
        later = nodes[place + 1 :]
        maps = [name for each in later for name in each.reads if name not in shapes or min(shapes[name][1:]) > 1]
        reads = [order.get(name, -1) for name in maps]  # vectors, as a gate's state, are read from anywhere
        is_map = min(node.out_shape[1:]) > 1
        if is_map and all(read >= place for read in reads) and any(min(each.out_shape[1:]) > 1 for each in later):
            places.append(node.path)
    return tuple(places)


def exits(architecture: Architecture) -> tuple[Exit, ...]:
    """The exits of a network, the first first."""
    nodes = architecture.graph.by_path
    of_network = []
    for node in architecture.graph.nodes:
        if isinstance(node.row, Choose) and node.reads[2] in nodes and isinstance(nodes[node.reads[2]].row, Decide):
            (score,) = nodes[node.reads[2]].reads
            if score in nodes and isinstance(nodes[score].row, Largest):
                of_network.append(Exit(node.reads[2], node.reads[0], node.path))
    order = [node.path for node in architecture.graph.nodes]
    return tuple(sorted(of_network, key=lambda each: order.index(each.decision)))
