"""A detector from a folder of annotated images to what is shipped, through the verbs that classifiers go through."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

import leannet
from leannet.artifact import check, open_artifact
from leannet.artifact.exporting import export_folder
from leannet.cli.app import app
from leannet.errors import LeannetError
from leannet.header import read_header
from leannet.quantization import quantize
from leannet.reports.images import RunImages
from leannet.rows import Architecture
from leannet.sections import BoxSummary
from leannet.tasks import Detection, Found, FoundObjects, finds_boxes, task_of
from leannet.tasks.detection import BoxScores, overlap
from leannet.training.run import resume, train
from leannet.weights import read_weights
from tests.boxes import COLORS, boxed_image, coco_set
from tests.serving.client import running

EPOCHS = 16
SETTINGS: dict[str, Any] = {
    "model": "mobilenet_v2_debug", "detecting": {"levels": (4,), "head_channels": 16}, "resolution": 96, "workers": 0,
    "threads": 1, "batch_norm": "torch", "batch_size": 8, "optimizer": {"name": "adamw", "lr": 2e-2},
    "ema_decay": 0.0, "quiet": True, "cpu": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return coco_set(tmp_path_factory.mktemp("boxes") / "coco", {"train": 48, "val": 16, "test": 12})


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    path = data.parent / "run"
    made = train(data, out=path, epochs=EPOCHS, **SETTINGS)
    assert isinstance(made.test, BoxScores)
    assert made.test.images == 12
    return path


@pytest.fixture(scope="module")
def shipped(run: Path) -> dict[str, Path]:
    """The run in every format."""
    paths = {"onnx": leannet.export(run).path}
    for format in ("openvino", "ncnn", "litert"):
        paths[format] = export_folder(run, format).path
    return paths


def test_a_run_is_scored_and_kept_like_any_other(run: Path, data: Path) -> None:
    header = read_header(run)
    assert finds_boxes(header.architecture)
    assert header.classes == ("blue", "red")
    assert (header.preprocessing.resize, header.preprocessing.height, header.preprocessing.width) == (
        "letterbox", 64, 96,
    )  # fmt: skip
    for summary, images in ((header.metrics.validation, 16), (header.metrics.test, 12)):
        assert isinstance(summary, BoxSummary)
        assert summary.images == images
        assert summary.ap50 > 0.5
    with (run / "log.csv").open(newline="") as file:
        log = list(csv.DictReader(file))
    assert len(log) == EPOCHS
    assert {"train_recall", "validation_ap", "validation_ap50"} <= log[0].keys()
    assert max(float(line["validation_ap"]) for line in log) == pytest.approx(header.metrics.validation.ap, abs=1e-5)


def test_evaluating_again_gives_the_scores_of_training(run: Path, data: Path, shipped: dict[str, Path]) -> None:
    of_run = read_header(run).metrics.validation
    assert isinstance(of_run, BoxSummary)
    again = leannet.evaluate(run, quiet=True).scores
    assert isinstance(again, BoxScores)
    assert again.summary().ap == pytest.approx(of_run.ap, abs=0.02)  # folded layers round in another way
    test = leannet.evaluate(run, split="test", quiet=True).scores
    of_test = read_header(run).metrics.test
    assert isinstance(of_test, BoxSummary)
    assert test.summary().ap == pytest.approx(of_test.ap, abs=0.02)
    everything = leannet.evaluate(shipped["onnx"], str(data), quiet=True).scores
    assert everything.images == 76


def test_boxes_are_where_they_were_drawn(run: Path, tmp_path: Path, shipped: dict[str, Path]) -> None:
    """In pixels of an image of any size, from a run and from every format alike."""
    truth = boxed_image(tmp_path, 1001)
    tall = Image.new("RGB", (200, 300), (128, 128, 128))
    with Image.open(truth.path) as image:
        tall.paste(image, (4, 100))
        size = image.size
    tall.save(tmp_path / "tall.png")
    (answer,), broken = leannet.predict(run, [truth.path])
    assert not broken
    assert isinstance(answer, FoundObjects)
    assert answer.size == size
    likely = answer.likely
    assert len(likely) >= 1
    boxes = np.array([each.box for each in truth.objects])
    hits = [max(overlap(np.array(each.box), boxes)) for each in likely]
    assert np.mean([hit > 0.5 for hit in hits]) > 0.5
    config = (run / "config.toml").read_text()
    assert "resolution = 96" in config
    for path in shipped.values():
        for image in (truth.path, tmp_path / "tall.png"):
            of_torch, of_file = (leannet.predict(which, [image])[0][0] for which in (run, path))
            assert isinstance(of_torch, FoundObjects)
            assert isinstance(of_file, FoundObjects)
            assert [each.label for each in of_torch.likely] == [each.label for each in of_file.likely]
            for one, other in zip(of_torch.likely, of_file.likely, strict=True):
                np.testing.assert_allclose(one.box, other.box, atol=0.05)
                assert one.score == pytest.approx(other.score, abs=1e-3)


def test_a_score_may_be_asked_for(run: Path, shipped: dict[str, Path], tmp_path: Path) -> None:
    image = boxed_image(tmp_path, 1001).path
    for path in (run, shipped["onnx"]):
        (everything,), _ = leannet.predict(path, [image])
        (sure,), _ = leannet.predict(path, [image], score=0.9)
        (unsure,), _ = leannet.predict(path, [image], score=0.05)
        assert isinstance(everything, FoundObjects)
        for least, some in ((0.9, sure), (0.05, unsure)):
            assert isinstance(some, FoundObjects)
            expected = [each for each in everything.objects if each.score >= least]
            assert list(some.objects) == list(some.likely) == expected


def test_the_server_answers_with_boxes(shipped: dict[str, Path], data: Path) -> None:
    """Those of `predict`, of images of any size and orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = data.parent / "turned.jpg"
    files = sorted((data / "test").iterdir())[:2]
    with Image.open(files[0]) as image:
        image.convert("CMYK").save(turned, exif=exif)
    expected, _ = leannet.predict(shipped["onnx"], [*files, turned])
    with running(shipped["onnx"]) as server:
        for file, of_python in zip((*files, turned), expected, strict=True):
            answer = server.post((file.name, file.read_bytes()), top=100)
            assert answer.status == 200, answer.body
            (answered,) = answer.json["predictions"]
            assert isinstance(of_python, FoundObjects)
            assert (answered["path"], answered["width"], answered["height"]) == (file.name, *of_python.size)
            assert [each["class"] for each in answered["objects"]] == [each.label for each in of_python.objects]
            for one, other in zip(answered["objects"], of_python.objects, strict=True):
                np.testing.assert_allclose(one["box"], other.box, atol=1e-3)
                assert one["score"] == pytest.approx(other.score, abs=1e-5)
                left, top, right, bottom = one["box"]
                assert left < right
                assert top < bottom


def test_the_page_turns_boxes_as_the_evaluation_does(run: Path, tmp_path: Path) -> None:
    """Of images on their side, whose annotations are of the pixels as they are stored; in a TIFF too."""
    from leannet.data.scan import scan
    from leannet.data.sources import open_dataset

    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    images = []
    for number, name in enumerate(("a.jpg", "b.tiff")):
        images.append({"id": number, "file_name": name, "width": 80, "height": 60})
        Image.new("RGB", (80, 60), "white").save(tmp_path / name, exif=exif)
    label = read_header(run).classes[0]
    content = {
        "images": images,
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "bbox": [4, 6, 20, 10]} for n in range(2)],
        "categories": [{"id": 1, "name": label}],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances.json").write_text(json.dumps(content))
    dataset = open_dataset(str(tmp_path))
    for each in (scan(dataset, training=False), scan(dataset, training=False, is_known=lambda _: True)):
        scanned = each.dataset.truths
        assert scanned is not None
        for index in range(2):
            shown = RunImages(dataset, read_header(run)).truth(index)
            assert shown is not None
            assert (shown.size, scanned[index].size) == ((60, 80), (60, 80))
            np.testing.assert_allclose(shown.boxes, [[60 - 16, 4, 60 - 6, 24]])
            np.testing.assert_allclose(shown.boxes, scanned[index].boxes)


def test_every_engine_gives_the_golden_boxes(shipped: dict[str, Path]) -> None:
    import onnx

    for path in shipped.values():
        checks = check(path)
        assert all(each.passed for each in checks)
        assert all("same objects" in each.line() for each in checks)
    model = onnx.load(shipped["onnx"])
    assert [output.name for output in model.graph.output] == ["boxes:0", "scores:0", "classes:0"]
    assert not any(node.op_type == "NonMaxSuppression" for node in model.graph.node)
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "litert"])
def test_integers_are_written_by_what_ap_they_lose(run: Path, engine: Any, tmp_path: Path) -> None:
    out = tmp_path / ("x" if engine == "litert" else "x.onnx")
    made = quantize(run, out=out, engine=engine, max_drop=5, quiet=True, seconds=0)
    assert made.path == out
    assert made.drop <= 5
    assert made.cost.to_dict(5)["ap_before"] == pytest.approx(
        leannet.evaluate(run, quiet=True).scores.precision.ap, abs=0.02
    )
    shipping = open_artifact(out).shipping
    assert shipping.ap_before is not None
    assert shipping.accuracy_before is None
    assert all(each.passed for each in check(out))
    impossible = quantize(run, out=tmp_path / "y.onnx", max_drop=-200, quiet=True, seconds=0)
    assert impossible.path is None


def test_the_report_draws_boxes(run: Path, data: Path, tmp_path: Path) -> None:
    page = leannet.report(run, figures=tmp_path / "figures").read_text()
    assert "Precision by recall" in page
    assert "duplicates an object" in page
    assert "AP50" in page
    assert (tmp_path / "figures" / "precision_recall.csv").exists()
    moved = data.with_name("elsewhere")
    data.rename(moved)
    try:
        assert "cannot be shown" in leannet.report(run, out=tmp_path / "without.html").read_text()
    finally:
        moved.rename(data)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    from leannet.console import Console
    from leannet.training.job import prepare
    from leannet.training.reading import Reader
    from leannet.training.run import begin, make_settings

    settings = make_settings(data, {key: value for key, value in SETTINGS.items() if key != "quiet"} | {"epochs": 3})
    whole = train(data, out=tmp_path / "whole", epochs=3, **SETTINGS)
    begin(prepare(settings, Reader(), Console(quiet=True)), tmp_path / "part", Console(quiet=True), until=2)
    resumed = resume(tmp_path / "part", quiet=True)
    one, other = (read_weights(str(made.path))[0].state_dict() for made in (whole, resumed))
    assert all((one[name] == value).all() for name, value in other.items())
    assert resumed.validation is not None
    assert resumed.validation.to_dict() == whole.validation.to_dict()


def test_a_classifier_becomes_a_backbone(data: Path, tmp_path: Path, shapes: Path) -> None:
    classifier = train(shapes, out=tmp_path / "classifier", model="mobilenet_v2_debug", epochs=1, quiet=True, workers=0)
    settings = {key: value for key, value in SETTINGS.items() if key != "model"}
    made = train(data, out=tmp_path / "from", weights=str(classifier.path), epochs=1, **settings)
    before, after = (read_weights(str(each.path))[0].state_dict() for each in (classifier, made))
    assert set(after) & set(before)
    assert finds_boxes(made.header.architecture)
    on = train(data, out=tmp_path / "on", weights=str(made.path), epochs=1, **settings | {"detecting": {}})
    assert on.header.architecture == made.header.architecture


def test_a_pruned_detector_is_one(run: Path, tmp_path: Path) -> None:
    words: dict[str, Any] = {"quiet": True, "cpu": True, "workers": 0, "request": {"images": 32}}
    small = leannet.prune(run, macs="70%", out=tmp_path / "small", epochs=2, **words)
    before, after = (read_header(path).architecture for path in (run, tmp_path / "small"))
    assert leannet.count(after).macs <= 0.7 * leannet.count(before).macs
    assert finds_boxes(after)
    assert small.accuracy is not None
    assert small.accuracy > 0.1
    assert all(each.passed for each in check(leannet.export(tmp_path / "small").path))
    again = leannet.prune(tmp_path / "small", macs="90%", out=tmp_path / "again", epochs=0, **words)
    assert again.after.macs <= 0.9 * small.after.macs


def test_a_film_is_its_frames_and_drawings_are_of_all(run: Path, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    images = [boxed_image(tmp_path, number) for number in (2001, 2002)]
    size = (96, 64)
    writer = cv2.VideoWriter(str(tmp_path / "film.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 5.0, size)
    for each in images:
        with Image.open(each.path) as image:
            frame = np.asarray(image.resize(size))[:, :, ::-1].copy()
        writer.write(frame)
        writer.write(frame)
    writer.release()
    out = tmp_path / "drawn"
    answers, broken = leannet.predict(run, [tmp_path / "film.mp4", images[0].path], out=out)
    assert not broken
    assert [Path(each.path).name for each in answers] == [*(f"film.mp4#{n}" for n in range(4)), "2001.png"]
    assert sorted(path.name for path in out.iterdir()) == ["2001.png", "film.mp4"]
    film = cv2.VideoCapture(str(out / "film.mp4"))
    assert (film.get(cv2.CAP_PROP_FRAME_COUNT), film.get(cv2.CAP_PROP_FPS)) == (4, 5)
    film.release()
    with Image.open(out / "2001.png") as drawn, Image.open(images[0].path) as plain:
        assert drawn.size == plain.size
        likely = answers[-1].likely  # type: ignore[attr-defined]
        assert (np.asarray(drawn) != np.asarray(plain)).any() == bool(likely)
    in_folder, _ = leannet.predict(run, [tmp_path])
    assert {Path(each.path).name for each in in_folder} >= {"film.mp4#0", "film.mp4#3", "2001.png"}
    (tmp_path / "none.mp4").write_bytes(b"no film")
    _, broken = leannet.predict(run, [tmp_path / "none.mp4"])
    assert broken[0]["problem"] == "no frame of it can be read as a film"


def test_what_shows_classes_says_that_it_is_for_classifiers(run: Path, data: Path) -> None:
    image = next((data / "val").iterdir())
    for look in (
        lambda: leannet.attention(run, [image]),
        lambda: leannet.embed(run),
        lambda: leannet.advise(str(data)),
        lambda: leannet.choose_exits(run),
    ):
        with pytest.raises(LeannetError) as error:
            look()
        assert "\n" not in str(error.value)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "mixed images": ({"augment": {"mixup": 0.2}}, "--mixup, --cutmix: mix the classes of images"),
    "a policy that turns": ({"augment": {"policy": "trivial"}}, "--policy trivial: moves what is in an image"),
    "balanced classes": ({"class_weights": "balanced"}, "--class-weights: weighs the classes of images"),
    "gates": ({"skipping": {"gate": "recurrent"}, "model": "mobilenet_v2"}, "--gate, --exits: learn from classes"),
    "a crop": ({"resize": "crop"}, "--resize crop: cuts objects off"),
    "a head twice": ({"model": "onenet_debug"}, "onenet_debug has its head already"),
    "a map that is not there": (
        {"detecting": {"levels": (3,)}},
        "expected levels among 2, 4, 8, 16, 32, found stride 3",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_for_classes_is_refused(what: str, data: Path, tmp_path: Path) -> None:
    values, message = WRONG[what]
    with pytest.raises(LeannetError, match=message.replace("(", r"\(")):
        train(data, out=tmp_path / "run", **SETTINGS | values)
    assert not (tmp_path / "run").exists()


def test_each_task_asks_for_its_data(run: Path, data: Path, shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match=r"expected a detection set \(COCO's JSON"):
        leannet.evaluate(run, str(shapes), quiet=True)
    classifier = train(shapes, out=tmp_path / "classifier", model="two_layer_debug", epochs=1, quiet=True, workers=0)
    with pytest.raises(LeannetError):
        leannet.evaluate(classifier.path, str(data), quiet=True)
    with pytest.raises(LeannetError, match="onenet_debug finds boxes: expected a detection set"):
        train(shapes, out=tmp_path / "x", model="onenet_debug", epochs=1, quiet=True, workers=0)
    with pytest.raises(LeannetError, match=r"--score 0.5: of objects that are found"):
        leannet.predict(classifier.path, [next(shapes.rglob("*.png"))], score=0.5)
    with pytest.raises(LeannetError, match=r"expected a detection set .*, found none"):
        train(shapes, out=tmp_path / "x", task="detect", epochs=1, quiet=True, workers=0)


def test_the_verbs_say_it_in_words_and_in_json(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    app(["evaluate", str(run), "--quiet"], standalone_mode=False)
    words = capsys.readouterr().out
    assert "AP50" in words
    assert "AP by size" in words
    app(["evaluate", str(run), "--quiet", "--json"], standalone_mode=False)
    scores = json.loads(capsys.readouterr().out)
    assert {"ap", "ap50", "ap75", "ap_small", "objects", "per_class"} <= scores.keys()
    image = boxed_image(tmp_path, 1002)
    app(["predict", str(run), str(image.path), "--json"], standalone_mode=False)
    (answer,) = json.loads(capsys.readouterr().out)["predictions"]
    assert {"path", "width", "height", "objects"} == answer.keys()
    assert all({"class", "score", "box"} == each.keys() for each in answer["objects"])
    app(["predict", str(run), str(image.path), "--top", "1"], standalone_mode=False)
    assert capsys.readouterr().out.count("%") <= 1


def test_detectors_stand_side_by_side(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seldom = tmp_path / "seldom"  # validated after every second epoch
    shutil.copytree(run, seldom)
    head, *lines = (run / "log.csv").read_text().splitlines()
    (seldom / "log.csv").write_text("\n".join([head, *lines[1::2]]) + "\n")
    app(["compare", str(run), str(seldom)], standalone_mode=False)
    words = capsys.readouterr().out
    assert "accuracy" not in words
    assert all(part in words for part in ("AP50", "96 x 64"))
    page = tmp_path / "page.html"
    app(["compare", str(run), str(seldom), "--json", "--out", str(page)], standalone_mode=False)
    own = read_header(run).metrics.validation
    assert isinstance(own, BoxSummary)
    for line in json.loads(capsys.readouterr().out)["networks"]:
        assert (line["ap"], line["ap50"], line["accuracy"]) == (own.ap, own.ap50, None)
        assert line["epochs"] == EPOCHS
    assert "Validation AP50 over epochs" in page.read_text()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_answers_that_are_not_finite_are_refused(run: Path, data: Path, tmp_path: Path, value: float) -> None:
    """Before a border of the image cuts them."""
    header = read_header(run)
    task = task_of(header)
    assert isinstance(task, Detection)
    from leannet.data.sources import open_dataset

    images = open_dataset(str(data)).keep([0]).sized([(96, 64)])
    answers = np.full((1, 3, 6), 0.5, np.float32)
    answers[0, 1, 2] = value
    with pytest.raises(LeannetError, match="expected finite answers"):
        task.score(answers, images)
    with pytest.raises(LeannetError, match="expected finite answers"):
        task.write(tmp_path / "x.csv", answers, images)
    with pytest.raises(LeannetError, match="expected finite answers"):
        task.answer("x.png", answers[0], (96, 64), 3)
    assert not (tmp_path / "x.csv").exists()


def test_the_likeliest_object_is_the_first(run: Path) -> None:
    task = task_of(read_header(run))
    answers = np.array([[1, 1, 9, 9, score, 0] for score in (0.5, 0.7, 0.6)], np.float32)
    found = task.answer("x.png", answers, (96, 64), 2)
    assert isinstance(found, FoundObjects)
    assert [round(each.score, 2) for each in found.objects] == [0.7, 0.6]


def test_equal_answers_may_change_places() -> None:
    """The order of objects whose scores are nearly equal is not compared, and all else is."""
    from leannet.preprocessing import Preprocessing

    task = Detection(("a", "b"), Preprocessing(height=100, width=200))
    draw = np.random.default_rng(0)
    scores = np.sort(draw.uniform(0.2, 1, 20))[::-1]
    recorded = np.concatenate([draw.uniform(0, 100, (20, 4)), scores[:, None], draw.integers(0, 2, (20, 1))], axis=1)
    recorded = recorded.astype(np.float32)
    recorded[3, 4] = recorded[4, 4]
    swapped = recorded.copy()
    swapped[[3, 4]] = recorded[[4, 3]]
    assert task.difference(swapped[None], recorded[None], 1e-4) == 0
    moved = recorded.copy()
    moved[2, 0] += 2
    assert task.difference(moved[None], recorded[None], 1e-4) == pytest.approx(0.01)
    other = recorded.copy()
    other[2, 5] = 1 - other[2, 5]
    assert not task.agrees(other[None], recorded[None], 1e-4)
    last = recorded.copy()
    last[-1, :4] = 0  # another object that is as likely as the last one
    assert task.difference(last[None], recorded[None], 1e-4) == 0
    broken = recorded.copy()
    broken[2, 1] = np.nan
    assert task.difference(broken[None], recorded[None], 1e-4) == 1
    elsewhere = recorded.copy()
    elsewhere[0, :4] += 60  # the likeliest is compared, whatever is allowed
    assert not task.agrees(elsewhere[None], recorded[None], 0.9)


def test_a_split_without_an_object(data: Path, tmp_path: Path) -> None:
    """Of unlabelled test images nothing is scored, and nothing is lost; validation images need an object."""
    bare = coco_set(tmp_path / "bare", {"train": 10, "val": 6, "test": 4})
    for split, fails in (("test", False), ("val", True)):
        file = bare / "annotations" / f"instances_{split}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"annotations": []}))
        if fails:
            with pytest.raises(LeannetError, match="expected objects in its validation split, found none in 6 images"):
                train(bare, out=tmp_path / split, epochs=1, **SETTINGS)
        else:
            made = train(bare, out=tmp_path / split, epochs=1, **SETTINGS)
            assert made.test is not None
            assert made.test.line() == "no object to find in 4 images"
            assert made.test.to_dict()["ap"] is None
            leannet.report(made.path)


def test_a_diverged_run_says_so(data: Path, tmp_path: Path) -> None:
    settings = SETTINGS | {"optimizer": {"name": "sgd", "lr": 1e6}}
    with pytest.raises(LeannetError, match=r"not finite at epoch .*; try a smaller --lr"):
        train(data, out=tmp_path / "run", epochs=3, **settings)


def test_drawings_go_into_a_folder_of_their_own(run: Path, tmp_path: Path) -> None:
    image = boxed_image(tmp_path, 3001)
    before = image.path.read_bytes()
    with pytest.raises(LeannetError, match="expected a new or empty folder"):
        leannet.predict(run, [image.path], out=tmp_path)
    assert image.path.read_bytes() == before


def test_a_found_object_is_plain_data() -> None:
    found = Found("a", 0.5, (1.0, 2.0, 3.0, 4.0))
    answer = FoundObjects("x.png", (10, 20), (found,))
    assert answer.line() == "x.png: a 50 % [1, 2, 3, 4]"
    assert FoundObjects("x.png", (10, 20), ()).line() == "x.png: nothing"
    assert set(COLORS) == {"red", "blue"}
    assert Architecture is not None
