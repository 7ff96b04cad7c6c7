"""What float32 itself computes badly is allowed to differ by as much, is said to, and is exported all the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

import leannet
from leannet.artifact import check, export, open_artifact
from leannet.artifact.exporting import GAP, MOST, TOLERANCE, allowance, export_folder
from leannet.artifact.golden import record
from leannet.checkpoint import load, save
from leannet.errors import LeannetError
from leannet.header import read_header
from leannet.tasks import task_of
from tests.artifact.test_artifact import checkpoint as checkpoint  # the fixture
from tests.conftest import draw_folder


def cancelling(file: Path, size: float) -> None:
    """Gives a checkpoint's classes a large value in common, which one more feature takes away again."""
    network, header = load(file)
    torch.manual_seed(0)
    with torch.no_grad():
        *_, last = (module for module in network.modules() if isinstance(module, torch.nn.Linear | torch.nn.Conv2d))
        last.weight += size * torch.sign(torch.randn_like(last.weight[:1]))
    save(file, network, header)


def test_the_gap_is_that_of_torch_between_its_two_precisions(checkpoint: Path) -> None:
    """Against the same network computed once more in each; and the golden answers are those of float64."""
    cancelling(checkpoint, 1e4)
    network, header = load(checkpoint)
    golden, gap = record(network, task_of(header))
    golden_outputs = np.stack([each.outputs for each in golden])
    from leannet.data.images import prepare
    from leannet.data.loader import normalize

    arrays = np.stack([prepare(each.image(), header.preprocessing) for each in golden]).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        outputs = network(normalize(torch.from_numpy(arrays.copy()), header.preprocessing)).numpy()
    away = float(np.abs(outputs - golden_outputs).max() / np.abs(golden_outputs).max())
    # Both are some units in the last place, and threads and layouts round in another order.
    assert 0 < away / 2 <= gap <= 10 * away < 1e-2


def test_the_allowance_follows_the_gap() -> None:
    for precision, least in TOLERANCE.items():
        assert allowance(precision, 0.0) == least
        assert allowance(precision, GAP) == pytest.approx(least)
        assert allowance(precision, 2 * GAP) == pytest.approx(min(2 * least, MOST))
        assert allowance(precision, 1.0) == max(least, MOST)


def test_an_ill_conditioned_network_is_named(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported = export(checkpoint)
    assert exported.note == ""
    assert open_artifact(exported.path).shipping.tolerance == 1e-4
    monkeypatch.setattr("leannet.artifact.exporting.record", lambda *arguments: (record(*arguments)[0], 2.1e-4))
    exported = export(checkpoint)
    assert exported.note.startswith(
        "ill-conditioned: torch's own float32 is 2.1e-04 of the largest output away from its "
    )
    assert "\n" not in exported.note
    assert all(each.tolerance == pytest.approx(8.4e-4) for each in check(exported.path))
    assert open_artifact(exported.path).shipping.float32_gap == 2.1e-4


def test_a_small_run_of_few_images_is_exported_in_every_format(tmp_path: Path) -> None:
    """Batch norm of few and small images leaves variances of 1e-8: what engines were once refused for."""
    images = draw_folder(tmp_path / "shapes", each=30)
    words = {"model": "mobilenet_v3_small", "width": 0.5, "resolution": 32, "epochs": 1, "seed": 1, "quiet": True}
    leannet.train(str(images), out=tmp_path / "run", **words)
    exports = [export(tmp_path / "run", tmp_path / "x.onnx")]
    exports += [export_folder(tmp_path / "run", name, tmp_path / name) for name in ("openvino", "ncnn", "litert")]
    for each in exports:
        assert all(one.passed for one in each.checks)
        shipping = read_header(each.path).shipping
        assert shipping is not None
        assert shipping.float32_gap is not None
        assert shipping.tolerance == pytest.approx(allowance("float32", shipping.float32_gap))


def test_outputs_that_are_no_numbers_are_refused(checkpoint: Path) -> None:
    network, header = load(checkpoint)
    with torch.no_grad():
        next(network.parameters())[0] = 1e38
    save(checkpoint, network, header)
    with pytest.raises(LeannetError, match=r"outputs for the golden images are not finite: .* nothing was written"):
        export(checkpoint)
    assert not checkpoint.with_suffix(".onnx").exists()
