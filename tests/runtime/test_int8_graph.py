"""Networks of 8-bit integers: against integer arithmetic by hand, against float, and in engines that share no code."""

import numpy as np
import onnx
import onnx.reference
import pytest
import torch

from leannet.network import build
from leannet.quantization.calibration import Calibration
from leannet.rows import Activate, Architecture, Concat, Conv, GlobalPool, Input, Linear
from leannet.runtime import ENGINES, Program, numpy_weights
from leannet.runtime.folding import Array
from leannet.runtime.formats.onnx import to_onnx
from leannet.runtime.integers import quantize_filters, tied_ranges
from leannet.runtime.lowering import lower
from leannet.runtime.operations import Range
from leannet.runtime.precisions import program
from leannet.runtime.processor import weight_bits
from leannet.zoo import FAMILIES, architecture
from tests.conftest import answering, lively
from tests.runtime.integer_graphs import copying, onnx_integers

DEBUG = sorted(name for name in FAMILIES if name.endswith("_debug"))
BITS = weight_bits()  # more would overflow where the tests run
FORMS = [("lut", "onnxruntime"), ("fused", "onnxruntime"), ("fused", "openvino")]


class Case:
    """A lively network, random images, and what calibration finds on them."""

    def __init__(self, rows: Architecture, batch: int = 16):
        network = lively(build(rows))
        self.rows, self.weights = rows, numpy_weights(network.state_dict())
        self.x = torch.randn(batch, *rows.input.shape).numpy()
        self.calibration = Calibration(rows, self.weights, [self.x])
        self.float_outputs = ENGINES["onnxruntime"].prepare(Program(rows, self.weights), 1)(self.x)[0]

    def outputs(self, style: str, engine: str, **words: object) -> Array:
        ranges = self.calibration.ranges()
        model = onnx_integers(self.rows, self.weights, ranges, style, **({"bits": BITS} | words))
        program = Program.of_file(self.rows, model.SerializeToString())
        return ENGINES[engine].prepare(program, 1)(self.x)[0]

    def decibels(self, outputs: Array) -> float:
        return float(
            10 * np.log10(np.square(self.float_outputs).mean() / np.square(outputs - self.float_outputs).mean())
        )


@pytest.mark.parametrize("name", DEBUG)
def test_every_family_is_near_its_float_original(name: str) -> None:
    """20 dB: an error of a tenth of the outputs' size. Random weights have no other structure to rely on."""
    case = Case(answering(architecture(name)))
    corrections = case.calibration.bias_corrections(BITS)
    for style, engine in FORMS:
        assert case.decibels(case.outputs(style, engine, bias_corrections=corrections)) > 20, style


def test_a_convolution_is_the_integer_one() -> None:
    """Every byte that ONNX Runtime makes is that of sums of whole numbers, worked out here, but for a last rounding."""
    rows = Architecture(
        name="x",
        input=Input(height=6, width=5),
        rows=(
            Conv(name="a", out_channels=7, bias=True, activation="relu6"),
            Conv(name="b", out_channels=2, bias=True),
        ),
    )
    case = Case(rows)
    ranges = case.calibration.ranges()
    model = onnx_integers(rows, case.weights, ranges, bits=BITS)
    model.graph.output.append(onnx.helper.make_tensor_value_info("a:bytes", onnx.TensorProto.UINT8, None))
    import onnxruntime

    _, outputs = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": case.x})
    input_range, output_range = (tied_ranges(lower(rows), ranges)[name] for name in ("input", "a"))
    assert output_range.zero_point == 0  # ReLU6 ends where bytes end
    x = (
        np.clip(np.rint(case.x / input_range.scale) + input_range.zero_point, 0, 255).astype(np.int64)
        - input_range.zero_point
    )
    whole, scale = quantize_filters(case.weights["a.conv.weight"], BITS)
    bias = np.rint(case.weights["a.conv.bias"] / (scale.astype(np.float64) * input_range.scale)).astype(np.int64)
    sums = np.einsum("nchw,oc->nohw", x, whole[:, :, 0, 0].astype(np.int64)) + bias[:, None, None]
    by_hand = sums * (scale.astype(np.float64) * input_range.scale)[:, None, None] / output_range.scale
    assert np.abs(outputs - np.clip(by_hand, 0, 255)).max() <= 0.5 + 1e-3


def test_layers_that_stay_in_float_are_exact() -> None:
    for name in ("mobilenet_v3_debug", "shufflenet_v2_debug"):
        case = Case(architecture(name))
        everything = frozenset(node.path for node in case.rows.layers)
        model = onnx_integers(case.rows, case.weights, case.calibration.ranges(), float_layers=everything)
        kinds = [node.op_type for node in model.graph.node]
        assert kinds.count("QuantizeLinear") == 0  # not the input either, which no integers read
        exact = to_onnx(case.rows, case.weights)
        assert kinds.count("Conv") == sum(node.op_type == "Conv" for node in exact.graph.node)
        np.testing.assert_array_equal(case.outputs("lut", "onnxruntime", float_layers=everything), case.float_outputs)


def test_what_is_joined_with_integers_is_rounded_before_and_moved_as_bytes() -> None:
    """A concatenation of which one part stays in float."""
    rows = Architecture(
        name="x",
        input=Input(height=8, width=8),
        rows=(
            Conv(name="a", out_channels=3, activation="relu"),
            Conv(name="b", out_channels=5, inputs=("input",)),
            Concat(name="both", inputs=("a", "b")),
            Conv(name="c", out_channels=2),
        ),
    )
    case = Case(rows)
    for style, engine in FORMS:
        if (style, engine) != ("fused", "onnxruntime"):  # which would round b's filters as well, see the test below
            assert case.decibels(case.outputs(style, engine, float_layers=frozenset({"b"}))) > 30, style
        assert case.decibels(case.outputs(style, engine)) > 30, style  # a's ReLU is not lost to the range it shares
    model = onnx_integers(rows, case.weights, case.calibration.ranges(), float_layers={"b"})
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    making = {node.output[0]: node.op_type for node in model.graph.node}
    assert [making[name] for name in concat.input] == ["QuantizeLinear"] * 2


def test_a_layer_in_float_between_integers_stays_so_in_the_runtime() -> None:
    """Against ONNX's own reference. ONNX Runtime would round its filters, all with one scale: one of them is large."""
    rows = Architecture(
        name="x",
        input=Input(height=8, width=8),
        rows=(
            Conv(name="a", out_channels=8, bias=True),
            Conv(name="b", out_channels=8, bias=True),
            GlobalPool(name="pool"),
            Linear(name="c", out_channels=8),
            Linear(name="d", out_channels=4),
        ),
    )
    case = Case(rows)
    for name in ("b.conv.weight", "c.linear.weight"):
        case.weights[name][0] *= 1000
    ranges = Calibration(rows, case.weights, [case.x]).ranges()
    for value in ("b", "c"):
        ranges[value] = -4.0, 4.0  # the large one is cut off, and the others are seen
    model = onnx_integers(rows, case.weights, ranges, float_layers={"b", "c"}, bits=BITS)
    outputs = ENGINES["onnxruntime"].prepare(Program.of_file(rows, model.SerializeToString()), 1)(case.x)[0]
    model.opset_import[0].version = 20  # the nodes mean the same, and onnx's reference begins to know them at 19
    reference = onnx.reference.ReferenceEvaluator(model).run(None, {"input": case.x})[0].reshape(outputs.shape)
    np.testing.assert_allclose(outputs, reference, atol=2e-2)


@pytest.mark.parametrize("name", DEBUG)
def test_no_family_lets_the_runtime_round_what_is_in_float(name: str) -> None:
    """Every other layer in float: what ONNX Runtime's optimizer would round, it finds nowhere."""
    case = Case(architecture(name))
    layers = [node.path for node in case.rows.layers if node.path not in copying(case.rows)]
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for floats in (layers[::2], layers[1::2]):
        ranges = case.calibration.ranges()
        graph = onnx_integers(case.rows, case.weights, ranges, float_layers=floats, bits=BITS).SerializeToString()
        outputs, reference = (
            onnxruntime.InferenceSession(graph, options, disabled_optimizers=without).run(None, {"input": case.x})[0]
            for without in ([], ["WeightBiasQuantization"])
        )
        np.testing.assert_array_equal(outputs, reference)


def test_an_activation_of_its_own_stays_in_float() -> None:
    """Nothing is measured before one that stands alone."""
    for kind in ("h_swish", "swish", "sigmoid", "relu6"):
        rows = Architecture(
            name="x",
            input=Input(height=8, width=8),
            rows=(
                Conv(name="a", out_channels=6),
                Activate(name="alone", activation=kind),  # type: ignore[arg-type]  # one of its words
                Conv(name="b", out_channels=3),
            ),
        )
        case = Case(rows)
        for floats in (frozenset[str](), frozenset({"a"}), frozenset({"a", "b"})):
            for style, engine in FORMS:
                assert case.decibels(case.outputs(style, engine, float_layers=floats)) > 25, (kind, floats, style)


def test_shuffles_slices_and_concatenations_move_bytes() -> None:
    """ShuffleNet's values are rounded where they are made and nowhere else."""
    case = Case(architecture("shufflenet_v2_debug"))
    ranges = case.calibration.ranges()
    model, tied = onnx_integers(case.rows, case.weights, ranges), tied_ranges(lower(case.rows), ranges)
    rounded = {node.name for node in model.graph.node if node.op_type == "QuantizeLinear"}
    copies = copying(case.rows)
    making = {step.layer for step in lower(case.rows)} - copies
    assert len(rounded) == len(making)  # the input is one more, the output one less
    assert len(copies) > 3
    for node in case.rows.layers:
        if node.path in copies:
            assert f"{node.path}:bytes" not in rounded
            assert {tied[node.path]} == {tied[source] for source in node.inputs}


@pytest.mark.parametrize("name", ["squeezenet_1_1", "shufflenet_v2", "mobilenet_v2"])
def test_ranges_that_nothing_was_measured_for_cut_too(name: str) -> None:
    """What copies has the range of what it copies, so that ReLU is where integers end and is timed as it is shipped."""
    graph = onnx.load_from_string(program(architecture(name, classes=3), "int8").onnx).graph
    assert not {"Relu", "Clip"} & {node.op_type for node in graph.node}


@pytest.mark.parametrize("kind", ["h_swish", "h_sigmoid", "swish", "sigmoid"])
def test_tables_hold_the_activation(kind: str) -> None:
    """One value for each of 256, as near as bytes allow: half a step, and as much again of its own input's step."""
    rows = Architecture(
        name="x",
        input=Input(channels=1, height=16, width=16),
        rows=(Conv(name="a", out_channels=1, bias=True, activation=kind), Conv(name="b", out_channels=1, bias=True)),  # type: ignore[arg-type]
    )
    weights = {"a.conv.weight": np.ones((1, 1, 1, 1), np.float32), "a.conv.bias": np.zeros(1, np.float32)}
    weights |= {"b.conv.weight": weights["a.conv.weight"], "b.conv.bias": weights["a.conv.bias"]}
    x = np.linspace(-5, 5, 256, dtype=np.float32).reshape(1, 1, 16, 16)
    exact = to_onnx(rows, weights)
    ranges = {"input": (-5, 5), "a": (-0.4, 5), "b": (-0.4, 5), "a:before": (-5, 5)}
    quantized = onnx_integers(rows, weights, ranges)
    import onnxruntime

    by_float, by_table = (
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"input": x})[0] for m in (exact, quantized)
    )
    step = 10 / 255
    assert np.abs(by_table - by_float).max() < 2 * step


def test_bytes_hold_zero_exactly() -> None:
    for low, high in ((-1.0, 3.0), (0.0, 6.0), (0.5, 2.0), (-4.0, -1.0)):
        range_ = Range.of(low, high)
        assert range_.fake_quantize(np.zeros(1))[0] == 0
        x = np.linspace(min(low, 0), max(high, 0), 1000)
        assert np.abs(range_.fake_quantize(x) - x).max() <= range_.scale * 1.001


def test_filters_lose_half_a_step_of_their_own_channel() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 4, 3, 3)) * np.array([1, 10, 0.1, 0, 3])[:, None, None, None]
    for bits in (8, 7):
        whole, scale = quantize_filters(weight, bits)
        assert np.abs(whole).max() == 2 ** (bits - 1) - 1
        assert (np.abs(whole * scale[:, None, None, None] - weight) <= scale[:, None, None, None] / 2 + 1e-9).all()
