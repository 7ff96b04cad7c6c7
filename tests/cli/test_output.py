"""Tables in a terminal: aligned, and no wider than it is."""

from typing import Any

import numpy as np
import pytest

from leannet.cli.evaluate import _print_confusion
from leannet.cli.output import print_table
from leannet.tasks.metrics import score

HEADERS = ("name", "what it is", "a", "b")
LINES = [("one", "short", 1, 22), ("twenty", "a sentence of words that goes on and on", 333, 4)]


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, **ways: Any
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table(HEADERS, LINES, left=2, **ways)
    return capsys.readouterr().out.splitlines()


def test_it_stays_as_it_is_where_there_is_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = printed(capsys, monkeypatch, 80)
    assert plain[0] == "name    what it is                                 a   b"
    assert plain[2] == "one     short                                      1  22"
    assert printed(capsys, monkeypatch, 80, wrapped="what it is", optional=("a",)) == plain
    assert printed(capsys, monkeypatch, 10, wrapped="what it is", optional=("a",), wide=True) == plain


def test_words_are_wrapped_before_columns_go(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, 40, wrapped="what it is", optional=("a", "b"))
    assert max(map(len, lines)) <= 40
    assert "left out" not in lines[-1]
    words = " ".join(line[8:32].strip() for line in lines[3:])
    assert words == "a sentence of words that goes on and on"
    assert lines[3].endswith("333   4")
    assert all(len(line) < 33 for line in lines[4:])


def test_columns_go_in_their_order(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(capsys, monkeypatch, 34, wrapped="what it is", optional=("b", "a"))
    assert lines[-1] == "left out: b; --wide shows all columns"
    assert max(map(len, lines[:-1])) <= 34
    assert lines[0].split()[-1] == "a"
    assert printed(capsys, monkeypatch, 20, wrapped="what it is", optional=("b", "a"))[-1].startswith("left out: b, a;")


def test_an_engine_is_named_in_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A path gives way first, at any letter."""
    monkeypatch.setenv("COLUMNS", "44")
    path = "runs/photos/exported/efficientnet.onnx"
    print_table(("engine", "file", "ms"), [("onnxruntime", path, "1.25")], left=2)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 44
    assert lines[2].startswith("onnxruntime  ")
    assert "".join(line[13:].removesuffix("1.25").strip() for line in lines[2:]) == path


def test_columns_of_one_name_are_two(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("class", "cat", "cat"), [("x", 1, 2)])
    assert capsys.readouterr().out.splitlines()[2] == "x        1    2"


def test_a_matrix_that_is_too_wide_is_a_list_of_mistakes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Class 3 is taken for class 4 four times, more than any other mistake."""
    monkeypatch.setenv("COLUMNS", "80")
    labels = np.repeat(np.arange(30), 5)
    answers = labels.copy()
    answers[15:19] = 4
    answers[0] = 1
    scores = score(np.eye(30, dtype=np.float32)[answers], labels, tuple(f"class {number}" for number in range(30)))
    _print_confusion(scores, wide=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].split() == ["class", "3", "class", "4", "4", "80.0", "%"]
    assert lines[-1] == "the 2 commonest mistakes; the whole matrix: --wide, or the report"
    _print_confusion(scores, wide=True)
    assert len(capsys.readouterr().out.splitlines()) == 32
