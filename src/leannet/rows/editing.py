"""The algebra of tables: rows edited, rewritten, left out and added. Each gives rows; making an architecture of them
checks all at once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from leannet.errors import LeannetError, nearest
from leannet.rows.base import RowBase
from leannet.rows.error_lines import all_errors
from leannet.rows.graph import LABELS, Graph, Node, input_name

Rule = Callable[[Node], Sequence[RowBase] | None]
Rows = tuple[RowBase, ...]


def edited(rows: Sequence[RowBase], edits: Mapping[str, Mapping[str, Any]], name: str) -> Rows:
    """Rows with some fields changed, by row. Rows that share weights are one and the same, and stay so.

    name: of the architecture, for messages. Raises LeannetError for an unknown row and an impossible field.
    """
    owners = {row.name: row.shares or row.name for row in rows}
    for row in edits:
        if row not in owners:
            raise LeannetError(f"{name} has no row '{row}'; nearest: {nearest(row, owners)}")
    shared: dict[str, dict[str, Any]] = {}
    for row, fields in edits.items():
        of = {field: value for field, value in fields.items() if field not in LABELS}
        shared[owners[row]] = shared.get(owners[row], {}) | of
    changed = []
    for old in rows:
        changes = shared.get(owners[old.name], {}) | dict(edits.get(old.name, {}))
        try:
            changed.append(type(old)(**{**dict(old), **changes}) if changes else old)
        except ValidationError as error:
            raise LeannetError(f"{name}: row '{old.name}', {all_errors(error, model=type(old))}") from None
    return tuple(changed)


def kept(graph: Graph, names: Collection[str]) -> Rows:
    """The rows of these names. Of rows whose owner of weights is gone, the first becomes the owner."""
    nodes = [node for node in graph.nodes if node.path in names]
    return linked(zip(_owned(nodes), (node.reads for node in nodes), strict=True))


def left_out(graph: Graph, names: Collection[str]) -> tuple[Rows, dict[str, str]]:
    """Rows without some, whose readers then read what those read; and for each one left out what stands for it.

    Raises LeannetError for a row of several inputs, and for one whose output has another shape than its input.
    """
    instead: dict[str, str] = {}
    remaining = []
    for node in graph.nodes:
        if node.path not in names:
            remaining.append(node)
            continue
        if node.in_shapes != (node.out_shape,):
            raise LeannetError(
                f"row '{node.path}' cannot be left out: expected one input of its output's shape, {node.out_shape}, "
                f"found {' and '.join(map(str, node.in_shapes))}"
            )
        instead[node.path] = instead.get(node.reads[0], node.reads[0])
    reads = (tuple(instead.get(name, name) for name in node.reads) for node in remaining)
    return linked(zip(_owned(remaining), reads, strict=True)), instead


def rewritten(graph: Graph, rule: Rule, inside: bool = False) -> tuple[Rows, dict[str, str]]:
    """Rows of which a rule has replaced some; and for each one replaced the name of the row that stands for it.

    A rule gives the rows that stand for a node, as a block's `expand` does: they call what it reads "input" and
    "input_2", the first one reads "input" by default, and the output of the last one is the node's. None: it stays. A
    single row takes the node's name, and may have its inputs; several are called by it and their own:
    `block_1_expand`. inside: the rule is asked for what is inside blocks too; a block in which it has replaced
    something is replaced by its rows.
    Raises LeannetError where it replaces a row but not, or otherwise, the row whose weights that one uses.
    """
    rows: dict[str, RowBase] = {}
    reads: dict[str, tuple[str, ...]] = {}
    replaced: dict[str, list[str]] = {}  # the name of a row -> those of the rows that stand for it
    taken = {node.row.name for node in graph.nodes}
    for node in graph.nodes:
        name, owner = node.row.name, node.row.shares
        sources = tuple(replaced[each][-1] if each in replaced else each for each in node.reads)
        new = _replacement(node, rule, inside)
        if owner is not None and (new is not None) != (owner in replaced):
            raise LeannetError(f"row '{node.path}' uses the weights of '{owner}': expected both rewritten, found one")
        if new is None:
            rows[name], reads[name] = node.row, sources
            continue
        if not new:
            raise LeannetError(f"row '{node.path}': expected rows from the rule, or None, found none")
        owners = replaced[owner] if owner is not None else []
        if owners and len(owners) != len(new):
            raise LeannetError(f"row '{node.path}' uses the weights of '{owner}': expected both rewritten alike")
        names = {input_name(number): source for number, source in enumerate(sources)}
        above, made = sources[0], []
        for number, row in enumerate(new):
            if len(new) == 1 and row.inputs == node.row.inputs:  # the node's own row, changed
                read = sources
            else:
                read = tuple(_known(each, names, node) for each in row.inputs) or (above,)
            if owners:
                shares: str | None = rows[owners[number]].shares or owners[number]
            else:
                shares = _known(row.shares, names, node) if row.shares is not None else None
            above = names[row.name] = name if len(new) == 1 else f"{name}_{row.name}"
            if above in rows or (above != name and above in taken):
                raise LeannetError(f"row '{node.path}': the rule gives a row '{above}', and there is one already")
            rows[above] = row.model_copy(update={"name": above, "inputs": (), "shares": shares})
            reads[above] = read
            made.append(above)
        replaced[name] = made
    return linked((rows[name], reads[name]) for name in rows), {name: made[-1] for name, made in replaced.items()}


def _known(name: str, names: Mapping[str, str], node: Node) -> str:
    """What a row of a rule means by a name."""
    if name not in names:
        raise LeannetError(
            f"row '{node.path}': the rule gives a row that reads '{name}', which is none of its own above; nearest: "
            f"{nearest(name, names)}"
        )
    return names[name]


def _replacement(node: Node, rule: Rule, inside: bool) -> Sequence[RowBase] | None:
    new = rule(node)
    if new is not None or not inside or not node.inside:
        return new
    rows, instead = rewritten(Graph(node.inside), rule, inside)
    return rows if instead else None


def _owned(nodes: Sequence[Node]) -> list[RowBase]:
    """The rows of nodes. Of those that share the weights of one that is gone, the first becomes the owner."""
    owners = {node.row.name: node.row.name for node in nodes}
    rows = []
    for node in nodes:
        row = node.row
        if row.shares is not None:
            owner = owners.setdefault(row.shares, row.name)
            row = row.model_copy(update={"shares": None if owner == row.name else owner})
        rows.append(row)
    return rows


def linked(rows: Iterable[tuple[RowBase, tuple[str, ...]]]) -> Rows:
    """Rows with what each reads: by default the row above, so a row names it where another is above it now."""
    above, linked = input_name(0), []
    for row, reads in rows:
        inputs = () if not row.inputs and reads == (above,) else reads
        linked.append(row if row.inputs == inputs else row.model_copy(update={"inputs": inputs}))
        above = row.name
    return tuple(linked)
