"""Every kind of layer in every format, in float and in integers, from the list of kinds: a new one is in it by itself.

Each stands between a convolution and a slice that copies all that it makes, so that its own integers leave the network.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from leannet.errors import LeannetError
from leannet.network import build
from leannet.quantization.calibration import Calibration
from leannet.rows import LABELS, Architecture, Conv, Decide, GlobalPool, Input, Linear, Norm, RowBase, Slice, TopBoxes
from leannet.rows.layers import LAYERS, LayerBase
from leannet.runtime import ENGINES, Program, numpy_weights, reference
from leannet.runtime.finding import found_parts
from leannet.runtime.integers import Ranges
from leannet.runtime.lowered import Operations
from leannet.runtime.lowering import lower
from leannet.runtime.processor import weight_bits
from leannet.runtime.programs import STYLES, quantized_program
from leannet.runtime.quantize_kernels import quantize_kernels
from leannet.runtime.quantize_pairs import quantize_pairs
from tests.conftest import lively

BITS = weight_bits()  # more would overflow where the tests run
REQUIRED = {
    "out_channels": 4,
    "groups": 2,
    "kernel": 2,
    "stride": 1,
    "rate": 0.2,
    "strides": (4,),
}  # of fields without a default, by name
CHANGED = {
    "kernel": 3, "kernel_width": 5, "stride": 2, "size": 3, "start": 1, "factor": 3, "groups": 4, "bias": True,
    "padding": "same", "average": True, "ceil": True, "norm": Norm(eps=1e-3), "alpha": 0.5, "beta": 0.5, "k": 2.0,
    "rate": 0.5, "out_channels": 3, "threshold": 0.25, "strides": (4, 8), "most": 7,
}  # fmt: skip
CHANGED_OF = {"transposed_conv": {"kernel": 2, "stride": 4}}  # where the kernel follows from the stride
INPUTS = (("before",), ("before", "beside"), ("before", "gate"), ("before", "beside", "before"), ("small", "before"))
# For kinds that none of these fit.
VECTORS = (
    ("gate",), ("score",), ("before", "beside", "decision"), ("before", "sides"),
    ("before", "sides", "small", "small_sides"),
)  # fmt: skip
FORMATS = ("onnxruntime", "openvino", "ncnn", "litert")


def rows_of(layer: type[LayerBase]) -> Iterator[LayerBase]:
    """A kind with every value of the fields that have few, and others than the defaults of those that have many."""
    fields = {name: field for name, field in layer.model_fields.items() if name not in {*LABELS, "kind"}}
    plain: dict[str, Any] = {}
    for name, field in fields.items():
        if field.is_required():
            few = get_origin(field.annotation) is Literal
            plain[name] = get_args(field.annotation)[0] if few else REQUIRED[name]
    yield layer(name="x", **plain)
    for name, field in fields.items():
        few = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        changed = CHANGED | CHANGED_OF.get(layer.model_fields["kind"].default, {})
        for value in few or [changed[name]]:
            if value != plain.get(name, field.default):
                yield layer(name="x", **plain | {name: value})


def tables(layer: type[LayerBase]) -> Iterator[Architecture]:
    """Networks with each of these rows, reading one value or several."""
    for row in rows_of(layer):
        found = False
        for inputs in (*INPUTS, *VECTORS):
            if found and inputs in VECTORS:
                break
            around: list[RowBase] = [
                Conv(name="before", out_channels=8, kernel=3, bias=True, activation="relu"),
                Conv(name="beside", inputs=("before",), out_channels=8, kernel=3, bias=True),
                GlobalPool(name="gate", inputs=("before",)),
                Conv(name="small", inputs=("before",), out_channels=8, kernel=3, stride=2, padding="valid"),
                Linear(name="score", inputs=("before",), out_channels=1, activation="sigmoid"),
                Decide(name="decision", inputs=("score",)),
                Conv(name="sides", inputs=("before",), out_channels=4, activation="relu"),
                Conv(name="small_sides", inputs=("small",), out_channels=4, activation="relu"),
                row.model_copy(update={"inputs": inputs}),
            ]
            try:
                read = {*inputs, "before", *(("score",) if "decision" in inputs else ())}
                rows = [each for each in around if each.name in read or each.name == "x"]
                table = Architecture(name="kinds", input=Input(height=12, width=9), rows=tuple(rows))
            except (LeannetError, ValidationError):
                continue
            found = True
            copied = Slice(name="all", inputs=("x",), out_channels=table.shapes["x"].channels)
            yield Architecture(name="kinds", input=table.input, rows=(*rows, copied))
        assert found, f"no inputs fit {row}"


CASES = [(layer.model_fields["kind"].default, number) for layer in LAYERS for number, _ in enumerate(tables(layer))]
OF_KIND = {layer.model_fields["kind"].default: layer for layer in LAYERS}


class Case:
    """A network of a kind of layer, images, and what torch makes of them."""

    def __init__(self, kind: str, number: int):
        torch.manual_seed(0)
        self.table = list(tables(OF_KIND[kind]))[number]
        network = lively(build(self.table))
        self.weights = numpy_weights(network.state_dict())
        x = torch.randn(3, *self.table.input.shape)
        with torch.inference_mode():
            answers = network(x).numpy()
        finds = isinstance(self.table.row(self.table.output_names[0]), TopBoxes)
        self.answers = whole(found_parts(answers) if finds else [answers])
        self.x = x.numpy()
        self.ranges: Ranges = Calibration(self.table, self.weights, [self.x]).ranges()

    def integers(self, engine: str) -> Operations:
        operations = lower(self.table, self.weights)
        if engine == "litert":
            return quantize_kernels(operations, self.ranges, bits=BITS)
        return quantize_pairs(operations, self.ranges, STYLES[engine], bits=BITS)


def whole(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """(N, values) of all outputs."""
    return np.concatenate([each.reshape(len(each), -1) for each in outputs], axis=1)


case = cache(Case)


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_the_reference_is_torch(kind: str, number: int) -> None:
    one = case(kind, number)
    made = whole(reference.outputs(lower(one.table, one.weights), one.x))
    np.testing.assert_allclose(made, one.answers, atol=1e-5 * np.abs(one.answers).max(), rtol=1e-5)


@pytest.mark.parametrize("engine", FORMATS)
@pytest.mark.parametrize(("kind", "number"), CASES)
def test_floats(kind: str, number: int, engine: str) -> None:
    one = case(kind, number)
    made = whole(ENGINES[engine].prepare(Program(one.table, one.weights), 1)(one.x))
    assert np.abs(made - one.answers).max() <= 1e-4 * np.abs(one.answers).max()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "litert"])
@pytest.mark.parametrize(("kind", "number"), CASES)
def test_integers(kind: str, number: int, engine: str) -> None:
    """To one step of what the layer makes, and one of what it rounds on the way."""
    one = case(kind, number)
    operations = one.integers(engine)
    expected = whole(reference.outputs(operations, one.x))
    program = quantized_program(one.table, one.weights, one.ranges, engine, bits=BITS)
    made = whole(ENGINES[engine].prepare(program, 1)(one.x))
    steps = {step.range.scale for step in operations if step.layer == "all" and step.range is not None}
    assert len(steps) == 1 or kind in {"decide", "top_boxes"}  # which stay in float
    noise = np.square(expected - one.answers).mean() / (np.square(one.answers).mean() or 1)
    # 20 dB: the passes are right too, and not only spelled as they say. Rounding turns the order of boxes.
    assert noise < 0.01 or kind == "top_boxes"
    on_the_way = [step.range.scale for step in operations if step.name == "x:rounded" and step.range is not None]
    in_float = 0.0 if steps else 1e-6 * np.abs(expected).max()
    assert np.abs(made - expected).max() <= 1.01 * sum(steps) + 1.1 * sum(on_the_way) + in_float
