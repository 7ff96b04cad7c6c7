"""Gates: which blocks an image runs is decided image by image (SkipNet, arXiv 1711.09485). No torch."""

import re
from collections.abc import Iterator
from typing import Literal, get_args

from leannet.errors import LeannetError, nearest
from leannet.rows.blocks import FeedforwardGate, GateScore, GateSummary, HighwayGate, LstmCell
from leannet.rows.blocks.base import ResidualBase
from leannet.rows.blocks.gates import STATE
from leannet.rows.editing import linked
from leannet.rows.exits import exits
from leannet.rows.graph import Node
from leannet.rows.layers import Choose, Decide, RowBase, Zeros
from leannet.rows.table import Architecture

GateKind = Literal["recurrent", "feedforward", "feedforward-light", "highway"]
Linked = tuple[RowBase, tuple[str, ...]]  # a row, and what it reads


def gated(architecture: Architecture, kind: GateKind = "recurrent", group: int = 1) -> Architecture:
    """The same network with a gate before each residual block behind its first block.

    A gate reads what the block reads; an image that skips a block takes its shortcut. kind: recurrent (one memory that
    all gates share, for any block), feedforward (FFGate-I), feedforward-light (FFGate-II; both cost more than a
    bottleneck that they could skip), or highway, which mixes and never skips. group: how many blocks of one stage, at
    most, a gate decides for: what is skipped at once copies one map. The rows that were there keep their names.

    Raises LeannetError where there is no second residual block, or gates already.
    """
    if kind not in get_args(GateKind):
        raise LeannetError(f"gate '{kind}': expected {', '.join(get_args(GateKind))}; nearest: "
                           f"{nearest(kind, get_args(GateKind))}")  # fmt: skip
    if group < 1:
        raise LeannetError(f"group: expected 1 block or more, found {group}")
    if has_gates(architecture):
        raise LeannetError(f"{architecture.name} has gates already: name the network without them")
    blocks = [node for node in architecture.graph.nodes if isinstance(node.row, ResidualBase)]
    skippable = [node.path for node in blocks[1:] if _has_shortcut(node)]
    if not skippable:
        found = f"'{blocks[0].path}' alone, which always runs" if blocks else "none"
        raise LeannetError(
            f"{architecture.name}: a gate skips residual blocks behind the first, found {found}; networks with many: "
            "leannet models 'resnet*', mobilenet_v2"
        )
    return _Gating(architecture, kind, group, set(skippable)).whole()


def _has_shortcut(node: Node) -> bool:
    """Whether an image can take another way than through a block of one input."""
    row = node.row
    return isinstance(row, ResidualBase) and len(node.reads) == 1 and getattr(row, "residual", True)


class _Gating:
    def __init__(self, architecture: Architecture, kind: GateKind, group: int, skippable: set[str]):
        self.architecture, self.kind, self.group, self.skippable = architecture, kind, group, skippable
        self.instead: dict[str, str] = {}  # for the last row of a group the choice that stands for it
        self.state = ""  # the row with the memory so far, and those whose weights later ones use
        self.owners: dict[str, str] = {}

    def whole(self) -> Architecture:
        """All rows."""
        rows: list[Linked] = []
        nodes = list(self.architecture.graph.nodes)
        while nodes:
            node, *nodes = nodes
            reads = self._reads(node)
            if node.path not in self.skippable:
                rows.append((node.row, reads))
                continue
            rows += self._gate(node.path, reads[0])
            decision = rows[-1][0].name
            members = [node]
            while nodes and len(members) < self.group and self._goes_on(members[-1], nodes[0]):
                members.append(nodes.pop(0))
            if len(members) == 1:
                rows.append((node.row, (*reads, decision)))
                continue
            rows += [(each.row, self._reads(each)) for each in members]
            choice = f"{members[-1].path}_chosen"
            rows.append((Choose(name=choice), (members[-1].path, reads[0], decision)))
            self.instead[members[-1].path] = choice
        outputs = tuple(output.model_copy(update={"row": self.instead.get(output.row, output.row)})
                        for output in self.architecture.outputs)  # fmt: skip
        fields = {"rows": linked(rows), "outputs": outputs, "name": f"{self.architecture.name}_{self.kind}_gates"}
        return Architecture(**{**dict(self.architecture), **fields})

    def _reads(self, node: Node) -> tuple[str, ...]:
        return tuple(self.instead.get(name, name) for name in node.reads)

    def _goes_on(self, last: Node, node: Node) -> bool:
        """Whether a block follows another whose gate can decide for both: it reads it alone, and nothing else does."""
        whole = last.in_shapes[0] == last.out_shape == node.out_shape
        readers = [other for other in self.architecture.graph.nodes if last.path in other.reads]
        return node.path in self.skippable and node.reads == (last.path,) and len(readers) == 1 and whole

    def _gate(self, block: str, source: str) -> Iterator[Linked]:
        """The rows of a gate, of which the last is what the block reads."""
        match self.kind:
            case "highway":
                yield HighwayGate(name=f"{block}_gate"), (source,)
                return
            case "recurrent":
                yield GateSummary(name=f"{block}_summary"), (source,)
                summary = f"{block}_summary"
                if not self.state:
                    self.state = "gates_start"
                    yield Zeros(name=self.state, out_channels=2 * STATE), (summary,)
                state, score = f"{block}_state", f"{block}_score"
                yield LstmCell(name=state, shares=self._owner("state", state)), (summary, self.state)
                yield GateScore(name=score, shares=self._owner("score", score)), (state,)
                self.state = state
            case "feedforward" | "feedforward-light":
                convolutions = 2 if self.kind == "feedforward" else 1
                yield FeedforwardGate(name=f"{block}_score", convolutions=convolutions), (source,)
        yield Decide(name=f"{block}_gate"), (f"{block}_score",)

    def _owner(self, kind: str, name: str) -> str | None:
        """The first row of a kind, whose weights the others use; None: it is this one."""
        owner = self.owners.setdefault(kind, name)
        return None if owner == name else owner


def has_gates(architecture: Architecture) -> bool:
    """Whether images take different ways through it, or shares of them."""
    return any(isinstance(layer.row, Choose) for layer in architecture.layers)


def decisions(architecture: Architecture) -> tuple[tuple[str, str], ...]:
    """The rows that decide, each with the row whose score it decides by."""
    return tuple((node.path, node.reads[0]) for node in architecture.graph.nodes if isinstance(node.row, Decide))


def draws(architecture: Architecture) -> bool:
    """Whether a row decides by chance in training."""
    return any(isinstance(node.row, Decide) and node.row.training in {"drawn", "noisy"} for node in architecture.layers)


def without_gates(architecture: Architecture) -> Architecture:
    """The network whose images all run every block, without its gates and exits. Raises LeannetError where it has
    none."""
    nodes = architecture.graph.nodes
    on = {each.choice for each in exits(architecture)}  # behind an exit, the second is the rest of the network
    choices = {node.path: node.reads[1 if node.path in on else 0] for node in nodes if isinstance(node.row, Choose)}
    if not has_gates(architecture):
        raise LeannetError(f"{architecture.name} has no gates")

    def through(name: str) -> str:
        """What stands for a row: for a choice, what it takes where everything runs."""
        return through(choices[name]) if name in choices else name

    outputs = tuple(output.model_copy(update={"row": through(output.row)}) for output in architecture.outputs)
    wanted = [output.row for output in outputs] or [through(nodes[-1].path)]
    rows: list[Linked] = []
    for node in reversed(nodes):
        if node.path in wanted:
            is_gated, is_block = _is_gated(node), isinstance(node.row, ResidualBase)
            reads = tuple(through(name) for name in (node.reads[:1] if is_gated else node.reads))
            rows.insert(0, (node.row.model_copy(update={"inputs": ()}) if is_block else node.row, reads))
            wanted += reads
    name = re.sub(r"_\d+_exits$", "", architecture.name)
    for kind in get_args(GateKind):
        name = name.removesuffix(f"_{kind}_gates")
    return Architecture(**{**dict(architecture), "rows": linked(rows), "outputs": outputs, "name": name})


def _is_gated(node: Node) -> bool:
    """Whether a block reads a decision."""
    return isinstance(node.row, ResidualBase) and len(node.reads) == 2
