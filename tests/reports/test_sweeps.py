"""Widths and resolutions of one family: Tables 6 and 7 of MobileNets, and a line for each of them."""

import csv
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from leannet.cost.published import MOBILENET_V1, MOBILENET_V1_PAPER
from leannet.reports.comparison import Comparison, compare, write_figures, write_page
from leannet.reports.comparison.sweeps import sweeps
from leannet.style import figure

WIDTHS, RESOLUTIONS = (1.0, 0.75, 0.5, 0.25), (224, 192, 160, 128)


@pytest.fixture(scope="module")
def grid() -> Comparison:
    return compare([f"mobilenet_v1:{width:g}@{size}" for width, size in product(WIDTHS, RESOLUTIONS)])


def test_tables_6_and_7_of_mobilenets() -> None:
    words = [f"mobilenet_v1:{row.width:g}@{row.resolution}" for row in MOBILENET_V1_PAPER]
    for row, line in zip(MOBILENET_V1_PAPER, compare(words).to_dict()["networks"], strict=True):
        assert (line["width"], line["resolution"]) == (row.width, row.resolution)
        assert line["params"] / 1e6 == pytest.approx(row.params_m, abs=0.06)
        assert line["macs"] / 1e6 == pytest.approx(row.macs_m, rel=0.01)
        assert {published["accuracy"] for published in line["published"]} >= {row.top1 / 100}


def _axes(comparison: Comparison) -> Any:
    (sweep,) = sweeps(comparison)
    with figure(5, sweep.height) as drawing:
        sweep.paint(drawing)
    return drawing.axes[0]


def test_each_resolution_and_each_width_is_a_line_through_its_published_accuracies(grid: Comparison) -> None:
    axes = _axes(grid)
    macs = {(n.width, n.architecture.input.height): float(n.cost.macs) for n in grid.networks}
    top1 = {(row.width, row.resolution): row.top1 for row in MOBILENET_V1}
    expected = [sorted((macs[w, r], top1[w, r]) for w in WIDTHS) for r in RESOLUTIONS]
    expected += [sorted((macs[w, r], top1[w, r]) for r in RESOLUTIONS) for w in WIDTHS]
    lines = [[tuple(point) for point in line.get_xydata()] for line in axes.lines]
    assert lines == [[pytest.approx(point) for point in line] for line in expected]
    assert {line.get_label() for line in axes.lines[:4]} == {f"{size} px" for size in RESOLUTIONS}
    assert {text.get_text() for text in axes.texts} <= {f"width {width:g}" for width in WIDTHS}
    assert axes.get_title() == "mobilenet_v1: accuracy by width and resolution"


def test_a_sweep_of_one_is_named_so_and_others_are_none() -> None:
    widths = compare([f"mobilenet_v1:{width:g}" for width in WIDTHS])
    assert _axes(widths).get_title() == "mobilenet_v1: accuracy by width"
    sizes = compare([f"mobilenet_v2@{size}" for size in RESOLUTIONS])
    assert _axes(sizes).get_title() == "mobilenet_v2: accuracy by resolution"
    assert sweeps(compare(["mobilenet_v1", "mobilenet_v2", "resnet50"])) == []


def test_the_page_and_the_folder_have_it(grid: Comparison, tmp_path: Path) -> None:
    page = write_page(grid, tmp_path / "x.html").read_text()
    assert "<h2>Width and resolution</h2>" in page
    write_figures(grid, tmp_path / "figures")
    with (tmp_path / "figures" / "mobilenet_v1_by_width_and_resolution.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(float(line["width"]), int(line["resolution"])) for line in lines] == list(product(WIDTHS, RESOLUTIONS))
