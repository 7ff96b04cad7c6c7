"""LiteRT's integers: against integer arithmetic by hand, and against float."""

import numpy as np
import pytest
import tflite

from leannet.quantization.calibration import Calibration
from leannet.rows import Activate, Add, Architecture, Concat, Conv, Depthwise, GlobalPool, Input, Linear, Pool, Row
from leannet.runtime import ENGINES, Program
from leannet.runtime.folding import Array
from leannet.runtime.integers import quantize_filters, tied_ranges
from leannet.runtime.lowering import lower
from leannet.runtime.operations import Range
from leannet.zoo import architecture
from tests.conftest import answering
from tests.runtime.integer_graphs import tflite_integers
from tests.runtime.test_int8_graph import DEBUG, FORMS, Case


def outputs(case: Case, x: Array | None = None, **words: object) -> Array:
    file = tflite_integers(case.rows, case.weights, case.calibration.ranges(), **words)
    program = Program.of_forms(case.rows, {"tflite": (file,)})
    return ENGINES["litert"].prepare(program, 1)(case.x if x is None else x)[0]


def kinds(file: bytes) -> dict[str, int]:
    """How many values are of each kind, constants included."""
    graph = tflite.Model.GetRootAs(file, 0).Subgraphs(0)
    names = {number: name for name, number in vars(tflite.TensorType).items() if name.isupper()}
    types = [names[graph.Tensors(index).Type()] for index in range(graph.TensorsLength())]
    return {name: types.count(name) for name in set(types)}


def test_zero_points_that_channels_share_are_written_once() -> None:
    """8 bytes a channel, twice: a tenth to a fifth of the file of a small network. Every reader asks for as many of
    them as there are scales."""
    case = Case(answering(architecture("mobilenet_v2_debug")))
    file = tflite_integers(case.rows, case.weights, case.calibration.ranges())
    graph = tflite.Model.GetRootAs(file, 0).Subgraphs(0)
    places: dict[int, set[int]] = {}
    for index in range(graph.TensorsLength()):
        quantization = graph.Tensors(index).Quantization()
        if quantization is not None and quantization.ScaleLength() > 1:
            assert quantization.ZeroPointLength() == quantization.ScaleLength()
            assert not np.any(quantization.ZeroPointAsNumpy())
            table = quantization._tab
            places.setdefault(quantization.ScaleLength(), set()).add(table.Vector(table.Offset(10)))
    assert len(places) > 2
    assert all(len(each) == 1 for each in places.values())


@pytest.mark.parametrize("name", DEBUG)
def test_every_family_is_near_its_float_original(name: str) -> None:
    """As tests/runtime/test_int8_graph.py asks of the other engines; one image or sixteen at once."""
    case = Case(answering(architecture(name)))
    corrections = case.calibration.bias_corrections()
    together = outputs(case, bias_corrections=corrections)
    assert case.decibels(together) > 20
    alone = np.concatenate([outputs(case, case.x[i : i + 1], bias_corrections=corrections) for i in range(2)])
    np.testing.assert_array_equal(alone, together[:2])


def test_a_convolution_is_the_integer_one() -> None:
    """Of what leaves the network: sums of whole numbers, rounded once."""
    rows = Architecture(
        name="x", input=Input(height=6, width=5), rows=(Conv(name="a", out_channels=7, bias=True, activation="relu6"),)
    )
    case = Case(rows)
    file = tflite_integers(rows, case.weights, case.calibration.ranges())
    output_values = ENGINES["litert"].prepare(Program.of_forms(rows, {"tflite": (file,)}), 1)(case.x)[0]
    tied = tied_ranges(lower(rows), case.calibration.ranges())
    input_range, output_range = tied["input"], tied["a"]
    assert output_range.zero_point == 0  # ReLU6 ends where bytes end
    x = (
        np.clip(np.rint(case.x / input_range.scale) + input_range.zero_point, 0, 255).astype(np.int64)
        - input_range.zero_point
    )
    whole, scale = quantize_filters(case.weights["a.conv.weight"])
    steps = scale.astype(np.float64) * input_range.scale
    bias = np.rint(case.weights["a.conv.bias"] / steps).astype(np.int64)
    sums = np.einsum("nchw,oc->nohw", x, whole[:, :, 0, 0].astype(np.int64)) + bias[:, None, None]
    by_hand = np.clip(sums * steps[:, None, None] / output_range.scale, 0, 255)
    assert np.abs(output_values / output_range.scale - by_hand).max() <= 0.5 + 1e-3


def test_activations_are_those_of_floats() -> None:
    """Each alone, on all that 8 bits hold: within one step of what it makes."""
    for kind in ("relu", "relu6", "h_swish", "h_sigmoid", "sigmoid", "tanh", "swish"):
        rows = Architecture(name="x", input=Input(height=16, width=16, channels=1), rows=(
            Activate(name="a", activation=kind),
        ))  # fmt: skip
        case = Case(rows)
        range_ = Range.of(-6, 6)
        x = ((np.arange(256) - range_.zero_point) * range_.scale).astype(np.float32).reshape(1, 1, 16, 16)
        exact = ENGINES["onnxruntime"].prepare(Program(rows, {}), 1)(x)[0]
        ranges = {"input": (-6.0, 6.0), "a": (float(exact.min()), float(exact.max()))}
        file = tflite_integers(rows, case.weights, ranges)
        outputs_of_tflite = ENGINES["litert"].prepare(Program.of_forms(rows, {"tflite": (file,)}), 1)(x)[0]
        step = max(float(np.ptp(exact)), 1.0 if kind != "tanh" else 2.0) / 255
        assert np.abs(outputs_of_tflite - exact).max() < 1.1 * step, kind


def test_layers_that_stay_in_float_are_exact() -> None:
    for name in ("mobilenet_v3_debug", "shufflenet_v2_debug"):
        case = Case(architecture(name))
        everything = frozenset(node.path for node in case.rows.layers)
        file = tflite_integers(case.rows, case.weights, case.calibration.ranges(), float_layers=everything)
        assert "INT8" not in kinds(file)
        exact = ENGINES["litert"].prepare(Program(case.rows, case.weights), 1)(case.x)[0]
        np.testing.assert_array_equal(outputs(case, float_layers=everything), exact)


def test_integers_and_floats_meet() -> None:
    """Layers in float between integers, joined with them, and three that are added, whose sum on the way is unknown."""
    rows = Architecture(
        name="x",
        input=Input(height=8, width=8),
        rows=(
            Conv(name="a", out_channels=4, kernel=3, activation="h_swish"),
            Conv(name="b", out_channels=4, inputs=("input",)),
            Concat(name="both", inputs=("a", "b")),
            Conv(name="c", out_channels=4, activation="relu"),
            Conv(name="d", out_channels=4, inputs=("both",)),
            Conv(name="e", out_channels=4, inputs=("both",)),
            Add(name="sum", inputs=("c", "d", "e"), activation="relu"),
            Pool(name="pool", op="max", kernel=3, stride=2, padding=1),
            GlobalPool(name="mean"),
            Linear(name="f", out_channels=3),
        ),
    )
    case = Case(rows)
    plain = tflite_integers(rows, case.weights, case.calibration.ranges())
    some = tflite_integers(rows, case.weights, case.calibration.ranges(), float_layers={"b", "f"})
    assert kinds(some)["INT8"] < kinds(plain)["INT8"]
    assert case.decibels(outputs(case)) > 30
    assert case.decibels(outputs(case, float_layers=frozenset({"b", "f"}))) > 30


@pytest.mark.parametrize(("style", "engine"), [*FORMS, ("", "litert")])
def test_filters_that_are_all_but_zero_keep_their_bias(style: str, engine: str) -> None:
    """Their steps would be so small that a bias does not fit into 32 bits of them."""
    rows = Architecture(
        name="x",
        input=Input(height=8, width=8),
        rows=(
            Conv(name="a", out_channels=4, bias=True, activation="relu"),
            Conv(name="dead", out_channels=4, bias=True, activation="relu"),
            Conv(name="b", out_channels=3, bias=True),
        ),
    )
    case = Case(rows)
    case.weights["a.conv.weight"][0] *= 1e-7
    case.weights["a.conv.bias"][0] = 3.0
    case.weights["dead.conv.bias"][:] = -100.0  # never fires
    case.calibration = Calibration(rows, case.weights, [case.x])
    case.float_outputs = ENGINES["onnxruntime"].prepare(Program(rows, case.weights), 1)(case.x)[0]
    result = outputs(case) if engine == "litert" else case.outputs(style, engine)
    np.testing.assert_allclose(result, case.float_outputs, atol=0.02 * float(np.abs(case.float_outputs).max()))
    alive = Architecture(name="x", input=rows.input, rows=(rows.rows[0],))
    case = Case(alive)
    case.weights["a.conv.weight"][0] *= 1e-7
    case.weights["a.conv.bias"][0] = 3.0
    case.calibration = Calibration(alive, case.weights, [case.x])
    case.float_outputs = ENGINES["onnxruntime"].prepare(Program(alive, case.weights), 1)(case.x)[0]
    result = outputs(case) if engine == "litert" else case.outputs(style, engine)
    assert case.decibels(result) > 30
    assert np.abs(result[:, 0] - 3).max() < 0.05


def test_sums_of_three_stay_in_float() -> None:
    """The range before an activation is that of the whole sum. By the draw of the weights it is 28 to 34 dB."""
    rows = Architecture(
        name="x",
        input=Input(height=12, width=12),
        rows=(*(Conv(name=name, out_channels=6, inputs=("input",)) for name in "abc"),
              Add(name="sum", inputs=("a", "b", "c"), activation="h_swish"), Conv(name="last", out_channels=4)),
    )  # fmt: skip
    case = Case(rows)
    assert case.decibels(outputs(case)) > 27
    for style, engine in FORMS:
        assert case.decibels(case.outputs(style, engine)) > 27, (style, engine)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "share"),
    [(3, 1, "same", 9 / 4), (3, 2, 1, 9 / 4), (5, 3, 2, 25 / 9), (2, 2, 0, 1), (3, 2, "same", 9 / 4)],
)
def test_means_of_windows_are_rounded_twice_at_most(kernel: int, stride: int, padding: int | str, share: float) -> None:
    """Half a step with the zeros counted, which then grows by their share, and half a step of the mean itself."""
    rows = Architecture(name="x", input=Input(height=13, width=12), rows=(
        Pool(name="a", op="average", kernel=kernel, stride=stride, padding=padding),
    ))  # fmt: skip
    case = Case(rows)
    file = tflite_integers(rows, {}, case.calibration.ranges())
    means = ENGINES["litert"].prepare(Program.of_forms(rows, {"tflite": (file,)}), 1)(case.x)[0]
    tied = tied_ranges(lower(rows), case.calibration.ranges())
    inputs = tied["input"].fake_quantize(case.x).astype(np.float32)
    exact = ENGINES["onnxruntime"].prepare(Program(rows, {}), 1)(inputs)[0]
    least, most = case.calibration.ranges()["a"]
    steps = np.abs(means - np.clip(exact, least, most)) / tied["a"].scale
    assert steps.max() <= 0.5 + (0.5 * share if share > 1 else 0) + 1e-3
    assert steps[:, :, 2, 2].max() <= (1 if share > 1 else 0.5) + 1e-3  # a window that is all image
    for style, engine in FORMS:
        assert case.decibels(case.outputs(style, engine)) > 30, (style, engine)


def test_h_swish_behind_filters_is_a_sum_and_a_product() -> None:
    """And h-sigmoid a sum: their factors are those of the filters. Of rows of their own they are one product more."""
    assert _operations(Conv(name="a", out_channels=4, activation="h_swish")) == ["CONV_2D", "ADD", "MUL"]
    assert _operations(Conv(name="a", out_channels=4, activation="h_sigmoid")) == ["CONV_2D", "ADD"]
    assert _operations(Activate(name="a", activation="h_swish")) == ["MUL", "ADD", "MUL"]


def test_what_has_no_fast_integers_is_not_used() -> None:
    """ReLU is where bytes end, and a mean of windows a depthwise convolution."""
    for activation in ("relu", "relu6"):
        assert _operations(Activate(name="a", activation=activation)) == ["QUANTIZE"]
    assert _operations(Pool(name="a", op="average", kernel=2, stride=2)) == ["DEPTHWISE_CONV_2D"]


def test_wide_depthwise_filters_stay_in_float() -> None:
    assert "INT8" not in kinds(_alone(Depthwise(name="a", kernel=7)))
    assert kinds(_alone(Depthwise(name="a", kernel=5)))["INT8"] == 3  # what is read, weights, what is made


def _alone(row: Row) -> bytes:
    rows = Architecture(name="x", input=Input(height=8, width=8), rows=(row,))
    case = Case(rows)
    return tflite_integers(rows, case.weights, case.calibration.ranges())


def _operations(row: Row) -> list[str]:
    """Between the input's bytes and the outputs' floats, except for what only gives another shape."""
    model = tflite.Model.GetRootAs(_alone(row), 0)
    graph = model.Subgraphs(0)
    names = {number: name for name, number in vars(tflite.BuiltinOperator).items() if name.isupper()}
    codes = [model.OperatorCodes(graph.Operators(i).OpcodeIndex()) for i in range(graph.OperatorsLength())]
    operators = [names[code.BuiltinCode()] for code in codes]
    assert operators[0] == "QUANTIZE"
    return [name for name in operators[1:] if name not in ("DEQUANTIZE", "RESHAPE")]


def test_versions_are_those_that_know_the_operation() -> None:
    """tensorflow/lite/tools/versioning/op_version.cc: transpositions of five dimensions, products that stretch."""
    case = Case(architecture("shufflenet_v2_debug"))
    file = tflite_integers(case.rows, case.weights, case.calibration.ranges())
    model = tflite.Model.GetRootAs(file, 0)
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    versions = {code.BuiltinCode(): code.Version() for code in codes}
    assert versions[tflite.BuiltinOperator.TRANSPOSE] == 4
    assert versions[tflite.BuiltinOperator.CONV_2D] == 3
