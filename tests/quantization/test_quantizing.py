"""Integers that are evaluated before they are kept, and ranges that fit."""

import json
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import leannet
from leannet.artifact import open_artifact
from leannet.errors import LeannetError
from leannet.network import Network, build
from leannet.quantization.calibration import Calibration, Observer, h_swish
from leannet.quantization.comparison import Comparison
from leannet.quantization.fewest import fewest
from leannet.quantization.quantizing import EngineName, quantize
from leannet.rows import Architecture, Conv, Input
from leannet.runtime import Latency, numpy_weights
from leannet.runtime.engines import Floats
from leannet.runtime.integers import quantize_filters
from leannet.runtime.operations import Range
from tests.conftest import draw, draw_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network that tells discs from squares."""
    folder = tmp_path_factory.mktemp("run")
    shapes = draw_folder(folder / "shapes", each=60)
    words = {"model": "mobilenet_v3_debug", "epochs": 8, "batch_size": 16, "normalization": "zscore"}
    return leannet.train(shapes, folder / "run", quiet=True, **words).path


def test_a_run_becomes_integers_that_predict(run: Path, tmp_path: Path) -> None:
    quantized = quantize(run, quiet=True, max_drop=10)
    assert quantized.path == run / "model.int8.onnx"
    assert quantized.size_bytes_after < quantized.size_bytes_before
    assert all(each.passed for each in quantized.checks)
    header = open_artifact(quantized.path).header
    assert header.shipping is not None
    assert header.shipping.precision == "int8"
    assert header.shipping.engines == ("onnxruntime",)
    assert header.shipping.accuracy_after == quantized.after.accuracy
    assert [step.done for step in header.provenance.history] == ["trained", "quantized"]
    draw("disc", 991).save(tmp_path / "image.png")
    ours, theirs = (leannet.predict(which, [tmp_path / "image.png"])[0][0] for which in (quantized.path, run))
    probability = dict(zip(theirs.classes, theirs.probabilities, strict=True))
    assert ours.probabilities[0] == pytest.approx(probability[ours.classes[0]], abs=0.1)


def test_it_is_evaluated_on_images_that_did_not_calibrate(run: Path) -> None:
    split = leannet.header.read_header(run).split.sizes
    quantized = quantize(run, quiet=True, max_drop=100, calibration=10_000)
    assert quantized.before.images == split["validation"]
    assert quantized.calibrated_on == split["train"]
    assert quantized.before.accuracy == pytest.approx(leannet.evaluate(run, quiet=True).scores.accuracy)
    assert quantized.drop == pytest.approx(100 * (quantized.before.accuracy - quantized.after.accuracy))


@pytest.mark.parametrize(
    ("engine", "kind"), [("onnxruntime", "uint8"), ("onnxruntime", "uint8-sized"), ("openvino", "uint8-sized")]
)
def test_integers_can_take_raw_images(run: Path, tmp_path: Path, engine: EngineName, kind: str) -> None:
    """The graph normalizes, and rounds what it read: the outputs are those of the normalized image."""
    words = {"engine": engine, "max_drop": 100, "quiet": True, "seconds": 0}
    plain = quantize(run, out=tmp_path / "plain.onnx", **words).path
    taking = quantize(run, out=tmp_path / "images.onnx", input=kind, **words)
    assert plain is not None
    assert taking.path is not None
    assert taking.checks
    artifact = open_artifact(taking.path)
    assert artifact.takes_uint8
    images = [draw("disc", 71), draw("square", 72)]
    outputs, outputs_of_plain = artifact.outputs(images, engine), open_artifact(plain).outputs(images, engine)
    np.testing.assert_allclose(outputs, outputs_of_plain, atol=0.01 * float(np.ptp(outputs_of_plain)))
    if kind == "uint8-sized":
        return
    larger = np.asarray(images[0].resize((131, 97)))[None]
    assert artifact.run(engine)(larger)[0].shape == (1, 2)  # type: ignore[arg-type]  # uint8, as it takes


def test_integers_of_openvino_do_not_resize(run: Path, tmp_path: Path) -> None:
    """It would leave out the antialiasing, without a word."""
    with pytest.raises(LeannetError, match=r"openvino resizes without antialiasing: expected --input uint8-sized"):
        quantize(run, out=tmp_path / "x.onnx", engine="openvino", input="uint8", quiet=True)
    assert not (tmp_path / "x.onnx").exists()


def test_what_loses_too_much_is_not_written(run: Path, tmp_path: Path) -> None:
    """No loss can be less than -200 points: layer after layer goes to float, and then it gives up, in one line."""
    target = tmp_path / "x.onnx"
    words = ["quantize", str(run), "--max-drop", "-200", "--out", str(target), "--json"]
    done = subprocess.run([sys.executable, "-m", "leannet", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nothing was written" in done.stderr.splitlines()[-1]
    assert not target.exists()
    report = json.loads(done.stdout)
    assert report["path"] is None
    float_layers = [layer for layer in report["layers"] if layer["kept_float"]]
    assert 0 < len(float_layers) <= len(report["layers"]) / 2
    least_kept = min(layer["noise"] for layer in float_layers)
    assert all(layer["noise"] <= least_kept for layer in report["layers"] if not layer["kept_float"])


def test_agreement_can_be_asked_for(run: Path) -> None:
    quantized = quantize(run, quiet=True, max_drop=100)
    assert (
        quantized.cost.agreement == 1 - (quantized.cost.lost + quantized.cost.gained) / quantized.before.images
    )  # of two classes
    refused = quantize(run, quiet=True, max_drop=100, min_agreement=1.1)
    assert refused.path is None
    assert len(refused.float_layers) > 0


@given(st.integers(0, 60), st.integers(0, 70), st.integers(-3, 80), st.randoms())
def test_the_fewest_that_are_enough_are_found(most: int, needed: int, guess: int, draw: random.Random) -> None:
    """Against a count from nought, by steps of any height; and with few trials, each of which evaluates a network."""
    heights = sorted(draw.choice((-30.0, -1.0, -draw.random() - 1e-9)) for _ in range(needed))
    heights += sorted(draw.choice((0.0, 1.0, draw.random())) for _ in range(most + 1 - needed))
    tried: list[int] = []
    number = fewest(lambda each: tried.append(each) or heights[each], most, lambda: guess)
    assert number == (needed if needed <= most else None)
    assert max(tried) <= most
    assert len(tried) == len(set(tried)) <= 3 * math.log2(most + 2) + 3


def test_a_line_leads_to_the_fewest() -> None:
    """Two trials to draw it, one there, and one that shows that less is not enough."""
    tried: list[int] = []
    assert fewest(lambda number: tried.append(number) or 0.43 * number - 11.5, 60, lambda: 15) == 27
    assert tried == [0, 15, 27, 26]


def test_layers_that_shall_stay_in_float_do(run: Path) -> None:
    quantized = quantize(run, quiet=True, max_drop=100, keep_float=["Conv1"], engine="openvino")
    assert quantized.float_layers == ("Conv1",)
    assert quantized.path is not None
    shipping = open_artifact(quantized.path).header.shipping
    assert shipping is not None
    assert shipping.keep_float == ("Conv1",)
    with pytest.raises(LeannetError, match="no layer has this path"):
        quantize(run, quiet=True, keep_float=["nothing"])


def test_the_noise_of_each_layer_is_measured_where_it_is_asked_for(run: Path, tmp_path: Path) -> None:
    """It takes a network a layer. What is written is the same."""
    plain = quantize(run, out=tmp_path / "a.onnx", max_drop=100, quiet=True, seconds=0)
    measured = quantize(run, out=tmp_path / "b.onnx", max_drop=100, quiet=True, seconds=0, layers=True)
    assert plain.layers == ()
    assert len(measured.layers) == measured.layer_count == plain.layer_count
    assert [layer.path for layer in measured.layers][:2] == ["Conv1", "expanded_conv.depthwise"]
    assert plain.float_layers == measured.float_layers == ()
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_other_images_are_halved(run: Path, tmp_path: Path) -> None:
    other = draw_folder(tmp_path / "other", each=10, first=500)
    quantized = quantize(run, str(other), tmp_path / "x.onnx", max_drop=100, quiet=True)
    assert (quantized.calibrated_on, quantized.before.images) == (10, 10)
    with pytest.raises(LeannetError, match=r"expected the classes of .*, found a class 'ring'"):
        quantize(run, str(draw_folder(tmp_path / "three", kinds=("disc", "square", "ring"))), quiet=True)


def test_the_error_of_the_loss_is_that_of_paired_answers(run: Path) -> None:
    """Against the deviation of the mean of +1, -1 and 0, one an image."""
    from dataclasses import replace

    quantized = quantize(run, quiet=True, max_drop=100)
    changed = replace(quantized.cost, lost=5, gained=2)
    n = quantized.before.images
    each = np.array([1] * 5 + [-1] * 2 + [0] * (n - 7))
    assert changed.drop == pytest.approx(100 * each.mean())
    assert changed.drop_error == pytest.approx(100 * each.std() / math.sqrt(n))


def test_before_h_swish_the_range_reaches_to_where_it_is_zero() -> None:
    """Cut short of -3, every value below would give h-swish's -0.3 or so in place of 0."""
    observer = Observer()
    observer.observe(np.random.default_rng(0).normal(0, 3, (4, 8, 16, 16)).astype(np.float32), np.random.default_rng(1))
    low, high = observer.range_before_h_swish()
    assert low == -3
    assert 3 < high <= observer.high
    plain, values = observer.range(), np.concatenate(observer.samples)
    losses = [
        np.square(h_swish(Range.of(*each).fake_quantize(values)) - h_swish(values)).mean()
        for each in ((low, high), plain)
    ]
    assert losses[0] <= losses[1]
    few = Observer()
    few.observe(np.linspace(-1, 2, 64, dtype=np.float32).reshape(1, 1, 8, 8), np.random.default_rng(1))
    assert few.range_before_h_swish()[0] == -1


def test_the_range_is_the_best_of_all_that_were_tried() -> None:
    draw_ = np.random.default_rng(0)
    for values in (draw_.uniform(-1, 3, 4000), draw_.standard_t(3, 4000), draw_.exponential(size=4000) ** 3):
        observer = Observer()
        observer.observe(values.reshape(1, 1, 1, -1).astype(np.float32), draw_)
        lost = np.square(Range.of(*observer.range()).fake_quantize(values) - values).mean()
        for share in np.linspace(0.2, 1, 30):
            other = np.square(
                Range.of(observer.low * share, observer.high * share).fake_quantize(values) - values
            ).mean()
            assert lost <= other * 1.05


def test_bias_corrections_keep_the_mean_of_each_channel() -> None:
    """A convolution whose rounded filters shift its outputs: the correction takes the shift away."""
    rows = Architecture(
        name="x",
        input=Input(channels=8, height=7, width=7),
        rows=(Conv(name="a", out_channels=6, bias=True, groups=2), Conv(name="b", out_channels=2, bias=True)),
    )
    weights = numpy_weights(build(rows).state_dict())
    x = torch.rand(20, 8, 7, 7)
    bits = 4
    corrections = Calibration(rows, weights, [x.numpy()]).bias_corrections(bits)["a"]
    whole, scale = quantize_filters(weights["a.conv.weight"], bits)
    rounded = torch.from_numpy((whole * scale[:, None, None, None]).astype(np.float32))
    change = torch.nn.functional.conv2d(x, torch.from_numpy(weights["a.conv.weight"]) - rounded, groups=2)
    np.testing.assert_allclose(corrections, change.mean((0, 2, 3)).numpy(), atol=1e-5)


def test_few_images_decide_by_noise_whatever_their_labels(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a point of 24 images: with labels that are luck, the same layers stay in float and the same file is kept."""
    from leannet.quantization.evaluator import Evaluator

    plain = quantize(run, out=run / "plain.onnx", quiet=True)
    assert plain.decided_by == "noise"
    assert plain.cost.images_needed(0.5) > 390  # type: ignore[operator]
    assert any("cannot show a loss of 0.5 points" in note for note in plain.notes)
    compare = Evaluator.compare
    for seed in range(3):

        def with_luck(self: Evaluator, *outputs: Floats, seed: int = seed) -> Comparison:
            self.labels = np.random.default_rng(seed).integers(0, 2, len(outputs[0]))
            return compare(self, *outputs)

        monkeypatch.setattr(Evaluator, "compare", with_luck)
        luck = quantize(run, out=run / "luck.onnx", quiet=True, seconds=0)
        assert luck.before.accuracy != plain.before.accuracy
        assert luck.float_layers == plain.float_layers
        assert luck.cost.decibels == plain.cost.decibels
        assert luck.path is not None
    assert quantize(run, out=run / "enough.onnx", max_drop=100, quiet=True).decided_by == "accuracy"


def test_noise_moves_layers_to_float_until_it_is_low_enough(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = quantize(run, out=run / "a.onnx", quiet=True, seconds=0)
    monkeypatch.setattr("leannet.quantization.comparison.min_decibels", lambda max_drop: plain.cost.decibels + 1)
    quieter = quantize(run, out=run / "b.onnx", quiet=True, seconds=0)
    assert len(quieter.float_layers) > len(plain.float_layers)
    assert quieter.cost.decibels >= plain.cost.decibels + 1


def test_what_is_not_faster_is_said(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(after: float) -> None:
        latencies = {"before": Latency(*[1.0] * 4, runs=5), "after": Latency(*[after] * 4, runs=5)}
        monkeypatch.setattr("leannet.quantization.quantizing.measure", lambda runs, seconds: latencies)

    for after, faster in ((1.6, False), (0.97, False), (0.5, True)):
        measured(after)
        quantized = quantize(run, out=run / "x.onnx", max_drop=100, quiet=True)
        assert quantized.faster is quantized.to_dict()["faster_than_float"] is faster
        assert any(note.startswith("not faster than float") for note in quantized.notes) is not faster
    assert quantize(run, out=run / "x.onnx", max_drop=100, quiet=True, seconds=0).faster is None


def test_what_fine_tuning_learned_is_no_noise(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that learned to answer otherwise: its integers are compared with itself, the agreement with what was."""
    plain = quantize(run, out=tmp_path / "plain.onnx", quiet=True, seconds=0)

    def learned(network: Network, *others: object) -> dict[str, NDArray[np.float32]]:
        state = network.state_dict()
        head = [name for name in state if name.endswith(("linear.weight", "linear.bias"))]
        assert head
        return {name: (0.7 if name in head else 1.0) * value.numpy() for name, value in state.items()}

    monkeypatch.setattr("leannet.quantization.finetuning.finetune", learned)
    finetuned = quantize(run, out=tmp_path / "x.onnx", finetune=1, quiet=True, seconds=0)
    assert finetuned.cost.decibels == pytest.approx(
        plain.cost.decibels, abs=3
    )  # of the head before: 10.5, whatever the integers
    assert finetuned.cost.decibels > 15
    assert finetuned.path is not None
