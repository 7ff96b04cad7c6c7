"""What a box says of its row, in the words of the papers, and the style of its color."""

from dataclasses import dataclass

from leannet.rows import (
    Activate,
    Add,
    BlockBase,
    Concat,
    Conv,
    Decide,
    Depthwise,
    Dropout,
    Flatten,
    GlobalPool,
    Linear,
    LocalResponse,
    Multiply,
    Normalize,
    Pool,
    Resize,
    RowBase,
    Shape,
    Shift,
    Shuffle,
    Slice,
    TransposedConv,
    TwiceSeparable,
    Upsample,
)

ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "swish": "swish",
    "h_swish": "h-swish",
    "sigmoid": "sigmoid",
    "h_sigmoid": "h-sigmoid",
    "tanh": "tanh",
    "gelu": "GELU",
    "linear": "linear",
}
# Kinds whose names are not their words in JSON.
KINDS = {
    "squeeze_excite": "squeeze and excitation",
    "fire": "Fire module",
    "inception": "Inception module",
    "shuffle_unit_v2": "shuffle unit V2",
    "twice_separable": "separable, twice",
    "nasnet_normal": "normal cell",
    "nasnet_reduction": "reduction cell",
    "feedforward_gate": "feed-forward gate",
    "lstm_cell": "LSTM cell",
}
# Fields of blocks as words; the others are seen in the figure of the inside.
FIELDS = {
    "expansion_channels": "expansion {}",
    "bottleneck_channels": "bottleneck {}",
    "branch_channels": "branch {}",
    "squeeze_channels": "squeeze {}",
    "groups": "{} groups",
    "bypass": "{} bypass",
    "stride": "stride {}",
}


@dataclass(frozen=True)
class Words:
    """What a row is, its details, and what follows inside of it (normalization, activation)."""

    title: str
    details: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        return ", ".join((self.title, *self.details))


def words(row: RowBase, out: Shape) -> Words:
    """The words for a row whose output is `out`; a kind that is not named here has some too."""
    if isinstance(row, BlockBase):
        return _block(row)
    match row:
        case Conv():
            groups = f"{row.groups} groups" if row.groups > 1 else ""
            details = (groups, _stride(row.stride), f"{out.channels:,}")
            return Words(f"{_by(row)} conv", _without_empty(*details), _after(row))
        case TransposedConv():
            size = f"{_square(row.kernel)} transposed conv"
            return Words(size, (f"{row.stride} times", f"{out.channels:,}"), _after(row))
        case Depthwise():
            return Words(f"{_by(row)} depthwise", _without_empty(_stride(row.stride)), _after(row))
        case Linear():
            activation = () if row.activation == "linear" else (ACTIVATIONS[row.activation],)
            return Words("fully connected", (f"{out.channels:,}",), activation)
        case Pool():
            return Words(
                f"{_square(row.kernel)} {'max' if row.op == 'max' else 'avg'} pool", _without_empty(_stride(row.stride))
            )
        case GlobalPool():
            return Words("global pool", _without_empty(_square(row.size) if row.size > 1 else ""))
        case Dropout():
            return Words("dropout", (f"{row.rate:g}",))
        case Activate():
            return Words(ACTIVATIONS[row.activation])
        case Add():
            return Words("add", tags=() if row.activation == "linear" else (ACTIVATIONS[row.activation],))
        case Multiply():
            return Words("scale")
        case Shuffle():
            return Words("channel shuffle", (f"{row.groups} groups",))
        case Slice():
            return Words("channels", (f"{row.start} to {row.start + row.out_channels - 1}",))
        case Upsample():
            return Words("upsample", (f"{row.factor} times",))
        case Resize():
            return Words("resize", (f"to {out.height} x {out.width}",))
        case LocalResponse():
            return Words("local response norm")
        case Shift():
            return Words("shift", ("1 px",))
        case Normalize():
            return Words("batch norm")
        case Decide():
            return Words("decide", (f"above {row.threshold:g}",))
    return Words(kind(row))


def style(row: RowBase) -> str:
    """The style of a layer's box; of a block "block", which the page turns into one of its colors."""
    match row:
        case BlockBase():
            return "block"
        case Conv():
            return "pointwise" if row.sides == (1, 1) else "conv"
        case TransposedConv():
            return "conv"
        case Depthwise():
            return "depthwise"
        case Linear():
            return "fully_connected"
        case Pool() | GlobalPool():
            return "pool"
        case Concat() | Flatten() | Resize() | Shift() | Shuffle() | Slice() | Upsample():
            return "move"
    return "plain"


# What the legend says of each style but the blocks', which are named by their kinds.
LEGEND = {
    "conv": "convolution",
    "pointwise": "1x1 convolution",
    "depthwise": "depthwise convolution",
    "pool": "pooling",
    "fully_connected": "fully connected",
    "move": "moves channels",
    "plain": "no filters",
}


def kind(row: RowBase) -> str:
    """What a kind is called: "inverted residual"."""
    return KINDS.get(written(row), written(row).replace("_", " "))


def written(row: RowBase) -> str:
    """A kind as it stands in JSON: "inverted_residual"."""
    return str(getattr(row, "kind", type(row).__name__))


def _block(row: RowBase) -> Words:
    if isinstance(row, TwiceSeparable):
        return Words(f"{_square(row.kernel)} separable", _without_empty(_stride(row.stride)), ("twice",))
    kernel = getattr(row, "kernel", None)
    details = [_square(kernel)] if kernel is not None else []
    for field, text in FIELDS.items():
        value = getattr(row, field, None)
        if value not in (None, "none") and not (value == 1 and field in ("groups", "stride")):
            details.append(text.format(value))
    if getattr(row, "residual", False):
        details.append("residual")
    return Words(kind(row), tuple(details))


def _after(row: Conv | Depthwise | TransposedConv) -> tuple[str, ...]:
    return (*(("BN",) if row.norm is not None else ()), ACTIVATIONS[row.activation])


def _stride(stride: int) -> str:
    return f"stride {stride}" if stride > 1 else ""


def _by(row: Conv | Depthwise) -> str:
    return "x".join(map(str, row.sides))


def _square(size: int) -> str:
    return f"{size}x{size}"


def _without_empty(*parts: str) -> tuple[str, ...]:
    return tuple(part for part in parts if part)
