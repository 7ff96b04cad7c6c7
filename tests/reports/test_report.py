"""The page of a run: whole, alone, and honest about what is missing."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix

import leannet
from leannet.checkpoint import load, save
from leannet.cli.report import command
from leannet.data.augment import Augment, augmented
from leannet.data.images import read, to_color
from leannet.data.loader import PreparedDataset
from leannet.data.sources import open_dataset
from leannet.errors import LeannetError
from leannet.reports.costs import measure
from leannet.reports.curves import draw_curve
from leannet.reports.images import mistakes, open_run, samples
from leannet.reports.run import class_counts
from leannet.reports.run_contents import read_run
from leannet.sections import Metrics
from leannet.style import figure
from leannet.tasks.predictions import read_predictions
from leannet.training import Run, train
from tests.conftest import draw_folder
from tests.reports.synthetic_runs import synthetic_run

HEADINGS = ("Learning curves", "Confusion matrix", "Classes", "Calibration", "Cost", "Data", "Settings")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("report")
    folder = draw_folder(root / "shapes", kinds=("disc", "square & <b>co"))
    (folder / "disc" / "broken.png").write_bytes(b"x")
    run = train(str(folder), out=root / "run", model="mobilenet_v3_debug", epochs=2, quiet=True)
    leannet.report(run.path)
    return run


@pytest.fixture
def copied(finished: Run, tmp_path: Path) -> Path:
    """A run to break. Its data stay where they are."""
    return Path(shutil.copytree(finished.path, tmp_path / "run"))


class _Tags(HTMLParser):
    """The tags still open, and everything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.images: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "img", "br", "path", "use", "rect", "input"}:
            self.open.append(tag)
        for name, value in attributes:
            if name in {"src", "href", "xlink:href", "srcset"} and value and value[0] != "#":
                (self.images if value.startswith("data:") else self.fetched).append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def _page(run: Path) -> str:
    return leannet.report(run).read_text()


def test_the_page_is_whole_and_fetches_nothing(finished: Run) -> None:
    page = (finished.path / "report.html").read_text()
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.fetched == []
    assert "url(http" not in page
    assert "@import" not in page
    assert len(page) < 1_000_000


def test_the_page_shows_what_the_run_holds(finished: Run) -> None:
    page = (finished.path / "report.html").read_text()
    for heading in HEADINGS:
        assert f"<h2>{heading}</h2>" in page
    assert finished.validation is not None
    assert f"Correct on {100 * finished.validation.accuracy:.1f} % of {finished.validation.images} validation" in page
    assert "disc/broken.png: not an image" in page
    assert "<b>co" not in page  # class names are text, whatever they look like
    assert "square &amp; &lt;b&gt;co" in page
    assert "leannet report" in page
    assert "--figures FOLDER" in page
    assert "--measure" in page


def test_the_matrix_is_scikit_learns(finished: Run) -> None:
    page = (finished.path / "report.html").read_text()
    _, labels, probabilities, classes = read_predictions(finished.path / "predictions.csv")
    expected = confusion_matrix(labels, probabilities.argmax(1), labels=range(len(classes)))
    cell = r'title="[^"]* taken for [^"]*: (\d+)"><b class="n">([\d,]+)</b><span class="r">(\d+) %.*?(\d+) %'
    cells = re.findall(cell, page)
    assert [int(n) for n, *_ in cells] == expected.flatten().tolist()
    rows = (100 * expected / np.maximum(expected.sum(1, keepdims=True), 1)).flatten()
    columns = (100 * expected / np.maximum(expected.sum(0, keepdims=True), 1)).flatten()
    assert [int(r) for _, _, r, _ in cells] == [pytest.approx(value, abs=0.51) for value in rows]
    assert [int(c) for *_, c in cells] == [pytest.approx(value, abs=0.51) for value in columns]


def test_of_a_hundred_classes_it_draws_a_map(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path / "run", classes=100, images=2000)
    page = _page(run)
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    _, labels, probabilities, classes = read_predictions(run / "predictions.csv")
    expected = confusion_matrix(labels, probabilities.argmax(1), labels=range(100))
    matrix = np.zeros((100, 100), int)
    for t, p, n in data["cells"]:
        matrix[t, p] = n
    assert (matrix == expected).all()
    assert data["classes"] == list(classes)
    wrong = Counter({(t, p): int(expected[t, p]) for t in range(100) for p in range(100) if t != p})
    pairs = re.findall(r"<li><b[^>]*>kind (\d+)</b> taken for <b[^>]*>kind (\d+)</b>: (\d+) of (\d+)</li>", page)
    assert [int(n) for _, _, n, _ in pairs] == [n for _, n in wrong.most_common(12)]
    assert all((expected[int(t), int(p)], expected[int(t)].sum()) == (int(n), int(of)) for t, p, n, of in pairs)
    assert len(page) < 1_000_000


def test_mistakes_are_the_surest_first_with_their_images(finished: Run) -> None:
    contents = read_run(finished.path)
    assert contents.predictions is not None
    worst = mistakes(contents.predictions, open_run(contents))
    wrong = contents.predictions.probabilities.argmax(1) != contents.predictions.labels
    assert len(worst) == min(12, wrong.sum())
    assert [m.probability for m in worst] == sorted(
        contents.predictions.probabilities.max(1)[wrong].tolist(), reverse=True
    )[:12]
    assert all(
        m.network_input is not None and m.name.startswith(m.truth + "/") and m.prediction != m.truth for m in worst
    )


def test_another_image_of_the_same_name_is_not_shown(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "shapes")
    run = train(str(folder), out=tmp_path / "run", model="mobilenet_v3_debug", epochs=1, quiet=True).path
    contents = read_run(run)
    assert contents.predictions is not None
    first = mistakes(contents.predictions, open_run(contents))
    assert first
    Image.new("RGB", (40, 40), "red").save(folder / first[0].name)
    (folder / first[-1].name).unlink()
    after = mistakes(contents.predictions, open_run(contents))
    assert [m.network_input is None for m in after] == [m.name in {first[0].name, first[-1].name} for m in first]
    assert "not the image that was evaluated, or missing" in _page(run)
    folder.rename(tmp_path / "elsewhere")
    page = _page(run)
    assert "The images cannot be shown" in page
    assert "predicted <b" in page


def test_samples_are_training_images_changed_as_the_loader_changes_them(finished: Run) -> None:
    contents = read_run(finished.path)
    run_images = open_run(contents)
    augment = Augment(policy="trivial", erase=0.5)
    shown = samples(run_images, augment, seed=0)
    _, header = load(finished.path)
    names, *_ = read_predictions(finished.path / "predictions.csv")
    assert len(shown) == 16
    assert not {sample.name for sample in shown} & set(names)  # none of the validation split
    dataset = open_dataset(header.provenance.data)
    loader = PreparedDataset(dataset, header.preprocessing, augment, seed=3)
    for index in (0, 5, 20):
        path = dataset.reader(index)
        assert isinstance(path, Path)
        if path.name == "broken.png":
            continue
        image = to_color(read(path), header.preprocessing)
        mine = augmented(image, header.preprocessing, augment, np.random.default_rng((3, 0, index)))[0]
        assert (mine == loader[index, 0][0].permute(1, 2, 0).numpy()).all()


def test_classes_are_counted_in_each_split(finished: Run) -> None:
    contents = read_run(finished.path)
    assert contents.predictions is not None
    counts = class_counts(contents, open_run(contents))
    assert sum(counts["train"]) == finished.header.split.sizes["train"]
    assert counts["validation"] == np.bincount(contents.predictions.labels).tolist()
    assert np.add(counts["train"], counts["validation"]).tolist() == [12, 12]
    assert contents.header is not None
    assert {name: list(numbers) for name, numbers in contents.header.split.counts.items()} == counts | {"test": [0, 0]}
    without = contents.header.model_copy(update={"split": contents.header.split.model_copy(update={"counts": {}})})
    assert class_counts(replace(contents, header=without), open_run(contents)) == counts  # from the images
    assert class_counts(replace(contents, header=without), None) == {"validation": counts["validation"]}
    split = contents.header.split.model_copy(update={"counts": {"train": (3, 4), "test": (0, 0)}})
    recorded = contents.header.model_copy(update={"split": split})
    assert class_counts(replace(contents, header=recorded), None) == {"train": [3, 4]}


def test_measured_times_are_kept_and_shown(copied: Path) -> None:
    file = measure(copied, "torch", seconds=0.01)
    times = json.loads(file.read_text())
    page = _page(copied)
    assert file == copied / "latency.json"
    assert "measured time" in page
    assert times["engine"] in page
    assert times["machine"]["processor"] in page
    shown = [float(ms) for ms in re.findall(r'<td class="ms">([\d.]+) ms', page)]
    assert shown == [pytest.approx(row["ms"], abs=6e-4) for row in times["rows"]]
    times["rows"][0]["out_shape"][0] += 1
    file.write_text(json.dumps(times))
    assert "latency.json is of other rows" in _page(copied)
    file.write_text("{")
    assert "latency.json is broken" in _page(copied)


def test_on_the_command_line(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LeannetError, match="--threads: expected --measure with it"):
        command(str(copied), threads=2)
    command(str(copied), tmp_path / "p.html", tmp_path / "f", True, "torch", seconds=0.01, json=True, quiet=True)
    result = json.loads(capsys.readouterr().out)
    assert result == {
        "report": str(tmp_path / "p.html"),
        "latency": str(copied / "latency.json"),
        "figures": str(tmp_path / "f"),
    }
    assert "measured time" in (tmp_path / "p.html").read_text()
    with (tmp_path / "f" / "cost_by_row.csv").open() as file:
        assert float(next(csv.DictReader(file))["ms"]) >= 0
    (tmp_path / "file").write_text("x")
    with pytest.raises(LeannetError, match="expected a folder, or a name for a new one"):
        command(str(copied), figures=tmp_path / "file")


def test_every_figure_as_maps_and_data(finished: Run, tmp_path: Path) -> None:
    leannet.report(finished.path, tmp_path / "page.html", figures=tmp_path / "figures")
    names = ("learning_curves", "confusion", "calibration", "cost_by_row", "cost_by_kind", "class_counts")
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {f"{name}{ending}" for name in names for ending in (".png", ".svg", ".csv")}
    for name in names:
        with Image.open(tmp_path / "figures" / f"{name}.png") as drawn:
            assert drawn.width > 300

    def table(name: str) -> list[dict[str, str]]:
        with (tmp_path / "figures" / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    assert finished.validation is not None
    matrix = [[int(n) for name, n in line.items() if name != "true \\ predicted"] for line in table("confusion")]
    assert matrix == [list(line) for line in finished.validation.confusion]
    assert [float(line["validation_accuracy"]) for line in table("learning_curves")] == pytest.approx(
        [line["validation_accuracy"] for line in finished.log], abs=1e-5
    )
    cost = leannet.count(finished.header.architecture)
    assert sum(int(line["params"]) for line in table("cost_by_row")) == cost.params
    assert sum(int(line["macs"]) for line in table("cost_by_row")) == cost.macs
    assert sum(int(line["images"]) for line in table("calibration")) == finished.validation.images
    assert sum(int(line["train"]) for line in table("class_counts")) == finished.header.split.sizes["train"]


def test_a_broken_run_says_what_is_missing_and_shows_the_rest(finished: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_bytes((finished.path / "config.toml").read_bytes())
    page = _page(tmp_path / "run")
    assert page.count("Missing:") == 3
    assert "<h2>Settings</h2>" in page
    (tmp_path / "run" / "log.csv").write_bytes((finished.path / "log.csv").read_bytes())
    page = _page(tmp_path / "run")
    assert page.count("Missing:") == 2
    assert "<h2>Learning curves</h2>" in page
    (tmp_path / "run" / "predictions.csv").write_bytes((finished.path / "predictions.csv").read_bytes())
    page = _page(tmp_path / "run")
    assert page.count("Missing:") == 1
    assert "<h2>Calibration</h2>" in page


def _half(name: str, data: bytes) -> bytes:
    """The first half of a file. Of a table: half of its lines, and half of the next one. Settings end after a "="."""
    if name.endswith(".toml"):
        return data[: data.index(b"=", len(data) // 2) + 1]
    if name.endswith(".csv"):
        lines = data.splitlines(keepends=True)
        middle = len(lines) // 2
        return b"".join(lines[:middle]) + lines[middle][: len(lines[middle]) // 2]
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("name", "missing", "of_half", "undamaged_heading"),
    [
        ("log.csv", "Missing: learning curves (", ["no epoch is finished"], "Settings"),
        (
            "predictions.csv",
            "Missing: the predictions of the validation images (",
            [
                "1 of the 2 lines of predictions.csv is broken and left out.",
                "2 of the 4 validation images are not in predictions.csv.",
            ],
            "Learning curves",
        ),
        ("config.toml", "Missing: the settings (", ["config.toml: not TOML"], "Cost"),
        (
            "model.safetensors",
            "Missing: the best weights (",
            ["Rows, cost and data are read from last.safetensors instead."],
            "Confusion matrix",
        ),
    ],
)
@pytest.mark.parametrize("damage", ["gone", "empty", "half", "noise"])
def test_each_file_damaged(
    copied: Path, name: str, damage: str, missing: str, of_half: list[str], undamaged_heading: str
) -> None:
    """The page says what is missing and shows the rest. An empty config.toml is valid; half a table has lines."""
    data = (copied / name).read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, 500, dtype=np.uint8).tobytes()
    if damage == "gone":
        (copied / name).unlink()
    else:
        (copied / name).write_bytes({"empty": b"", "half": _half(name, data), "noise": noise}[damage])
    page = _page(copied)
    assert f"<h2>{undamaged_heading}</h2>" in page
    is_usable = (name, damage) in (("config.toml", "empty"), ("predictions.csv", "half"))
    assert page.count("Missing:") == (0 if is_usable else 1)
    assert (missing in page) == (not is_usable)
    if damage == "half":
        assert all(sentence in page for sentence in of_half)


def test_a_log_that_was_cut_off_shows_its_whole_lines(copied: Path) -> None:
    text = (copied / "log.csv").read_text()
    (copied / "log.csv").write_text(text + "3,0.5,0.")
    page = _page(copied)
    assert "Missing: 1 of the 3 lines of log.csv" in page
    assert "<h2>Learning curves</h2>" in page


def test_a_trained_run_of_which_more_was_wanted(copied: Path) -> None:
    settings = (copied / "config.toml").read_text()
    assert "Stopped" not in _page(copied)
    (copied / "config.toml").write_text(settings.replace("epochs = 2\n", "epochs = 5\n"))
    assert f"Stopped after 2 of 5 epochs; to go on: leannet train --resume {copied}" in _page(copied)


def test_predictions_of_other_weights_are_left_out(copied: Path) -> None:
    text = (copied / "predictions.csv").read_text().replace("disc", "ring")
    (copied / "predictions.csv").write_text(text)
    page = _page(copied)
    assert "belongs to other weights: it has 2 classes (ring, square" in page
    assert "<h2>Confusion matrix</h2>" not in page
    assert "<h2>Cost</h2>" in page


def test_predictions_of_another_epoch_are_said_to_be(copied: Path) -> None:
    network, header = load(copied)
    assert header.metrics.validation is not None
    other = header.metrics.validation.model_copy(update={"accuracy": 0.123})
    metrics = Metrics(epoch=1, validation=other)
    save(copied / "model.safetensors", network, header.model_copy(update={"metrics": metrics}))
    assert "predictions.csv is of another epoch" in _page(copied)


def test_without_a_validation_image(copied: Path) -> None:
    (copied / "predictions.csv").write_text((copied / "predictions.csv").read_text().splitlines()[0] + "\n")
    page = _page(copied)
    assert "expected a line a validation image, found none" in page
    assert "<h2>Data</h2>" in page


def test_without_a_mistake(copied: Path) -> None:
    lines = (copied / "predictions.csv").read_text().splitlines()
    classes = [column.removeprefix("p_") for column in next(csv.reader(lines[:1]))[3:]]
    sure = [[n, t, t, *(f"{float(c == t):g}" for c in classes)] for n, t, *_ in csv.reader(lines[1:])]
    with (copied / "predictions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([next(csv.reader(lines[:1])), *sure])
    page = _page(copied)
    assert "without a mistake" in page
    assert "Confident mistakes" not in page


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match="expected a run folder"):
        leannet.report(tmp_path)


def test_it_needs_no_torch(finished: Run) -> None:
    code = f"import sys, leannet; leannet.report({str(finished.path)!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_figure_has_a_title_and_training_is_dashed(finished: Run, tmp_path: Path) -> None:
    leannet.report(finished.path, tmp_path / "page.html", figures=tmp_path / "figures")
    titles = {
        "learning_curves": ["Accuracy by epoch", "Loss by epoch", "Learning rate by epoch"],
        "confusion": ["Confusion matrix, validation images"],
        "calibration": ["Accuracy by confidence"],
        "cost_by_row": ["Cost by row"],
        "cost_by_kind": ["Cost by kind of layer"],
        "class_counts": ["Images of each class"],
    }
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == titles.keys()
    for name, expected in titles.items():
        drawing = (tmp_path / "figures" / f"{name}.svg").read_text()
        assert [title for title in expected if f">{title}</text>" in drawing] == expected
    page = (tmp_path / "page.html").read_text()
    assert all(f">{title}</text>" in page for title in (*titles["learning_curves"], *titles["calibration"]))
    for name in ("accuracy", "loss"):
        with figure(5, 3) as drawing:
            axes = drawing.subplots()
            draw_curve(axes, name, read_run(finished.path).log, best_epoch=1)
        is_dashed = {line.get_label(): line.is_dashed() for line in axes.lines[:2]}
        assert is_dashed == {"training": True, "validation": False}
