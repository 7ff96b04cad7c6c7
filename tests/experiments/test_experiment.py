"""Two runs on one page: its numbers are those of the runs' own files, and nothing is fetched."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import leannet
from leannet.errors import LeannetError
from leannet.experiments import Experiment, write_page
from leannet.experiments.figures import FEWEST_STEPS, SMOOTHED, _smoothed, drawings
from leannet.looks import activations, embed
from leannet.run_files import STEPS
from leannet.training import train
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, draw_folder

SETTINGS: dict[str, Any] = {"epochs": 2, "batch_size": 5, "workers": 0, "quiet": True, "split": "60:40"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("experiment")
    draw_folder(root / "data", each=20)
    for name in ("mobilenet_v2_debug", "two_layer_debug"):
        train(str(root / "data"), out=root / name, model=name, **SETTINGS)
    return root / "mobilenet_v2_debug", root / "two_layer_debug"


@pytest.fixture(scope="module")
def experiment(runs: tuple[Path, Path]) -> Experiment:
    return leannet.experiment(runs, layers=["expanded_conv_project_BN", "conv_1"], quiet=True)


def test_it_shows_what_the_runs_have(runs: tuple[Path, Path], experiment: Experiment) -> None:
    assert "on 16 images" in experiment.verdict
    assert [name.split("/")[0] for name in experiment.examples] == ["disc", "square"]
    for run, side, layer in zip(runs, experiment.sides, ("expanded_conv_project_BN", "conv_1"), strict=True):
        lines = list(csv.DictReader((run / STEPS).read_text().splitlines()))
        assert [line.loss for line in side.steps] == [float(line["loss"]) for line in lines]
        assert side.steps_an_epoch == len(lines) / 2
        images = [run.parent / "data" / name for name in experiment.examples]
        for mine, theirs in zip(side.maps, activations(run, images, layer), strict=True):
            np.testing.assert_array_equal(mine.maps, theirs.maps)
        plane = embed(run, quiet=True).planes[1]
        assert side.embedding is not None
        np.testing.assert_array_equal(side.embedding.planes[1].points, plane.points)
    assert experiment.sides[0].maps[0].layer == "expanded_conv.project.norm"


def test_a_smoothed_curve_is_the_mean_of_groups(experiment: Experiment) -> None:
    x, y = _smoothed(experiment.sides[0], "loss")
    assert len(x) <= SMOOTHED
    assert x[-1] == experiment.sides[0].steps[-1].step
    losses = [line.loss for line in experiment.sides[0].steps]
    groups = np.array_split(losses, len(x))
    assert min(map(len, groups)) >= FEWEST_STEPS or len(x) == 1
    np.testing.assert_allclose(y, [group.mean() for group in groups])


def test_every_figure_is_titled_and_written_with_its_data(experiment: Experiment, tmp_path: Path) -> None:
    page = write_page(experiment, tmp_path / "e.html", tmp_path / "figures").read_text()
    figures = drawings(experiment)
    assert {each.name for each in figures} == {
        "accuracy_by_step", "loss_by_step", "confusion_a", "confusion_b", "feature_maps_a", "feature_maps_b", "tsne_a",
        "tsne_b",
    }  # fmt: skip
    assert page.count("<svg") == len(figures)
    assert "training dashed, validation solid" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    for each in figures:
        for ending in ("svg", "png", "csv"):
            assert (tmp_path / "figures" / f"{each.name}.{ending}").stat().st_size > 20
    lines = list(csv.DictReader((tmp_path / "figures" / "confusion_b.csv").read_text().splitlines()))
    assert sum(int(line["images"]) for line in lines) == experiment.sides[1].predictions.scores.images
    json.dumps(experiment.to_dict())


def test_runs_without_steps_are_drawn_by_epoch(runs: tuple[Path, Path], tmp_path: Path) -> None:
    old = shutil.copytree(runs[0], tmp_path / "old")
    (old / STEPS).unlink()
    experiment = leannet.experiment((old, runs[1]), quiet=True)
    assert drawings(experiment)[0].name == "accuracy_by_epoch"
    page = write_page(experiment, tmp_path / "e.html", tmp_path / "figures").read_text()
    assert "one of the runs has no steps.csv" in page
    lines = list(csv.DictReader((tmp_path / "figures" / "loss_by_epoch.csv").read_text().splitlines()))
    assert [(line["split"], line["epoch"]) for line in lines[:4]] == [
        ("training", "1"), ("training", "2"), ("validation", "1"), ("validation", "2"),
    ]  # fmt: skip
    assert len(lines) == 8


def test_runs_of_other_images_are_not_compared(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = train(str(runs[0].parent / "data"), out=tmp_path / "run", model="two_layer_debug", **SETTINGS, seed=5).path
    assert leannet.experiment((runs[0], other), quiet=True).verdict.startswith("The accuracies cannot be compared")


def test_images_that_moved_are_known_by_content(
    runs: tuple[Path, Path], experiment: Experiment, tmp_path: Path
) -> None:
    """Renamed, in another order, with others among them: the same images of the feature maps but for their names."""
    for number, file in enumerate(sorted((runs[0].parent / "data").rglob("*.png"), reverse=True)):
        (tmp_path / "moved" / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / "moved" / file.parent.name / f"{number}.png")
    moved = leannet.experiment(runs, str(tmp_path / "moved"), quiet=True)
    assert len(moved.examples) == len(experiment.examples) == 2
    validation = [
        maps.image for start in (0, 12) for maps in activations(runs[0], validated(runs[0])[start : start + 12])
    ]
    for maps in moved.sides[0].maps:
        assert any(np.array_equal(maps.image, image) for image in validation)
    with pytest.raises(LeannetError, match="nope: no such file or folder"):
        leannet.experiment(runs, str(tmp_path / "nope"), quiet=True)


def validated(run: Path) -> list[Path]:
    """The images that a run validated on."""
    with (run / "predictions.csv").open(newline="") as file:
        return [run.parent / "data" / line["path"] for line in csv.DictReader(file)]


def test_of_few_images_there_is_no_plane(runs: tuple[Path, Path], tmp_path: Path) -> None:
    draw_folder(tmp_path / "few", each=6)
    few = [train(str(tmp_path / "few"), out=tmp_path / name, **SETTINGS | {"model": "two_layer_debug"}).path
           for name in ("a", "b")]  # fmt: skip
    page = write_page(leannet.experiment(few, quiet=True), tmp_path / "e.html").read_text()
    assert page.count("Too few validation images.") == 2


def test_what_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match="expected a list of two runs, found 1"):
        leannet.experiment(runs[:1])
    draw_folder(tmp_path / "others", each=8, kinds=("ring", "disc"))
    other = train(str(tmp_path / "others"), out=tmp_path / "run", model="two_layer_debug", **SETTINGS).path
    with pytest.raises(LeannetError, match="expected runs of the same classes, found disc, square and disc, ring"):
        leannet.experiment((runs[0], other), quiet=True)
    (other / "predictions.csv").unlink()
    with pytest.raises(LeannetError, match="expected a run with weights and predictions"):
        leannet.experiment((other, other), quiet=True)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [390, 830, 1440])
def test_it_fits(experiment: Experiment, tmp_path: Path, width: int) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    write_page(experiment, tmp_path / "e.html")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto((tmp_path / "e.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") == width
        browser.close()
