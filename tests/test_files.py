"""Files are written whole, and nothing that is read is written over."""

from pathlib import Path

import pytest

from leannet.errors import LeannetError
from leannet.files import spare_inputs


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["photos/../cat.jpg"], "is an input of this command"),
        (["run/log.csv"], "is a file of a run"),
        (["a.csv", None, "photos/../a.csv"], "found it twice"),
    ],
)
def test_outputs_spare_inputs(
    outputs: list[str | None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cat.jpg", "run/log.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    with pytest.raises(LeannetError, match=message):
        spare_inputs(outputs, ["run", "cat.jpg"])
    spare_inputs(["dog.jpg", None, "log.csv"], ["run", "cat.jpg"])
