"""`fit`: what a network of 8-bit integers takes on a microcontroller, from its rows alone.

It is written as a LiteRT file without weights, and planned as TensorFlow Lite Micro plans it. So the figures are there
before anything is trained, and are those of the file that `quantize --engine litert --input int8` writes afterwards.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from leannet.microcontrollers.targets import Target
from leannet.rows import INPUT, Architecture
from leannet.rows.branches import shipped
from leannet.rows.rules import one_sided
from leannet.runtime.arena import kept_bytes, plan
from leannet.runtime.formats.tflite import written
from leannet.runtime.formats.tflite_padding import padded_inside, pads_apart
from leannet.runtime.lowered import Operations
from leannet.runtime.lowering import lower
from leannet.runtime.operations import BEFORE, Convolve
from leannet.runtime.quantize_kernels import quantize_kernels
from leannet.runtime.tflite_file import pack

# Operators that its kernels know, of those that are written here: tensorflow/lite/micro/kernels, October 2026.
KERNELS = frozenset({
    "ADD", "AVERAGE_POOL_2D", "CAST", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE", "FLOOR_DIV",
    "FLOOR_MOD", "FULLY_CONNECTED", "GATHER", "GREATER", "HARD_SWISH", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "PAD",
    "PADV2", "QUANTIZE", "REDUCE_MAX", "RELU", "RELU6", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SELECT_V2", "SLICE",
    "SOFTMAX", "SUB", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
})  # fmt: skip
# Those with a kernel for 8-bit integers in CMSIS-NN (tensorflow/lite/micro/kernels/cmsis_nn). Others are plain C++.
CMSIS_NN = frozenset({
    "ADD", "AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "MUL", "PAD", "PADV2",
    "SOFTMAX", "TRANSPOSE", "TRANSPOSE_CONV",
})  # fmt: skip
RANGE = 4.0  # to either side, of values that nothing was measured for; each layer has another, as if it was measured
APART = 1e-4


@dataclass(frozen=True)
class Fit:
    """What a network takes as 8-bit integers, input and outputs included. Sizes in bytes.

    flash: the file. activations: of the arena's values, by the plan of TensorFlow Lite Micro; live: the most of them
    that is needed at once, while `peak_layer` of row `peak_row` runs. kept: beside them, an estimate for processors of
    32 bits. operators: kind -> number. missing: kinds without a kernel there. plain: kinds without one in CMSIS-NN.
    float_layers: that have no integers. grown: layers whose filters are larger so that no operation pads before them;
    grown_macs: the mult-adds that this adds. apart: layers in front of which one pads. one_sided: activations where
    rows with a stride pad by TensorFlow's rule; None: none pads otherwise.
    """

    name: str
    flash: int
    activations: int
    live: int
    kept: int
    peak_row: str
    peak_layer: str
    operators: dict[str, int]
    missing: tuple[str, ...]
    plain: tuple[str, ...]
    float_layers: tuple[str, ...]
    grown: tuple[str, ...]
    grown_macs: int
    apart: tuple[str, ...]
    one_sided: int | None

    @property
    def sram(self) -> int:
        """The whole arena: activations and what is kept beside them."""
        return self.activations + self.kept

    def fits(self, target: Target) -> bool:
        """Whether both memories are large enough, and every operator has a kernel."""
        enough = target.sram is None or self.sram <= target.sram
        return enough and (target.flash is None or self.flash <= target.flash) and not self.missing

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        sizes = ("flash", "activations", "live", "kept", "one_sided")
        data = {f"{key}_bytes" if key in sizes else key: value for key, value in asdict(self).items()}
        return data | {"sram_bytes": self.sram}


def fit(architecture: Architecture) -> Fit:
    """What a network takes, as it is shipped: parallel branches folded.

    Raises LeannetError for a row that LiteRT has no operation for.
    """
    architecture = shipped(architecture)
    plain = _integers(architecture)
    operations = padded_inside(plain)
    graph = written(operations)
    planned = plan(graph)
    operators = Counter(operator.kind for operator in graph.operators)
    made = graph.operators[planned.peak - 1].outputs[0] if planned.peak else graph.input
    layer = graph.tensors[made].name.split(":")[0]
    grown = [
        (before, after)
        for before, after in zip(plain, operations, strict=True)
        if isinstance(before, Convolve) and isinstance(after, Convolve) and after.sides > before.sides
    ]
    on_one_side = architecture.rewrite(one_sided, inside=True)
    return Fit(
        name=architecture.name,
        flash=len(pack(graph.subgraph, *graph.bodies)),
        activations=planned.bytes,
        live=planned.live,
        kept=kept_bytes(graph),
        peak_row=_row_of(layer, architecture),
        peak_layer=layer,
        operators=dict(sorted(operators.items())),
        missing=tuple(sorted(operators.keys() - KERNELS)),
        plain=tuple(sorted((operators.keys() & KERNELS) - CMSIS_NN)),
        float_layers=tuple(dict.fromkeys(step.layer for step in operations if step.range is None)),
        grown=tuple(after.layer for _, after in grown),
        grown_macs=sum(_macs(after) - _macs(before) for before, after in grown),
        apart=tuple(step.layer for step in pads_apart(operations)),
        one_sided=None
        if on_one_side.rows == architecture.rows
        else plan(written(padded_inside(_integers(on_one_side)))).bytes,
    )


def _integers(architecture: Architecture) -> Operations:
    """The network as integers, without weights."""
    ranges = {INPUT: (-RANGE, RANGE)}
    for number, node in enumerate(architecture.layers, start=1):
        high = RANGE + APART * number
        ranges[node.path] = ranges[f"{node.path}{BEFORE}"] = -high, high
    return quantize_kernels(lower(architecture), ranges, outside=True)


def _row_of(layer: str, architecture: Architecture) -> str:
    tops = {node.path: node.top for node in architecture.layers}
    return tops.get(layer, layer)


def _macs(step: Convolve) -> int:
    _, *others = step.filters.weight.shape
    size = 1
    for each in (*step.shape, *others):
        size *= each
    return size
