"""What a notebook shows, with a stand-in for IPython: a live line in place, and what things look like."""

import builtins
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import leannet
from leannet import notebook
from leannet.console import Console
from leannet.evaluation import Scores
from leannet.notebook import markdown_table
from leannet.training import train


class ZMQInteractiveShell:
    """Named as in a kernel, by which rich knows a notebook."""


class Cell:
    """The output of a cell: a list of what is shown, in which a handle replaces its own."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []
        self.updates = 0

    def display(self, shown: Any, display_id: bool = False, **_: Any) -> Any:
        self.outputs.append(shown)
        cell, place = self, len(self.outputs) - 1

        class Handle:
            def update(self, other: Any) -> None:
                cell.outputs[place] = other
                cell.updates += 1

        return Handle() if display_id else None

    def html(self) -> list[str]:
        """As a notebook draws it: rich brings a bundle, leannet its own."""
        return [
            each._repr_html_() if hasattr(each, "_repr_html_") else each._repr_mimebundle_([], [])["text/html"]
            for each in self.outputs
        ]


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    cell = Cell()
    package, module = ModuleType("IPython"), ModuleType("IPython.display")
    package.version_info = (9, 0)  # type: ignore[attr-defined]  # matplotlib looks at it
    module.display = cell.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    return cell


def test_a_line_changes_in_place_and_goes(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "OFTEN", 0.0)
    seen = []
    with Console().bar(4) as bar:
        for done in range(1, 5):
            bar.advance(done, "epoch 1/1", f"loss <{done}>")
            assert len(cell.outputs) == 1
            seen += cell.html()
    assert [f'value="{done}" max="4"' in html for done, html in enumerate(seen, start=1)] == [True] * 4
    assert "epoch 1/1  loss &lt;3&gt;" in seen[2]
    assert cell.html() == [""]


def test_a_line_does_not_change_with_every_batch(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(notebook.time, "monotonic", lambda: next(clock) / 100)  # a batch each hundredth of a second
    monkeypatch.setattr(notebook, "OFTEN", 0.2)
    assert list(Console().track(iter(range(100)), 100, "reading")) == list(range(100))
    assert 5 <= cell.updates <= 7


def test_quiet_is_quiet_in_a_notebook_too(cell: Cell) -> None:
    assert list(Console(quiet=True).track(iter(range(3)), 3, "reading")) == [0, 1, 2]
    assert cell.outputs == []


def test_training_in_a_notebook(cell: Cell, shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "<run>", model="two_layer_debug", epochs=2, workers=0)
    said = "".join(cell.html())
    assert "24 images, 2 classes" in said
    assert "epoch   2/2" in said
    assert "<progress" not in said  # the line is gone
    html = run._repr_html_()
    assert run.validation is not None
    assert run.validation.line() in html
    assert html.count("<svg") == 1
    assert "&lt;run&gt;" in html
    assert "<run>" not in html


def test_curves_grow_while_a_network_trains(
    cell: Cell, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A figure of the loss and one of the accuracy, which end at the last step; each epoch is a point."""
    monkeypatch.setattr(notebook, "OFTEN", 0.0)
    seen: list[str] = []
    show = notebook.LiveLine.show

    def watched(self: notebook.LiveLine, *words: Any) -> None:
        show(self, *words)
        seen.append("".join(cell.html()))

    monkeypatch.setattr(notebook.LiveLine, "show", watched)
    train(str(shapes), out=tmp_path / "run", model="two_layer_debug", epochs=3, batch_size=5, workers=0)
    grown = [html for html in seen if "<polyline" in html]
    assert all(html.count("<svg") == 2 for html in grown)
    assert ">loss</text>" in grown[0]
    assert "accuracy, %" in grown[0]
    assert grown[0].count("<circle") == 0
    assert grown[-1].count("<circle") == 2 * 2  # two epochs are done while the third trains
    assert "step 12<" in grown[-1]
    assert "<polyline" not in "".join(cell.html())


def test_a_curve_is_where_its_values_are() -> None:
    """By hand: two steps of loss 4 and 2, the axis from 0 to the largest; long ones are means of groups."""
    curves = notebook.Curves()
    for loss in (4.0, 2.0):
        curves.step(loss, loss / 4)
    curves.epoch(1.0, 0.5)
    html = curves.to_html()
    bottom, top = notebook.HEIGHT - 18, 22
    heights = [float(point.split(",")[1]) for point in html.split('points="')[1].split('"')[0].split()]
    assert heights == [top, pytest.approx((bottom + top) / 2)]
    for _ in range(10_000):
        curves.step(2.0, 0.5)
    assert len(curves.to_html().split('points="')[1].split('"')[0].split()) <= notebook.MOST_POINTS


def test_tables_as_markdown() -> None:
    count = leannet.count(leannet.architecture("mobilenet_v3_debug"))
    table = count._repr_markdown_()
    assert table == leannet.create("mobilenet_v3_debug")._repr_markdown_()
    lines = table.splitlines()
    assert lines[-1].startswith(f"| total | {count.params:,} | {count.macs:,} | 100.0 % |")
    assert len({line.count(" | ") for line in lines}) == 1
    assert markdown_table(("a", "b"), [("<i>|x_y", 1)]).splitlines()[2] == r"| &lt;i&gt;\|x\_y | 1 |"


def test_scores_of_many_classes_show_the_worst() -> None:
    import numpy as np

    from leannet.evaluation import score

    labels = np.arange(30)
    scores: Scores = score(np.eye(30)[np.maximum(labels, 3)], labels, tuple(f"class {n}" for n in range(30)))
    shown = scores._repr_markdown_()
    assert shown.startswith(scores.line())
    assert len(shown.splitlines()) == 2 + 2 + 20
    assert "class 0 |" in shown.splitlines()[4]
