"""What fits a microcontroller: published integers, the files that are written, and what is refused."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite
import torch

from leannet.artifact.c_array import c_array, quoted
from leannet.artifact.opening import open_artifact
from leannet.errors import LeannetError
from leannet.microcontrollers import TARGETS, Target, fit, memory, target
from leannet.network import build
from leannet.quantization.calibration import Calibration
from leannet.rows import Architecture, Conv, Depthwise, Input
from leannet.rows.branches import shipped
from leannet.runtime import ENGINES, numpy_weights, reference
from leannet.runtime.arena import plan
from leannet.runtime.formats.tflite import written
from leannet.runtime.formats.tflite_padding import padded_inside, pads_apart
from leannet.runtime.lowering import lower
from leannet.runtime.programs import quantized_program
from leannet.runtime.quantize_kernels import quantize_kernels
from leannet.shrink.rewriting import rewrite
from leannet.zoo import architecture, models
from tests.cli.test_cli import refused
from tests.cli.test_cli import run as call
from tests.conftest import lively
from tests.quantization.test_quantizing import run as run  # the fixture

PERSON_DETECTION = architecture("mobilenet_v1", 0.25, 96, classes=2, in_channels=1)


def test_activations_of_networks_that_were_measured_on_devices() -> None:
    """55,296 bytes of MLPerf Tiny's visual wake words on one channel, by the arena of a device; 49,152 of ResNet8 by
    tflite-micro. Both paddings of MobileNetV1 need the same here, since larger filters need no padded copy."""
    one_sided = rewrite(PERSON_DETECTION, ["padding:same"]).architecture
    assert fit(one_sided).activations == fit(PERSON_DETECTION).activations == 55_296
    assert fit(PERSON_DETECTION).one_sided == 55_296
    assert len(fit(PERSON_DETECTION).grown) == 5
    assert fit(PERSON_DETECTION).apart == ()
    assert fit(one_sided).grown == ()
    assert fit(one_sided).one_sided is None
    assert fit(architecture("resnet8")).activations == 49_152


def test_an_operation_that_pads_would_cost_more_than_a_quarter() -> None:
    """As the file for phones has it: 76,864 bytes, the map of 48 x 48 beside its padded copy."""
    ranges = {"input": (-4.0, 4.0)} | {
        path: (-4.0, 4.0) for node in PERSON_DETECTION.layers for path in (node.path, f"{node.path}:before")
    }
    operations = quantize_kernels(lower(PERSON_DETECTION), ranges, outside=True)
    assert len(pads_apart(operations)) == 5
    assert plan(written(operations)).bytes == 76_864
    assert plan(written(operations, spare_memory=True)).bytes == 55_296


@pytest.mark.parametrize("name", models("*_debug"))
def test_what_is_said_before_training_is_what_is_written_after(name: str) -> None:
    """The file's bytes and its plan, from rows alone and from weights; NASNet's ReLUs get ranges of their own."""
    table = shipped(architecture(name))
    said = fit(architecture(name))
    weights = numpy_weights(lively(build(table)).state_dict())
    x = torch.randn(2, *table.input.shape).numpy()
    ranges = Calibration(table, weights, [x]).ranges()
    operations = quantize_kernels(lower(table, weights), ranges, outside=True)
    planned = plan(written(operations, spare_memory=True))
    assert planned.live <= planned.bytes
    if name == "nasnet_debug":
        assert said.activations == pytest.approx(planned.bytes, rel=0.15)
        return
    assert (said.activations, said.live) == (planned.bytes, planned.live)
    (data,) = quantized_program(table, weights, ranges, "litert", outside=True).form("tflite")
    assert said.flash == len(data)


def test_larger_filters_see_what_the_padded_ones_saw() -> None:
    """For every size, stride and kernel, dense, grouped and depthwise, that a convolution with padding may have."""
    torch.manual_seed(0)
    grown = 0
    for size, kernel, stride, padding in (
        (size, kernel, stride, padding)
        for size in range(7, 12)
        for kernel in (1, 2, 3, 5)
        for stride in (1, 2, 3)
        for padding in ("symmetric", "valid", 1, 2)
    ):
        common: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding, "bias": True}
        rows = (
            Conv(name="a", out_channels=4, **common) if size % 2 else Depthwise(name="a", **common),
            Conv(name="b", out_channels=4),
        )
        table = Architecture(name="t", input=Input(height=size, width=size + 3), rows=rows)
        operations = lower(table, numpy_weights(build(table).state_dict()))
        larger = padded_inside(operations)
        x = torch.randn(1, *table.input.shape).numpy()
        np.testing.assert_allclose(reference.outputs(larger, x)[0], reference.outputs(operations, x)[0], atol=1e-6)
        grown += len(pads_apart(operations)) - len(pads_apart(larger))
    assert grown > 20


def test_integers_in_and_out_are_those_of_floats() -> None:
    """In LiteRT: the file that takes integers gives, to a step, what the one that takes floats gives."""
    torch.manual_seed(0)
    table = architecture("mobilenet_v2_debug")
    weights = numpy_weights(lively(build(table)).state_dict())
    x = torch.randn(6, *table.input.shape).numpy()
    calibration = Calibration(table, weights, [x])
    answers = []
    for outside in (False, True):
        program = quantized_program(table, weights, calibration.ranges(), "litert", outside=outside)
        answers.append(ENGINES["litert"].prepare(program, 1)(x)[0])
    step = max(abs(each) for each in calibration.ranges()["Logits"]) / 127
    assert np.abs(answers[0] - answers[1]).max() <= 3 * step


def test_a_run_as_integers_for_microcontrollers(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is checked, and its C header has the file's bytes and a pixel's integer, by a compiler."""
    words = ("--engine", "litert", "--input", "int8", "--c-array", "--max-drop", "100", "--out", str(tmp_path / "out"))
    code, out, _ = call(capsys, "quantize", str(run), *words)
    assert code == 0
    assert "model.h" in out
    folder = tmp_path / "out"
    artifact = open_artifact(folder)
    assert artifact.input == "int8"
    assert call(capsys, "check", str(folder))[0] == 0
    (data,) = artifact.program.form("tflite")
    text = (folder / "model.h").read_text()
    assert text == c_array(artifact)
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    source = folder / "print.c"
    source.write_text(
        '#include <stdio.h>\n#include "model.h"\nint main(void) {\n  for (size_t i = 0; i < model_size; i++) '
        'printf("%02x", model_data[i]);\n  printf("\\n");\n'
        '  for (int c = 0; c < kModelChannels; c++) for (int p = 0; p < 256; p++) printf("%d ", model_input(p, c));\n'
        '  printf("\\n%s\\n", kModelClassNames[0]);\n  return 0;\n}\n'
    )
    subprocess.run(["cc", "-Wall", "-Werror", "-o", str(folder / "print"), str(source)], check=True)
    lines = subprocess.run([folder / "print"], capture_output=True, text=True, check=True).stdout.split("\n")
    assert bytes.fromhex(lines[0]) == data
    channels = artifact.header.preprocessing.channels
    pixels = np.arange(256, dtype=np.uint8)[:, None].repeat(channels, 1)[:, None, None, :]
    floats = artifact.as_input(pixels)[:, :, 0, 0].T.reshape(-1)
    tensor = tflite.Model.GetRootAs(data, 0).Subgraphs(0).Tensors(0).Quantization()
    expected = np.clip(np.rint(floats / tensor.Scale(0)) + tensor.ZeroPoint(0), -128, 127)
    assert np.abs(np.array(lines[1].split(), int) - expected).max() <= 1  # halves are rounded in another way
    assert lines[2] == artifact.header.classes[0]


@pytest.mark.parametrize("name", ["cat", 'a "quoted" \\ name', "žluťoučký 1"])
def test_class_names_in_c(name: str, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    source = tmp_path / "name.c"
    source.write_text(f"#include <stdio.h>\nint main(void) {{ fputs({quoted(name)}, stdout); return 0; }}\n")
    subprocess.run(["cc", "-Wall", "-Werror", "-o", str(tmp_path / "name"), str(source)], check=True)
    assert subprocess.run([tmp_path / "name"], capture_output=True, check=True).stdout.decode() == name


def test_amounts_and_names() -> None:
    assert memory("256kB", "--sram") == memory("256", "--sram") == 262_144
    assert memory("1MB", "--flash") == 1_048_576
    assert memory("1.5 KiB", "--sram") == 1536
    assert target("nRF52840") == TARGETS["nrf52840"]
    assert target("64kB") == Target("64kB", "", 65_536, None)
    for bad in ("0kB", "fast", "12 parsecs", ""):
        with pytest.raises(LeannetError, match=r"--sram .*expected an amount of memory, as 256kB or 1MB"):
            memory(bad, "--sram")
    with pytest.raises(LeannetError, match=r"--target nrf5284: no such microcontroller; nearest: nrf52840, .*256kB"):
        target("nrf5284")


def test_what_does_not_fit_and_what_has_no_kernel() -> None:
    found = fit(PERSON_DETECTION)
    assert found.fits(TARGETS["nrf52840"])
    assert not found.fits(Target("", "", found.sram - 1, None))
    assert found.fits(Target("", "", found.sram, found.flash))
    assert not found.fits(Target("", "", None, found.flash - 1))
    with_gelu = fit(architecture("repvit_debug"))
    assert with_gelu.missing == ("GELU",)
    assert not with_gelu.fits(Target("", "", 1 << 30, 1 << 30))


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("count", "mobilenet_v1:0.25@96", "--in-channels", "1", "--classes", "2", "--by", "type", "--target")
    code, out, _ = call(capsys, *words, "nrf52840")
    assert code == 0
    assert "55,296 of activations" in out
    assert "fits        yes" in out
    assert "padding:same" in out
    assert "fits        no" in call(capsys, *words, "50kB")[1]
    assert "no such microcontroller" in refused(capsys, *words, "abacus")
    found = json.loads(call(capsys, *words, "256kB", "--json")[1])["target"]
    assert (found["activations_bytes"], found["fits"], found["target_sram_bytes"]) == (55_296, True, 262_144)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "litert", "--input", "uint8"], "--input uint8: litert resizes without antialiasing"),
        (["--input", "int8"], "--input int8: expected --engine litert"),
        (["--c-array"], "--c-array: expected --engine litert"),
    ],
)
def test_what_is_refused(run: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(capsys, "quantize", str(run), *words)
