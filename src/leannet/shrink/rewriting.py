"""The moves of a designer's hand, as rules on rows, for any architecture. No torch: weights are not carried over.

Rows that a rule does not touch keep their names, but for those of a block in which it replaces something: that block is
written out as its rows.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from leannet.cost import count
from leannet.errors import LeannetError, nearest
from leannet.rows import INPUT, Architecture, Depthwise, Node, RowBase
from leannet.rows.channels import channels
from leannet.rows.editing import Rule
from leannet.rows.fields import Activation
from leannet.rows.layers import Conv
from leannet.rows.narrowing import narrowed
from leannet.rows.rules import one_sided
from leannet.shrink.choosing import Choice, check_names, uniform
from leannet.shrink.names import is_of
from leannet.shrink.widths import Costs, widths

SMALL = 3  # pixels of a stacked kernel
ROUND_TO = (8, 4, 2, 1)  # the first that a network's widths are large enough for
RULES = {
    "stacked": "k x k convolutions as several of 3 x 3, of the same receptive field",
    "grouped": "dense k x k convolutions in groups: grouped:4",
    "separable": "dense k x k convolutions as depthwise and pointwise ones",
    "width": "all rows as much narrower, in multiples of 8: width:0.5",
    "activation": "ReLU as another activation function: activation:relu6, activation:h_swish",
    "padding": "padding before a stride by TensorFlow's rule, for microcontrollers' memory: padding:same",
}


def stacked() -> Rule:
    """A k x k convolution, k odd and above 3, as (k - 1) / 2 of 3 x 3 that see as many pixels.

    The last one has the stride, so that windows stay as far apart; all have the normalization and the activation
    (Simonyan and Zisserman, arXiv 1409.1556, section 2.3; Szegedy et al., arXiv 1512.00567, section 3.1).
    """

    def rule(node: Node) -> Sequence[RowBase] | None:
        row = node.row
        if not isinstance(row, Conv | Depthwise) or row.kernel <= SMALL or row.kernel % 2 == 0 or row.kernel_width:
            return None
        number = (row.kernel - 1) // 2
        padding = row.padding
        pixels = [padding] * number
        if isinstance(padding, int):  # as many in all: from the first on, as each may have one
            left = [padding // number + (place < padding % number) for place in range(number)]
            pixels = list(left)
        rows: list[RowBase] = []
        for place in range(number):
            last = place == number - 1
            update: dict[str, Any] = {
                "name": f"stacked_{place + 1}",
                "kernel": SMALL,
                "stride": row.stride if last else 1,
                "padding": pixels[place],
                "inputs": (),
                "shares": None,
            }
            rows.append(row.model_copy(update=update))
        return rows

    return rule


def grouped(groups: int) -> Rule:
    """A dense k x k convolution in groups; not one of 1 x 1, which would mix nothing any more, nor the image's."""

    def rule(node: Node) -> Sequence[RowBase] | None:
        if (row := _dense(node)) is None:
            return None
        if node.in_shapes[0].channels % groups or row.out_channels % groups:
            return None
        return [row.model_copy(update={"groups": groups})]

    return rule


def separable() -> Rule:
    """A dense k x k convolution as a depthwise and a pointwise one, both with its normalization and activation.

    They take 1/N + 1/k^2 of its mult-adds, N its channels (Howard et al., arXiv 1704.04861, section 3.1). The
    convolution that reads the image stays.
    """

    def rule(node: Node) -> Sequence[RowBase] | None:
        if (row := _dense(node)) is None:
            return None
        common = {"bias": row.bias, "norm": row.norm}
        return [
            Depthwise(
                name="depthwise", kernel=row.kernel, kernel_width=row.kernel_width, stride=row.stride,
                padding=row.padding, activation=row.activation, **common,
            ),
            Conv(name="pointwise", out_channels=row.out_channels, activation=row.activation, **common),
        ]  # fmt: skip

    return rule


def activation(name: Activation, instead_of: Activation = "relu") -> Rule:
    """Another activation function, of layers and of the blocks that say theirs."""

    def rule(node: Node) -> Sequence[RowBase] | None:
        if getattr(node.row, "activation", None) != instead_of:
            return None
        return [node.row.model_copy(update={"activation": name})]

    return rule


def narrower(architecture: Architecture, share: float) -> Architecture:
    """Every width that can be as much narrower, in multiples of 8 where they are large enough: a width multiplier for
    any network."""
    tied = channels(architecture)
    costs = Costs(tied, widths(tied))
    if not costs.widths:
        raise LeannetError(f"--rule width: expected rows that can be narrower in {architecture.name}, found none")
    smallest = min(width.each * len(width.groups) for width in costs.widths)
    round_to = next(number for number in ROUND_TO if number == 1 or share * smallest >= number)
    removed = uniform(costs, 1 - share, Choice("per-row", round_to=round_to, least=0.0))
    return narrowed(tied, removed).architecture


def _dense(node: Node) -> Conv | None:
    """The convolution that a node is, where it is dense, has more than one pixel, and does not read the image."""
    row = node.row
    is_dense = isinstance(row, Conv) and row.sides != (1, 1) and row.groups == 1 and INPUT not in node.inputs
    return row if is_dense and isinstance(row, Conv) else None


@dataclass(frozen=True)
class Rewritten:
    """An architecture by rules. changed: the layers that are no longer there as they were."""

    architecture: Architecture
    before: Architecture
    changed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        old, new = count(self.before), count(self.architecture)
        return {
            "name": self.architecture.name,
            "changed": list(self.changed),
            "before": {"params": old.params, "macs": old.macs},
            "after": {"params": new.params, "macs": new.macs},
        }


def rewrite(
    architecture: Architecture, rules: Sequence[str], rows: Collection[str] = (), keep: Collection[str] = ()
) -> Rewritten:
    """An architecture by rules, one after another: words as in RULES, as "separable", "grouped:4" and "width:0.5".

    rows: only these rows or layers; empty: all. keep: not these.
    Raises LeannetError for an unknown rule or row, and where a rule changes nothing.
    """
    result = architecture
    check_names((*rows, *keep), architecture)
    if not rules:
        raise LeannetError(f"expected a rule: {', '.join(RULES)}")
    for text in rules:
        before = result
        result = _apply(result, text, rows, keep)
        if result.rows == before.rows:
            raise LeannetError(f"--rule {text}: expected rows that it changes in {architecture.name}, found none")
    old = {layer.path: layer.row.model_dump(exclude={"inputs"}) for layer in architecture.layers}
    new = {layer.path: layer.row.model_dump(exclude={"inputs"}) for layer in result.layers}
    changed = tuple(path for path, row in old.items() if new.get(path) != row)
    words = "_".join(text.replace(":", "_").replace(".", "_") for text in rules)
    return Rewritten(result.named(f"{architecture.name}_{words}"), architecture, changed)


def _apply(architecture: Architecture, text: str, rows: Collection[str], keep: Collection[str]) -> Architecture:
    name, _, value = text.partition(":")
    if name not in RULES:
        raise LeannetError(f"--rule {text}: expected one of {', '.join(RULES)}; nearest: {nearest(name, RULES, 1)}")
    if name == "width":
        if rows or keep:
            raise LeannetError("--rule width narrows all rows: leave out --rows and --keep, or use leannet prune")
        return narrower(architecture, _number(text, value, 0, 1))
    makers: dict[str, Callable[[], Rule]] = {
        "stacked": stacked,
        "separable": separable,
        "grouped": lambda: grouped(_whole(text, _number(text, value, 1, 1 << 16))),
        "activation": lambda: activation(_activation(text, value)),
        "padding": lambda: one_sided,
    }
    if name == "padding" and value != "same":
        raise LeannetError(f"--rule {text}: expected padding:same")
    if name in ("stacked", "separable") and value:
        raise LeannetError(f"--rule {text}: expected {name} alone")
    return architecture.rewrite(_among(makers[name](), rows, keep), inside=True)


def _among(rule: Rule, rows: Collection[str], keep: Collection[str]) -> Rule:
    """The rule for some rows and layers."""

    def chosen_rule(node: Node) -> Sequence[RowBase] | None:
        partly = any(name.startswith(f"{node.path}.") for name in (*rows, *keep))  # what is inside is asked for
        if partly or (rows and not is_of(node.path, rows)) or is_of(node.path, keep):
            return None
        return rule(node)

    return chosen_rule


def _number(text: str, value: str, above: float, below: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not above < number < below:
        raise LeannetError(f"--rule {text}: expected a number above {above:g} and below {below:g}, found '{value}'")
    return number


def _whole(text: str, number: float) -> int:
    if number != int(number):
        raise LeannetError(f"--rule {text}: expected a whole number of groups, found {number:g}")
    return int(number)


def _activation(text: str, value: str) -> Activation:
    names = get_args(Activation)
    if value not in names:
        raise LeannetError(f"--rule {text}: expected one of {', '.join(names)}, found '{value}'")
    return value  # type: ignore[return-value]  # one of its names
