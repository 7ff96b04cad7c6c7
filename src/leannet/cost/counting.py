"""Parameters, mult-adds, bytes and receptive field, exactly, from the rows alone. No torch.

The convention, which the papers and torchvision's published figures follow:
- macs: convolutions and fully connected rows only, weights times output positions. One multiply-add is one. No
  bias, normalization, activation, pooling or element-wise operation is counted.
- params: what training changes: weights, biases, and normalization's scale and shift. Running statistics are not
  parameters. Weights that several rows share count once, their mult-adds each time.
- bytes moved: each layer reads its inputs and weights and writes its output once, 4 bytes a number. Normalization and
  activation are taken as part of the layer they follow.
- receptive field: along the image's own path; the scale of squeeze-and-excitation, which depends on the whole
  image, is left out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from leannet.errors import check_architecture
from leannet.rows import (
    INPUT,
    Architecture,
    Conv,
    Depthwise,
    Flatten,
    GlobalPool,
    Linear,
    Multiply,
    Node,
    Pool,
    Resize,
    RowBase,
    Shape,
    TransposedConv,
    Upsample,
    parameters,
)
from leannet.rows.parameters import uses

BYTES = 4  # float32
CONVENTION = "mult-adds of convolutions and fully connected rows, one multiply-add is one"


@dataclass(frozen=True)
class LayerCount:
    """What one layer costs. Shapes are (C, H, W); `saving`, the fraction of dense, is that of a pointwise layer
    behind its depthwise one.
    """

    path: str
    row: str
    type: str
    stride: int
    filter: str
    in_shape: Shape
    out_shape: Shape
    weights: int
    biases: int
    norm_params: int
    macs: int
    bytes_moved: int
    receptive_field: int
    saving: float | None  # (depthwise + pointwise) / the dense convolution that they replace = 1/N + 1/Dk^2

    @property
    def params(self) -> int:
        return self.weights + self.biases + self.norm_params


@dataclass(frozen=True)
class Group:
    """What some layers cost together: a row, a type, or the network."""

    name: str
    layers: int
    weights: int
    params: int
    macs: int
    bytes_moved: int


@dataclass(frozen=True)
class Count:
    """What an architecture costs, layer by layer."""

    name: str
    input: Shape
    layers: tuple[LayerCount, ...]

    @property
    def total(self) -> Group:
        return _group("total", self.layers)

    @property
    def params(self) -> int:
        return self.total.params

    @property
    def macs(self) -> int:
        return self.total.macs

    @property
    def weight_bytes(self) -> int:
        """Bytes of the parameters in float32."""
        return BYTES * self.params

    def by_row(self) -> list[Group]:
        """The cost of each row, in order."""
        return _groups(self.layers, lambda layer: layer.row)

    def by_type(self) -> list[Group]:
        """The cost of each type of layer that has weights, the most mult-adds first (MobileNets, Table 2)."""
        groups = _groups([layer for layer in self.layers if layer.weights or layer.macs], lambda layer: layer.type)
        return sorted(groups, key=lambda group: -group.macs)

    def _repr_markdown_(self) -> str:
        """For a notebook: a line a row that has weights, and their sum."""
        from leannet.notebook import markdown_table

        total = self.total
        lines = [
            (group.name, f"{group.params:,}", f"{group.macs:,}", f"{100 * group.macs / max(total.macs, 1):.1f} %")
            for group in [*self.by_row(), total]
            if group.params
        ]
        return markdown_table((f"{self.name}, {self.input}", "params", "mult-adds", "share"), lines)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "name": self.name,
            "input": list(self.input),
            "params": self.params,
            "macs": self.macs,
            "weight_bytes": self.weight_bytes,
            "bytes_moved": self.total.bytes_moved,
            "receptive_field": self.layers[-1].receptive_field,
            "convention": CONVENTION,
            "by_type": [asdict(group) for group in self.by_type()],
            "by_row": [asdict(group) for group in self.by_row()],
            "layers": [asdict(layer) | {"params": layer.params} for layer in self.layers],
        }


def count(architecture: Architecture) -> Count:
    """What the architecture costs, in the convention at the head of this file."""
    check_architecture(architecture)
    fields: dict[str, tuple[int, float]] = {INPUT: (1, 1.0)}  # path -> receptive field and step between neighbors
    before: dict[str, Node] = {}
    layers = []
    for node in architecture.layers:
        fields[node.path] = _receptive_field(node, fields)
        layers.append(_count_layer(node, fields[node.path][0], before.get(_through_scale(node, before))))
        before[node.path] = node
    return Count(architecture.name, architecture.input.shape, tuple(layers))


def _count_layer(node: Node, receptive_field: int, source: Node | None) -> LayerCount:
    layer, (x, *_), out = node.row, node.in_shapes, node.out_shape
    sizes = {"weight": 0, "bias": 0, "norm": 0, "statistics": 0}
    for parameter in parameters(node):
        sizes[parameter.kind] += parameter.size
    weights, biases, norm_params = sizes["weight"], sizes["bias"], sizes["norm"]
    own = node.shares is None
    reads = node.in_shapes[:1] if isinstance(layer, Resize) else node.in_shapes  # of the second only the size
    moved = sum(shape.elements for shape in reads) + out.elements + weights + biases + norm_params
    saving = None
    pointwise = isinstance(layer, Conv) and layer.sides == (1, 1) and layer.groups == 1
    if pointwise and source and isinstance(source.row, Depthwise):
        saving = 1 / out.channels + 1 / math.prod(source.row.sides)
    return LayerCount(
        path=node.path,
        row=node.top,
        type=_type(layer),
        stride=getattr(layer, "stride", 1),
        filter=_filter(layer, x),
        in_shape=x,
        out_shape=out,
        weights=weights if own else 0,
        biases=biases if own else 0,
        norm_params=norm_params if own else 0,
        macs=weights * uses(node),
        bytes_moved=BYTES * moved,
        receptive_field=receptive_field,
        saving=saving,
    )


def _type(layer: RowBase) -> str:
    match layer:
        case Conv():
            return f"conv {_by(layer, 'x')}" + (" grouped" if layer.groups > 1 else "")
        case TransposedConv():
            return f"transposed conv {layer.kernel}x{layer.kernel}"
        case Depthwise():
            return f"depthwise {_by(layer, 'x')}"
        case Linear():
            return "fully connected"
        case Pool():
            return f"{layer.op} pool"
        case GlobalPool():
            return "global average pool"
    return type(layer).__name__.lower()


def _filter(layer: RowBase, x: Shape) -> str:
    """The filter's shape as the papers print it: kernel x kernel x in x out."""
    match layer:
        case Conv():
            return f"{_by(layer)} x {x.channels // layer.groups} x {layer.out_channels}"
        case TransposedConv():
            return f"{layer.kernel} x {layer.kernel} x {x.channels} x {layer.out_channels}"
        case Depthwise():
            return f"{_by(layer)} x {x.channels} dw"
        case Linear():
            return f"{x.elements} x {layer.out_channels}"
        case Pool():
            return f"pool {layer.kernel} x {layer.kernel}"
        case GlobalPool():
            return f"pool {x.height} x {x.width}"
    return ""


def _by(layer: Conv | Depthwise, between: str = " x ") -> str:
    """Height and width of filters."""
    return between.join(map(str, layer.sides))


def _receptive_field(node: Node, fields: dict[str, tuple[int, float]]) -> tuple[int, float]:
    layer, (x, *_) = node.row, node.in_shapes
    sources = node.inputs[:1] if isinstance(layer, Multiply | Resize) else node.inputs
    size = max(fields[path][0] for path in sources)
    step = max(fields[path][1] for path in sources)
    match layer:
        case Conv() | Depthwise():
            return size + round((max(layer.sides) - 1) * step), step * layer.stride
        case TransposedConv():
            return size + round((-(-layer.kernel // layer.stride) - 1) * step), step / layer.stride
        case Pool():
            return size + round((layer.kernel - 1) * step), step * layer.stride
        case GlobalPool() | Linear() | Flatten():
            side = max(x.height, x.width)
            return size + round((side - 1) * step), step * side
        case Upsample():
            return size, step / layer.factor
        case Resize():
            return size, step * x.height / node.out_shape.height
    return size, step


def _through_scale(node: Node, before: dict[str, Node]) -> str:
    """The layer this one reads, behind a squeeze-and-excitation that only scales it."""
    source = node.inputs[0]
    while source in before and isinstance(before[source].row, Multiply):
        source = before[source].inputs[0]
    return source


def _groups(layers: Sequence[LayerCount], key: Callable[[LayerCount], str]) -> list[Group]:
    names = list(dict.fromkeys(key(layer) for layer in layers))
    return [_group(name, [layer for layer in layers if key(layer) == name]) for name in names]


def _group(name: str, layers: Sequence[LayerCount]) -> Group:
    return Group(
        name=name,
        layers=len(layers),
        weights=sum(layer.weights for layer in layers),
        params=sum(layer.params for layer in layers),
        macs=sum(layer.macs for layer in layers),
        bytes_moved=sum(layer.bytes_moved for layer in layers),
    )
