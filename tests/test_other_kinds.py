"""Files of another kind than a verb wants say what they are and what is meant."""

from pathlib import Path

import pytest

from leannet.artifact import open_artifact
from leannet.artifact.onnx_artifact import artifact_path
from leannet.errors import LeannetError
from leannet.header import read_header


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine.json", "found an architecture: leannet train DATA --model .*mine.json makes a run of it"),
        ("blocks.py", "found a Python module: of blocks of your own it is --import MODULE, before the verb"),
        ("phone/model.tflite", "found a file of an artifact: name its folder, .*phone"),
        ("other.bin", "found something else"),
    ],
)
def test_it_says_what_the_file_is(tmp_path: Path, name: str, says: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b'{"name": "mine"} ' * 9)
    if file.parent != tmp_path:
        (file.parent / "leannet.json").write_text("{}")
    with pytest.raises(LeannetError, match=f"expected a leannet checkpoint .*, {says}"):
        read_header(file)
    with pytest.raises(LeannetError, match=says if "something" not in says else "expected an ONNX file, found"):
        open_artifact(file)


def test_a_name_of_another_format_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match=r"for .tflite: --format litert, and a folder"):
        artifact_path(tmp_path / "x.tflite", tmp_path / "x.onnx")
