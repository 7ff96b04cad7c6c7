"""Comparisons: the front by brute force, McNemar by hand, and a page that says what does not compare."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image
from scipy.stats import binomtest

import leannet
from leannet.artifact import export
from leannet.cli.compare import command
from leannet.diagrams.names import labels
from leannet.errors import LeannetError
from leannet.files import run_lock
from leannet.header import read_header
from leannet.reports.comparison import Comparison, Timing, compare, write_figures, write_page
from leannet.reports.comparison.figures import figures
from leannet.reports.comparison.front import pareto_front
from leannet.reports.comparison.label_placement import overlap, place_labels
from leannet.reports.comparison.network import own_accuracy
from leannet.reports.comparison.pairs import Pair, answers, pair
from leannet.runtime import Latency
from leannet.sections import Metrics, Shipping
from leannet.style import figure
from leannet.training import train
from tests.conftest import draw_folder

SMALL: dict[str, Any] = {"model": "mobilenet_v3_debug", "batch_size": 5, "workers": 0, "quiet": True, "split": "50:50"}


# The front

number = some.integers(0, 8) | some.floats(0, 8)


@given(some.lists(some.tuples(number, number), max_size=14))
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    def beaten(one: tuple[float, float]) -> bool:
        return any(other != one and other[0] <= one[0] and other[1] >= one[1] for other in points)

    front = pareto_front(points)
    assert sorted(front) == [place for place, point in enumerate(points) if not beaten(point)]
    assert [points[place] for place in front] == sorted(points[place] for place in front)


# Names beside points


@given(
    some.lists(some.tuples(some.floats(0, 400), some.floats(0, 300), some.floats(1, 150)), max_size=20),
)
def test_no_name_lies_on_another_or_on_a_point(placed: list[tuple[float, float, float]]) -> None:
    points, sizes = [(x, y) for x, y, _ in placed], [(width, 12.0) for *_, width in placed]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    corners = place_labels(points, sizes, (0, 0, 400, 300), taken)
    boxes = [(*c, c[0] + w, c[1] + h) for c, (w, h) in zip(corners, sizes, strict=True) if c is not None]
    for place, box in enumerate(boxes):
        assert box[0] >= 0
        assert box[1] >= 0
        assert box[2] <= 400
        assert box[3] <= 300
        assert not any(overlap(box, other) for other in [*boxes[:place], *taken])


def test_a_point_alone_has_its_name_at_its_right() -> None:
    assert place_labels([(50, 50)], [(40, 10)], (0, 0, 100, 100)) == [(57, 45)]
    assert place_labels([(90, 50)], [(40, 10)], (0, 0, 100, 100)) == [(43, 45)]
    assert place_labels([(50, 50)], [(140, 10)], (0, 0, 100, 100)) == [None]
    line = (55, 0, 60, 100)  # which the name touches only where it must
    assert place_labels([(50, 50)], [(40, 10)], (0, 0, 100, 100), lines=[line]) == [(3, 45)]
    assert place_labels([(50, 50)], [(40, 10)], (45, 0, 100, 100), lines=[line]) == [(57, 45)]


# Image by image


@settings(deadline=None)
@given(some.integers(0, 4000), some.integers(0, 4000))
def test_mcnemar_is_scipys(first: int, second: int) -> None:
    """A coin thrown for each image."""
    counted = Pair("a", "b", 7, first, second, 3)
    expected = binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert counted.p_value == pytest.approx(expected, rel=1e-9, abs=1e-280)  # below which scipy gives 0
    assert counted.images == 10 + first + second


def test_who_is_correct_counted_by_hand() -> None:
    labels = np.array([0, 1, 1, 0])
    a = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]], np.float32)  # correct, correct, wrong, wrong
    b = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.3, 0.7]], np.float32)  # correct, wrong, correct, wrong
    names = ["1.png", "2.png", "3.png", "4.png"]
    one, two = answers(names, labels, a, ("x", "y")), answers(names, labels, b, ("x", "y"))
    assert pair("a", one, "b", two) == Pair("a", "b", both=1, only_first=1, only_second=1, neither=1)
    assert pair("a", one, "b", answers(names[:3], labels[:3], b[:3], ("x", "y"))) is None  # other images
    assert pair("a", one, "b", answers(names, labels, b, ("y", "x"))) is None  # other truths
    assert Pair("a", "b", 0, 1, 9, 0).p_value == pytest.approx(22 / 1024)


# Runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that validate on the same images, one that does not, and what was made of the first."""
    root = tmp_path_factory.mktemp("compare")
    folder = draw_folder(root / "shapes", each=16, kinds=("disc", "square"))
    train(str(folder), out=root / "one", **SMALL | {"epochs": 3})
    train(str(folder), out=root / "two <b>$_{", **SMALL | {"epochs": 2, "model": "two_layer_debug"})
    train(str(folder), out=root / "other", **SMALL | {"epochs": 1, "seed": 5})
    export(root / "one")
    (root / "mine.json").write_text(leannet.architecture("mobilenet_v2_debug").to_json())
    return root


@pytest.fixture(scope="module")
def comparison(runs: Path) -> Comparison:
    words = ["one", "two <b>$_{", "one/model.onnx", "mine.json"]
    return compare([*(str(runs / word) for word in words), "mobilenet_v2"])


def test_costs_are_those_of_count_and_files(comparison: Comparison, runs: Path) -> None:
    one, two, artifact, mine, zoo = comparison.networks
    assert [network.kind for network in comparison.networks] == [
        "run",
        "run",
        "artifact",
        "architecture file",
        "zoo name",
    ]
    assert one.size_bytes == (runs / "one" / "model.safetensors").stat().st_size
    assert artifact.size_bytes == (runs / "one" / "model.onnx").stat().st_size
    assert mine.size_bytes is zoo.size_bytes is None
    assert zoo.cost.macs == 300_774_272
    header = read_header(runs / "one")
    assert one.accuracy is not None
    assert one.accuracy.value == header.metrics.validation.accuracy
    assert one.accuracy == artifact.accuracy
    assert [line["epoch"] for line in two.log] == [1, 2]
    assert artifact.log == mine.log == zoo.log == []


def test_pairs_are_those_of_the_predictions(comparison: Comparison, runs: Path) -> None:
    correct = {}
    for name in ("one", "two <b>$_{"):
        with (runs / name / "predictions.csv").open() as file:
            correct[name] = {line["path"]: line["truth"] == line["prediction"] for line in csv.DictReader(file)}
    (pair,) = comparison.pairs
    first, second = correct[pair.first], correct[pair.second]
    assert sum(first.values()) >= sum(second.values())
    assert pair.images == len(first) == 16
    assert pair.only_first == sum(first[name] and not second[name] for name in first)
    assert pair.only_second == sum(second[name] and not first[name] for name in first)


def test_only_what_differs_is_among_the_settings(comparison: Comparison) -> None:
    assert comparison.settings == {
        "model": ["mobilenet_v3_debug", "two_layer_debug"],
        "epochs": ["3", "2"],
    }


def test_other_validation_images_are_said_to_be_and_stay_apart(runs: Path) -> None:
    comparison = compare([str(runs / "one"), str(runs / "other")])
    assert [[network.label for network in group] for group in comparison.groups] == [["one"], ["other"]]
    assert comparison.pairs == []
    marks = [read_header(runs / name).split.fingerprints["validation"] for name in ("one", "other")]
    digests = [read_header(runs / name).split.digests["validation"] for name in ("one", "other")]
    assert digests[0] != digests[1]
    assert marks[0] != marks[1]
    assert comparison.warnings[0].startswith("Not evaluated on the same images: one | other.")
    one, other = ({line["path"] for line in _predictions(runs / name)} for name in ("one", "other"))
    assert comparison.warnings[1].startswith(f"{len(one & other)} of the validation images of other")
    assert [len(front) for front in comparison.fronts("macs")] == [1, 1]


def _predictions(run: Path) -> list[dict[str, str]]:
    with (run / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


def test_published_accuracies_compare_only_among_themselves(comparison: Comparison) -> None:
    assert len(comparison.groups) > 0
    assert all(network.kind != "zoo name" for group in comparison.groups for network in group)
    assert "mobilenet_v2, a zoo name: no learning curves, no accuracy on these images" in comparison.missing[-1]
    zoo = compare(["mobilenet_v2", "shufflenet_v2", "resnet50"])
    assert len(zoo.groups) == 1
    assert [network.what for network in zoo.fronts("macs")[0]] == ["shufflenet_v2", "mobilenet_v2", "resnet50"]
    assert zoo.fronts("size_bytes") == [[]]


def test_a_run_that_was_stopped_is_no_equal(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def copied(name: str, *changes: tuple[str, str]) -> str:
        shutil.copytree(runs / "one", tmp_path / name)
        shutil.rmtree(tmp_path / name / "state")
        text = (tmp_path / name / "config.toml").read_text()
        for old, new in changes:
            text = text.replace(old, new)
        (tmp_path / name / "config.toml").write_text(text)
        return str(tmp_path / name)

    whole, short = copied("whole"), copied("short", ("epochs = 3", "epochs = 9"))
    comparison = compare([whole, short])
    assert comparison.warnings == ["short was stopped after 3 of its 9 epochs."]
    assert [network.progress.epochs for network in comparison.networks] == ["3", "3 of 9"]
    page = write_page(comparison, tmp_path / "x.html").read_text()
    assert page.index("short was stopped after 3 of its 9 epochs.") < page.index("No difference shown between whole")
    command([whole, short])
    assert "warning: short was stopped after 3 of its 9 epochs." in capsys.readouterr().out
    with run_lock(Path(short)):
        assert compare([short]).warnings == ["short is still training, after 3 of its 9 epochs."]
    # Of a run that patience may have ended, the log alone does not tell.
    patient = copied("patient", ("epochs = 3", "epochs = 9\npatience = 8"))
    assert compare([patient]).warnings == ["patient has 3 of its 9 epochs, and nothing tells whether it was stopped."]
    timed = copied("timed", ("epochs = 3", "epochs = 9\ntime = 60.0"))
    assert compare([timed]).warnings == []


def test_a_network_is_named_once(runs: Path) -> None:
    with pytest.raises(LeannetError, match="is named twice"):
        compare([str(runs / "one"), "mobilenet_v2", f"{runs / 'one'}/"])


def test_accuracy_is_left_out_where_options_change_the_rows(runs: Path) -> None:
    (one,) = compare([str(runs / "one")], resolution=48).networks
    assert one.accuracy is one.size_bytes is None
    assert one.log == []
    missing = compare([str(runs / "one")], resolution=48).missing
    assert missing == ["one, a run, whose rows the options changed: no learning curves, no accuracy and no file."]


def test_integers_have_the_accuracy_that_quantize_measured(runs: Path) -> None:
    header = read_header(runs / "one")
    shipping = Shipping(precision="int8", accuracy_after=0.75, evaluated_on=16)
    after = own_accuracy(header.model_copy(update={"shipping": shipping}), "x.onnx")
    float_one = own_accuracy(header, "one")
    assert after is not None
    assert float_one is not None
    assert (after.value, after.evaluated_on) == (0.75, float_one.evaluated_on)
    assert after.low is not None
    assert after.low < 0.75
    elsewhere = own_accuracy(
        header.model_copy(update={"shipping": shipping.model_copy(update={"evaluated_on": 15})}), "x.onnx"
    )
    assert elsewhere is not None
    assert elsewhere.evaluated_on != float_one.evaluated_on
    assert own_accuracy(header.model_copy(update={"metrics": Metrics()}), "x") is None


def test_predictions_of_other_weights_are_not_paired(runs: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for file in ("model.safetensors", "log.csv", "config.toml", "predictions.csv"):
            (tmp_path / name / file).write_bytes((runs / "one" / file).read_bytes())
    words = [str(tmp_path / "a"), str(tmp_path / "b")]
    (same,) = compare(words).pairs
    assert (same.only_first, same.only_second, same.p_value) == (0, 0, 1.0)
    lines = (tmp_path / "b" / "predictions.csv").read_text().splitlines()
    name, truth, *rest = lines[1].split(",")
    lines[1] = ",".join([name, "square" if truth == "disc" else "disc", *rest])
    (tmp_path / "b" / "predictions.csv").write_text("\n".join(lines) + "\n")
    assert compare(words).pairs == []


def test_names_are_as_short_as_they_can_be() -> None:
    assert labels(["runs/a", "runs/b"]) == ["a", "b"]
    assert labels(["x/run", "y/run", "mobilenet_v2"]) == ["x/run", "y/run", "mobilenet_v2"]
    assert labels(["runs/a", "runs/a/model.onnx", "mine.json"]) == ["a", "a/model.onnx", "mine.json"]
    assert labels(["/runs/a", "/runs/a"]) == ["/runs/a", "/runs/a"]


# The page and its figures


def test_the_page_shows_what_was_compared(comparison: Comparison, tmp_path: Path) -> None:
    page = write_page(comparison, tmp_path / "compare.html").read_text()
    for heading in ("Curves", "Accuracy against cost", "Table", "Image by image", "Settings that differ"):
        assert f"<h2>{heading}</h2>" in page
    assert "<b>$_{" not in page
    assert "two &lt;b&gt;$_{" in page
    assert re.findall(r"""(?:src|href)=["'](?!#|data:)""", page) == []
    assert page.count("<svg") == 4 + 2  # two curves twice; mult-adds and size
    ids = [part.split('"', 1)[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))
    assert len(page) < 1_000_000
    alone = write_page(compare(["mobilenet_v2"]), tmp_path / "alone.html").read_text()
    assert "<h2>Curves" not in alone
    assert "<h2>Settings" not in alone


def test_every_figure_is_written_with_its_data(comparison: Comparison, tmp_path: Path) -> None:
    latency = Latency(2.0, 1.9, 2.1, 2.2, 9)
    timing = Timing("an engine, 1 thread, a machine", {comparison.networks[0].what: latency})
    timed = compare([network.what for network in comparison.networks], timing=timing)
    assert "latency, being made for another engine" in timed.missing[0]
    files = write_figures(timed, tmp_path / "images")
    stems = {path.stem for path in files}
    assert {path.name for path in files} == {f"{stem}{end}" for stem in stems for end in (".svg", ".png", ".csv")}
    assert stems == {
        "accuracy_over_epochs", "loss_over_epochs", "accuracy_over_minutes", "loss_over_minutes",
        "accuracy_against_mult_adds", "accuracy_against_size", "accuracy_against_latency",
    }  # fmt: skip
    for path in files:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert image.size[0] >= 700
    with (tmp_path / "images" / "loss_over_epochs.csv").open() as file:
        lines = list(csv.DictReader(file))
    logs = [(network.what, line) for network in timed.networks for line in network.log]
    assert [(x["network"], float(x["validation_loss"])) for x in lines] == [(w, x["validation_loss"]) for w, x in logs]
    with (tmp_path / "images" / "accuracy_against_latency.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert (line["latency_ms"], line["on_front"]) == ("2.0", "True")


def test_every_figure_has_a_title_and_validation_is_solid(comparison: Comparison) -> None:
    for drawn in figures(comparison):
        with figure(5, drawn.height) as drawing:
            drawn.paint(drawing)
        (axes,) = drawing.axes
        assert axes.get_title() == drawn.label.capitalize()
        if "_over_" in drawn.name:
            assert not any(line.is_dashed() for line in axes.lines)


# The verb


def test_a_table_of_runs_in_the_terminal_loads_no_torch(runs: Path) -> None:
    code = (
        "import sys; sys.argv = ['leannet', 'compare', 'mobilenet_v2', sys.argv[1]]\n"
        "from leannet.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: print(*{'torch', 'matplotlib', 'sklearn', 'scipy', 'jinja2'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", code, str(runs / "one")]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert done.stdout.endswith("its own validation split\n\n"), done.stderr


def test_the_verb_writes_measures_and_refuses(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(runs / "one"), str(runs / "one" / "model.onnx"), "two_layer_debug"]
    command(words, out=tmp_path / "x.html", measure=True, seconds=0.1, json=True, quiet=True)
    data = json.loads(capsys.readouterr().out)
    assert data["page"] == str(tmp_path / "x.html")
    assert "onnxruntime" in data["latency_of"]
    assert "1 thread" in data["latency_of"]
    assert all(network["latency_ms"] > 0 for network in data["networks"])
    assert all(network["on_front"]["latency_ms"] in {True, False} for network in data["networks"])
    assert data["latency_of"] in (tmp_path / "x.html").read_text()
    for options, message in (
        ({"out": tmp_path / "no" / "x.html"}, "expected a name ending in .html, in a folder that exists"),
        ({"out": tmp_path / "x.png"}, "expected a name ending in .html"),
        ({"out": runs / "one" / "model.onnx"}, "expected a name ending in .html"),
        ({"figures": tmp_path / "x.html"}, "expected a folder, or a name for a new one, found a file"),
        ({"threads": 2}, "expected --measure with it"),
        ({"measure": True, "classes": 4}, "leave out --classes"),
    ):
        with pytest.raises(LeannetError, match=message):
            command(words, **options)  # type: ignore[arg-type]
