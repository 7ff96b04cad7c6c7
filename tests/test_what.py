"""WHAT with a width and a resolution behind it means what the options mean."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leannet.errors import LeannetError
from leannet.what import Word, parse, resolve
from leannet.zoo import FAMILIES, architecture


@given(
    name=st.sampled_from(sorted(FAMILIES)),
    width=st.none() | st.integers(1, 1600).map(lambda number: number / 100),
    resolution=st.none() | st.integers(1, 5000),
)
def test_a_word_is_taken_apart_as_it_was_put_together(name: str, width: float | None, resolution: int | None) -> None:
    word = name + ("" if width is None else f":{width:g}") + ("" if resolution is None else f"@{resolution}")
    assert parse(word) == Word(name, width, resolution)


def test_it_means_what_the_options_mean_and_its_own_come_first() -> None:
    expected = architecture("mobilenet_v2", 0.5, 160, 7)
    assert resolve("mobilenet_v2:0.5@160", classes=7) == expected
    assert resolve("mobilenet_v2", 0.5, 160, 7) == expected
    assert resolve("mobilenet_v2:0.5", 0.75, 160, 7) == expected
    assert resolve("mobilenet_v2@160", 0.5, 96, 7) == expected


def test_files_take_a_resolution_and_refuse_a_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = architecture("mobilenet_v2_debug")
    Path("mine.json").write_text(mine.to_json())
    assert resolve("mine.json@64") == mine.with_input(64)
    with pytest.raises(LeannetError, match=r"mine\.json:0\.5: its rows have their widths"):
        resolve("mine.json:0.5")
    Path("a:2@3.json").write_text(mine.to_json())  # a file that is there is that file
    assert resolve("a:2@3.json") == mine


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("mobilenet_v2:half", "found the width 'half'"),
        ("mobilenet_v2:nan", "found the width 'nan'"),
        ("mobilenet_v2:", "found the width ''"),
        ("mobilenet_v2@", "found the resolution ''"),
        ("mobilenet_v2@1.5", "found the resolution '1.5'"),
        ("mobilenet_v2@160:0.5", "expected NAME:WIDTH@RESOLUTION"),
        ("mobilenet_v2:1:1", "expected NAME:WIDTH@RESOLUTION"),
        ("mobilenet_v2:0", "width must be above 0"),
        ("mobilenet_v2@0", "resolution must be 1 or more"),
        ("mobilnet_v2:0.5@160", "no network is named 'mobilnet_v2:0.5@160'.*nearest: mobilenet_v2"),
        ("mine.json@64", "no network|no such file"),
    ],
)
def test_what_is_no_word_is_refused(word: str, says: str) -> None:
    with pytest.raises(LeannetError, match=says):
        resolve(word)
