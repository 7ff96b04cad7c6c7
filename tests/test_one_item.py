"""A string where several items are expected is one of them, and never its letters."""

from pathlib import Path

import pytest

import leannet
from leannet.errors import LeannetError, as_items


def test_items() -> None:
    assert as_items("ab") == ["ab"]
    assert as_items(Path("a")) == [Path("a")]
    assert as_items(("a", "b")) == ["a", "b"]


def test_one_network_alone() -> None:
    assert [network.label for network in leannet.compare("two_layer").networks] == ["two_layer"]
    (timed,) = leannet.bench("two_layer", engines="onnxruntime", seconds=0, memory=False).timed
    assert timed.name == "two_layer"


def test_two_runs_that_are_no_list() -> None:
    with pytest.raises(LeannetError, match="expected a list of two runs, found 1"):
        leannet.experiment("runs/one")


@pytest.mark.parametrize("verb", [leannet.count, leannet.build, leannet.draw])
def test_a_name_in_place_of_an_architecture(verb: object) -> None:
    with pytest.raises(LeannetError, match=r"found 'mobilenet_v2'; leannet.architecture\(NAME\)"):
        verb("mobilenet_v2")  # type: ignore[operator]


def test_one_image_that_is_not_there(tmp_path: Path) -> None:
    rows = leannet.architecture("two_layer_debug", classes=2)
    with pytest.raises(LeannetError, match=r"nope\.jpg: no such image"):
        leannet.activations(leannet.build(rows), "nope.jpg")
