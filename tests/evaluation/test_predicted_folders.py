"""Folders of images to predict: what is no image, or cannot be read, is counted."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from leannet import architecture
from leannet.cli.app import app
from leannet.errors import LeannetError
from leannet.evaluation.answers import answers, not_images_among
from leannet.header import Header
from leannet.preprocessing import Preprocessing
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
    predictions, broken = answers([root], HEADER, even, 2)
    assert len(predictions) == 6
    assert {each["path"] for each in broken} == {str(root / "disc" / "cut.png"), str(root / "gone.jpg")}
    assert not_images_among([root]).names == (str(root / "disc" / "notes.txt"),)


def test_an_empty_folder_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(LeannetError, match=r"found none \(left out: 1 file not named as an image"):
        answers([tmp_path], HEADER, even, 2)


def test_predict_says_so(shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(str(shapes), out=tmp_path / "run", model="two_layer_debug", epochs=1, quiet=True, workers=0).path
    (shapes / "disc" / "notes.txt").write_text("x")
    app(["predict", str(run), str(shapes)], standalone_mode=False)
    assert f"left out: 1 file not named as an image: {shapes / 'disc' / 'notes.txt'}" in capsys.readouterr().err
