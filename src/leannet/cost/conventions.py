"""What other tools print for the same network, and why it is not what leannet prints. No torch.

Each rule below gives the tool's own total to the integer; benchmarks/counters.py runs the tools and shows it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from leannet.cost.counting import CONVENTION, count
from leannet.rows import Architecture, GlobalPool, Pool


@dataclass(frozen=True)
class Elements:
    """How many values pass through the operations that mult-adds leave out, for one image."""

    norm: int  # out of normalization
    relu: int
    relu6: int
    bias: int  # with a bias added
    pool_in: int
    global_pool_in: int
    global_pool_out: int
    norm_channels: int

    @classmethod
    def of(cls, architecture: Architecture) -> "Elements":
        """Counted over every layer."""
        total = dict.fromkeys(cls.__dataclass_fields__, 0)
        for node in architecture.layers:
            layer, inputs, outputs = node.row, node.in_shapes[0].elements, node.out_shape.elements
            activation = getattr(layer, "activation", "linear")
            if getattr(layer, "norm", None) is not None:
                total["norm"] += outputs
                total["norm_channels"] += node.out_shape.channels if node.shares is None else 0
            if activation in {"relu", "relu6"}:
                total[activation] += outputs
            total["bias"] += outputs if getattr(layer, "bias", False) else 0
            total["pool_in"] += inputs if isinstance(layer, Pool) else 0
            if isinstance(layer, GlobalPool):
                total["global_pool_in"] += inputs
                total["global_pool_out"] += outputs
        return cls(**total)


@dataclass(frozen=True)
class Convention:
    """A tool's way of counting: operations from (mult-adds, elements), parameters from (params, elements)."""

    name: str
    why: str
    operations: Callable[[int, Elements], int]
    params: Callable[[int, Elements], int]


def _plain(params: int, elements: Elements) -> int:
    return params


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention("leannet", CONVENTION, lambda macs, e: macs, _plain),
        Convention(
            "torch",
            "torch's FlopCounterMode: a multiply and an add are two; nothing but convolutions and matrices",
            lambda macs, e: 2 * macs,
            _plain,
        ),
        Convention(
            "thop",
            "thop 0.1: 4 for each normalized value, and what global pooling reads and writes",
            lambda macs, e: macs + 4 * e.norm + e.global_pool_in + e.global_pool_out,
            _plain,
        ),
        Convention(
            "ptflops",
            "ptflops 0.7, its module backend: 2 for each normalized value, biases, 1 for a ReLU6; ReLU and what "
            "pooling reads twice, as a module and as a function; h-swish and h-sigmoid not at all",
            lambda macs, e: macs + 2 * e.norm + e.bias + 2 * e.relu + e.relu6 + 2 * (e.pool_in + e.global_pool_in),
            _plain,
        ),
        Convention(
            "ptflops-aten",
            "ptflops 0.7, its aten backend: biases too",
            lambda macs, e: macs + e.bias,
            _plain,
        ),
        Convention(
            "fvcore",
            "fvcore 0.1: 2 for each normalized value, and what global pooling reads",
            lambda macs, e: macs + 2 * e.norm + e.global_pool_in,
            _plain,
        ),
        Convention(
            "keras",
            'Keras\' "Total params": running mean and variance too, which training does not change; no operations',
            lambda macs, e: macs,
            lambda params, e: params + 2 * e.norm_channels,
        ),
    )
}


def as_counted_by(architecture: Architecture, convention: Convention) -> tuple[int, int]:
    """(parameters, operations) as that tool would print them."""
    cost, elements = count(architecture), Elements.of(architecture)
    return convention.params(cost.params, elements), convention.operations(cost.macs, elements)
