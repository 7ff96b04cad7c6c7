"""draw: networks, or the inside of their rows, side by side."""

from collections.abc import Sequence

from leannet.diagrams.assembling import Direction
from leannet.diagrams.costs import Costs, short
from leannet.diagrams.expanding import find
from leannet.diagrams.inside import draw_inside
from leannet.diagrams.page import Titled, make_page
from leannet.diagrams.palette import Colors
from leannet.diagrams.scene import Diagram
from leannet.diagrams.whole import draw_whole, folded
from leannet.diagrams.words import words
from leannet.errors import LeannetError, check_architecture
from leannet.rows import Architecture, BlockBase

WHOLE = "beside an arrow: channels; bar and %: share of mult-adds"
INSIDE = "beside an arrow: channels, or height x width x channels where height and width change"


def draw(
    *architectures: Architecture,
    rows: Sequence[str] = (),
    units: bool = False,
    direction: Direction = "down",
    everything: bool = False,
    columns: int | None = None,
    names: Sequence[str] = (),
) -> Diagram:
    """Architectures side by side: whole, or of each the inside of one row. A notebook shows the returned diagram.

    rows: for each architecture the name of a row, or the path of a block inside one; or several of one architecture.
    units: of each the block that it repeats most (MobileNetV2, figure 4). direction: which way the data flows.
    everything: equal rows are not folded, and blocks inside a block are always expanded. columns: how many stand side
    by side, the others below; None: all. names: the titles of the architectures; empty: their own names.
    Raises LeannetError where a row does not exist or has nothing inside, and where rows and architectures do not pair.
    """
    if not architectures:
        raise LeannetError("expected an architecture to draw, found none")
    for architecture in architectures:
        check_architecture(architecture)
    if columns is not None and columns < 1:
        raise LeannetError(f"columns must be 1 or more, found {columns}")
    if units and rows:
        raise LeannetError("expected rows by name or each network's typical unit, found both")
    colors, names = Colors(), tuple(names) or tuple(architecture.name for architecture in architectures)
    if units:
        rows = [typical_unit(architecture) for architecture in architectures]
    if not rows:
        whole = [
            _whole(architecture, name, colors, direction, everything)
            for architecture, name in zip(architectures, names, strict=True)
        ]
        return make_page(whole, colors.legend, [WHOLE], columns)
    if len(architectures) == 1:
        architectures, names = architectures * len(rows), names * len(rows)
    if len(architectures) != len(rows):
        raise LeannetError(
            f"expected a row for each of {len(architectures)} networks, in their order, found {len(rows)}"
        )
    triples = zip(architectures, names, rows, strict=True)
    inside = [_inside(*triple, colors, direction, everything) for triple in triples]
    return make_page(inside, colors.legend, [INSIDE], columns)


def typical_unit(architecture: Architecture) -> str:
    """The name of the block that the architecture repeats most often unchanged, the first of several.

    Raises LeannetError where it has no blocks.
    """
    groups = [group for group in folded(architecture, chains=False) if isinstance(group[0], BlockBase)]
    if not groups:
        raise LeannetError(f"{architecture.name} has no blocks, so no typical unit: draw it whole")
    return max(groups, key=len)[0].name


def _whole(architecture: Architecture, name: str, colors: Colors, direction: Direction, everything: bool) -> Titled:
    total, size = Costs(architecture).total, architecture.input
    size_words = f"{_own_name(architecture, name)}{size.height} x {size.width} px"
    return Titled(
        draw_whole(architecture, colors, direction, everything),
        name,
        (f"{size_words}, {short(total.params)} params, {short(total.macs)} mult-adds",),
    )


def _inside(
    architecture: Architecture, name: str, row: str, colors: Colors, direction: Direction, everything: bool
) -> Titled:
    block, costs = find(architecture, row), Costs(architecture)
    cost = costs.of([block.path], block.in_shapes, block.out_shape)
    share = f"{100 * cost['share_of_macs']:.1f} %"
    description = words(block.row, block.out_shape)
    return Titled(
        draw_inside(architecture, block, colors, direction, everything),
        f"{name}: {row}",
        (
            f"{_own_name(architecture, name)}{description.line}",
            f"{short(cost['params'])} params, {short(cost['macs'])} mult-adds ({share})",
        ),
    )


def _own_name(architecture: Architecture, name: str) -> str:
    """The architecture's own name, where the title is another."""
    return "" if name == architecture.name else f"{architecture.name}, "
