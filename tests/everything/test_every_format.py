"""Every network of the zoo in every format that ships: written, checked in each engine, and predicting as torch does.

Under an hour on two cores, so it is not in the suite: `make test-all`. The suite has each family in its debug form.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import leannet
from leannet.artifact import open_artifact
from leannet.artifact.exporting import export, export_folder
from leannet.checkpoint import save
from leannet.header import Header
from leannet.preprocessing import Preprocessing
from leannet.quantization import quantize
from leannet.zoo import FAMILIES, architecture
from tests.conftest import draw, draw_folder, lively

pytestmark = pytest.mark.everything

CLASSES = ("ape", "bee", "cat")
RESOLUTIONS = (96, 128, None)  # the first that the rows accept; None: the family's own
OWN_SIZE = ("alexnet", "vgg16")  # pool to 6 x 6 and 7 x 7, which LiteRT can only where it divides the image
NAMES = sorted(FAMILIES)
FLOATS = [("float32", "float32"), ("float16", "float32"), ("bfloat16", "float32"), ("float32", "uint8"),
          ("float32", "uint8-sized")]  # fmt: skip
# So deep that random scales of batch norm multiply up to outputs of 10^7, which no float32 knows: smaller ones.
SCALES = {
    "shufflenet_v2_164_se_residual": 0.6,
    **{f"ghostnet_{form}": 0.5 for form in ("debug", "v1", "v2")},
    **{f"efficientnet_lite{n}": 0.75 for n in range(1, 5)},
    "mnasnet_a1": 0.75,
    "mnasnet_small": 0.75,
    "mobileone_s4": 0.5,
    "mobilenet_v3_large": 0.75,
    "mobilenet_v3_large_torchvision": 0.75,
    "repghostnet": 0.5,
    **{f"starnet_s{n}": 0.4 for n in range(1, 4)},  # whose blocks multiply values
    "repvit_m0_9": 0.5,
    "repvit_m1": 0.5,
}
# Networks whose random weights do not bear fewer bits: they may be refused in float16 and bfloat16, and no others.
MAY_BE_REFUSED = {
    "cifar_mobilenet_v2",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_large_torchvision",
    "repvit_m1",
    "shufflenet_v2_164_se_residual",
    # A random score near a half turns by rounding, and with it all that its decision lets through.
    *(name for name in NAMES if "skipnet" in name),
}


@pytest.fixture(scope="module", params=NAMES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Weights that all do something, never trained. The file has the network's name."""
    own_size = request.param.startswith("cifar") or request.param in OWN_SIZE
    for resolution in (None,) if own_size else RESOLUTIONS:
        try:
            rows = architecture(request.param, resolution=resolution, classes=len(CLASSES))
        except leannet.LeannetError:
            continue
        break
    if len(rows.output_names) > 1:
        pytest.skip("several outputs, which no format ships yet")
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    shape = rows.input
    header = Header(
        architecture=rows,
        classes=CLASSES,
        preprocessing=Preprocessing(height=shape.height, width=shape.width),
    )
    network = lively(leannet.build(rows))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.mul_(SCALES.get(request.param, 1.0))
    for name, parameter in network.named_parameters():
        if "_score." in name:  # away from a half, where float32 decides otherwise than float64
            parameter.data.mul_(20)
            if name.endswith("bias"):
                parameter.data.add_(0.02)
    save(folder / f"{request.param}.safetensors", network, header)
    draw_folder(folder / "images", each=6, kinds=CLASSES)
    yield folder / f"{request.param}.safetensors"
    for file in folder.rglob("*"):
        if file.is_file():
            file.unlink()


def _predicts_as(checkpoint: Path, artifact: Path, tolerance: float) -> None:
    image = draw("ring", 5, 70)
    ours, torchs = (
        dict(zip(each.classes, each.probabilities, strict=True))
        for each in (leannet.predict(path, [image])[0][0] for path in (artifact, checkpoint))
    )
    assert ours == pytest.approx(torchs, abs=tolerance)


@pytest.mark.parametrize(("precision", "taken"), FLOATS)
def test_onnx(checkpoint: Path, tmp_path: Path, precision: str, taken: str) -> None:
    """A network of MAY_BE_REFUSED is exported, or refused with the reason, and then nothing is written."""
    refusal = None
    try:
        exported = export(checkpoint, tmp_path / "x.onnx", precision=precision, input=taken)
    except leannet.LeannetError as error:
        if precision == "float32" or checkpoint.stem not in MAY_BE_REFUSED:
            raise
        refusal = str(error)
    if refusal is not None:
        assert f"{precision} weights change what it answers by too much" in refusal
        assert not (tmp_path / "x.onnx").exists()
        return
    assert {check.name for check in exported.checks} >= {"onnxruntime", "openvino"}
    assert all(check.passed for check in exported.checks if check.name not in open_artifact(exported.path).wrong_in)
    _predicts_as(checkpoint, exported.path, {"float32": 1e-3}.get(precision, 0.1))


@pytest.mark.parametrize("format", ["openvino", "ncnn", "litert"])
def test_folder(checkpoint: Path, tmp_path: Path, format: str) -> None:
    exported = export_folder(checkpoint, format, tmp_path / format)
    assert all(check.passed for check in exported.checks)
    _predicts_as(checkpoint, exported.path, 1e-2)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "litert"])
def test_integers(checkpoint: Path, tmp_path: Path, engine: str) -> None:
    out = tmp_path / ("int8.onnx" if engine != "litert" else "int8")
    data = str(checkpoint.parent / "images")
    quantized = quantize(checkpoint, data, out, engine, max_drop=100, quiet=True, seconds=0.02)
    assert quantized.path == out
    assert all(check.passed for check in quantized.checks)
    assert open_artifact(out).precision == "int8"
