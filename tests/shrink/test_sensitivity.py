"""Curves that are measured, and a pruning that is guided by them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import leannet
from leannet.errors import LeannetError
from leannet.rows.channels import channels
from leannet.shrink import Sensitivity, prune, sensitivity
from leannet.shrink.curves import Curve, prices
from leannet.shrink.sensitivity_figure import draw_sensitivity
from leannet.shrink.widths import widths

QUICK: dict[str, Any] = {"quiet": True, "workers": 0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sensitivity") / "run"
    leannet.train("digits", folder, model="mobilenet_v2_debug", resolution=32, epochs=2, limit=600, **QUICK)
    return folder


def test_a_row_is_measured_at_each_ratio_and_guides_a_pruning(trained: Path, tmp_path: Path) -> None:
    curves = sensitivity(trained, ratios=(0.5, 0.25), images=128, quiet=True)
    file = tmp_path / "sensitivity.json"
    curves.save(file)
    assert Sensitivity.load(file) == curves
    header = leannet.load(trained)[1]
    of = widths(channels(header.architecture))
    assert [curve.row for curve in curves.curves] == [width.row for width in of]
    assert all(curve.ratios == (0.25, 0.5) for curve in curves.curves)
    with pytest.raises(LeannetError, match="--criterion taylor scores lowest: expected that criterion, found l1"):
        prune(trained, macs="50%", out=tmp_path / "l1", request={"criterion": "l1", "sensitivity": str(file)}, **QUICK)
    measured = prices(curves, of)
    assert [price is not None and len(price) - 1 for price in measured] == [len(width.groups) for width in of]
    result = prune(trained, macs="60%", out=tmp_path / "run", epochs=0,
                   request={"images": 64, "sensitivity": str(file)}, **QUICK)  # fmt: skip
    assert result.after.macs <= 0.6 * result.before.macs
    draw_sensitivity(curves, tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text().count("<text") >= len(curves.curves)
    with pytest.raises(LeannetError, match="it was measured of another network"):
        prune(tmp_path / "run", macs="60%", out=tmp_path / "other", epochs=0,
              request={"images": 64, "sensitivity": str(file)}, **QUICK)  # fmt: skip


def test_a_price_never_falls_and_meets_what_was_measured() -> None:
    curve = Curve("a", 8, 8, 0, (0.25, 0.5, 0.75), (0.9, 0.8, 0.8), (1.0, 0.9, 2.0))
    price = curve.price(0.5)
    np.testing.assert_allclose(price[[0, 2, 4, 6]], [0.0, 0.5, 0.5, 1.5])
    assert (np.diff(price) >= 0).all()
    assert price[8] > price[6]


def test_mistakes(trained: Path, tmp_path: Path) -> None:
    for ratios in ((0.0,), (1.0, 0.5), ()):
        with pytest.raises(LeannetError, match="--ratios: expected shares above 0 and below 1"):
            sensitivity(trained, ratios=ratios, quiet=True)
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(LeannetError, match="expected what leannet sensitivity"):
        Sensitivity.load(tmp_path / "plan.json")
    with pytest.raises(LeannetError, match="mobilenet_v2_debug has no row or layer 'blok'"):
        sensitivity(trained, rows=["blok"], images=64, quiet=True)
