"""Folders of images to predict: what is no image, or cannot be read, is counted."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from leannet import architecture
from leannet.cli.app import app
from leannet.data.sources import ReadingOptions
from leannet.errors import LeannetError
from leannet.evaluation import evaluate
from leannet.evaluation.predicted import not_images_among, predictions_of_images
from leannet.header import Header, read_header
from leannet.preprocessing import Preprocessing
from leannet.tasks import task_of
from leannet.training import train
from tests.conftest import draw_folder

HEADER = Header(
    architecture=architecture("two_layer_debug", classes=2),
    classes=("disc", "square"),
    preprocessing=Preprocessing(height=8, width=8),
)


def even(_: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.full(2, 0.5, np.float32)


def test_a_folder_is_read_with_its_links_and_what_is_left_out_is_told(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "shapes", each=2)
    (root / "more").symlink_to(draw_folder(tmp_path / "elsewhere", each=1), target_is_directory=True)
    (root / "disc" / "notes.txt").write_text("x")
    (root / "disc" / ".hidden.png").write_text("x")
    (root / "disc" / "cut.png").write_bytes(b"x")
    (root / "gone.jpg").symlink_to("/not/there.jpg")
    predictions, broken = predictions_of_images([root], task_of(HEADER), even, 2)
    assert len(predictions) == 6
    assert {each["path"] for each in broken} == {str(root / "disc" / "cut.png"), str(root / "gone.jpg")}
    assert not_images_among([root]).names == (str(root / "disc" / "notes.txt"),)


def test_an_empty_folder_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(LeannetError, match=r"found none \(left out: 1 file not named as an image"):
        predictions_of_images([tmp_path], task_of(HEADER), even, 2)


def test_predict_says_so(shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(str(shapes), out=tmp_path / "run", model="two_layer_debug", epochs=1, quiet=True, workers=0).path
    (shapes / "disc" / "notes.txt").write_text("x")
    app(["predict", str(run), str(shapes)], standalone_mode=False)
    assert f"left out: 1 file not named as an image: {shapes / 'disc' / 'notes.txt'}" in capsys.readouterr().err


def test_other_data_is_read_as_the_training_data_was_where_it_can_be(tmp_path: Path) -> None:
    """Two folders deep in training; one deep, and in a table of other columns, in what is evaluated."""
    deep, flat = tmp_path / "deep", draw_folder(tmp_path / "flat", each=3, first=50)
    for place in ("a", "b"):
        draw_folder(deep / place, each=8, kinds=(("disc",), ("square",))[place == "b"])
        draw_folder(deep / place, each=2, kinds=("star" + place,))
    settings = {"model": "two_layer_debug", "epochs": 1, "quiet": True, "workers": 0, "class_depth": 2}
    run = train(str(deep), out=tmp_path / "run", **settings).path
    assert read_header(run).classes == ("disc", "square", "stara", "starb")
    assert evaluate(run, quiet=True).scores.images == 6  # two of eight, and one of two, twice each
    assert evaluate(run, str(flat), quiet=True).scores.images == 6
    lines = ["where,what", *(f"flat/{kind}/{n}.png,{kind}" for kind in ("disc", "square") for n in range(50, 53))]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    with pytest.raises(LeannetError, match="--image-column NAME"):
        evaluate(run, str(tmp_path / "x.csv"), quiet=True)
    assert (
        evaluate(run, str(tmp_path / "x.csv"), quiet=True, options=ReadingOptions("where", "what")).scores.images == 6
    )
