"""The program as a person meets it: what it prints, what it refuses, and in how many lines."""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer

import leannet
from leannet import retired
from leannet.cli.app import app as program
from leannet.cli.app import main
from leannet.cli.settings_options import settings
from leannet.cost import count
from leannet.shrink.timing import Timing
from tests.conftest import ROOT, draw_folder
from tests.weights.test_wheel import play_pip, weights, wheel

VERBS = typer.main.get_command(program).commands  # type: ignore[attr-defined]  # a group, which typer hides


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of one call."""
    before, sys.argv = sys.argv, ["leannet", *words]
    try:
        with pytest.raises(SystemExit) as end:
            main()
    finally:
        sys.argv = before
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line of a call that is refused; with --json it is an object too."""
    code, out, errors = run(capsys, *words)
    last = errors.strip().splitlines()[-1]
    assert code == 2, errors
    assert (json.loads(out) if "--json" in words else out) == (
        {"error": last.removeprefix("leannet: ")} if "--json" in words else ""
    )
    assert last.startswith("leannet")
    assert "Traceback" not in errors
    return last


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("mobilenet_v1", 4_231_976, 568_740_352),
        ("mobilenet_v2", 3_504_872, 300_774_272),
        ("mobilenet_v3_large", 5_483_032, 216_589_760),
        ("mobilenet_v3_small", 2_542_856, 56_510_400),
    ],
)
def test_count_json(capsys: pytest.CaptureFixture[str], name: str, params: int, macs: int) -> None:
    code, out, _ = run(capsys, "count", name, "--json")
    data = json.loads(out)
    assert (code, data["params"], data["macs"]) == (0, params, macs)


def test_count_does_not_import_torch() -> None:
    code = (
        "import sys; sys.argv = ['leannet', 'count', 'mobilenet_v3_large']\n"
        "from leannet.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: assert not {'torch', 'numpy', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_count_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "count", "mobilenet_v1")
    lines = out.splitlines()
    assert len([line for line in lines if line.startswith("Conv2d_")]) == 27
    assert any("Conv2d_13.depthwise" in line and "/ s1" in line and "7 x 7 x 1024" in line for line in lines)
    assert any("erratum" in line for line in lines)
    assert all(line == line.rstrip() for line in lines)
    _, out, _ = run(capsys, "count", "mobilenet_v1", "--by", "type")
    for share in ("94.86", "3.06", "1.91", "0.18", "74.59", "1.06", "0.02", "24.33"):
        assert re.search(rf"\b{share}\b", out), share


def test_count_takes_files_runs_and_options(capsys: pytest.CaptureFixture[str], shapes: Path, tmp_path: Path) -> None:
    made = leannet.architecture("mobilenet_v2_debug").edit("block_1", kernel=5)
    (tmp_path / "mine.json").write_text(made.to_json())
    _, out, _ = run(capsys, "count", str(tmp_path / "mine.json"), "--json")
    assert json.loads(out)["params"] == leannet.count(made).params
    leannet.train(str(shapes), out=tmp_path / "run", model="mobilenet_v2_debug", epochs=1, quiet=True)
    _, out, _ = run(capsys, "count", str(tmp_path / "run"), "--classes", "7", "--resolution", "64", "--json")
    assert json.loads(out)["input"] == [3, 64, 64]
    _, out, _ = run(capsys, "count", "mobilenet_v2", "--width", "0.5", "--in-channels", "1", "--json")
    assert json.loads(out)["params"] == 1_968_680 - 2 * 9 * 16


def test_compare(capsys: pytest.CaptureFixture[str], shapes: Path, tmp_path: Path) -> None:
    leannet.train(str(shapes), out=tmp_path / "run", model="two_layer_debug", epochs=1, quiet=True)
    (tmp_path / "mine.json").write_text(leannet.architecture("mobilenet_v2_debug").to_json())
    words = ("mobilenet_v2", "shufflenet_v2", str(tmp_path / "run"), str(tmp_path / "mine.json"))
    _, out, _ = run(capsys, "compare", *words, "--json")
    found = json.loads(out)["networks"]
    assert [x["accuracy"] for x in found][0:2] == pytest.approx([0.718, 0.694])
    assert found[0]["accuracy_source"].endswith("mobilenet/README.md")
    assert found[2]["accuracy_source"] == "its own validation split"
    assert found[3]["accuracy"] is None
    assert found[0]["macs"] == 300_774_272
    _, out, _ = run(capsys, "compare", *words)
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["mobilenet_v2", "shufflenet_v2", "run", "mine.json"]
    assert max(map(len, lines)) <= 80


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "models", "*v3*small*", "--json")
    names = [line["name"] for line in json.loads(out)["models"]]
    assert names == sorted(names)
    assert "mobilenet_v3_small_minimal" in names
    assert refused(capsys, "models", "xyz") == "leannet: no network matches 'xyz'; all: leannet models"


def test_from_a_folder_to_predictions(capsys: pytest.CaptureFixture[str], shapes: Path, tmp_path: Path) -> None:
    out_folder = str(tmp_path / "my run")
    words = ("train", str(shapes), "--model", "mobilenet_v3_debug", "--epochs", "2", "--out", out_folder, "--json")
    code, out, errors = run(capsys, *words)
    assert code == 0, errors
    trained = json.loads(out)
    assert (Path(out_folder) / "report.html").read_text().startswith("<!doctype html>")
    code, out, _ = run(capsys, "evaluate", out_folder, "--json")
    assert json.loads(out)["confusion"] == trained["validation"]["confusion"]
    code, out, errors = run(capsys, "evaluate", out_folder)
    assert "only the validation split" not in out
    image = str(shapes / "disc" / "1.png")
    code, out, _ = run(capsys, "predict", out_folder, image, "--json")
    assert json.loads(out)["predictions"][0]["prediction"] in {"disc", "square"}
    code, out, _ = run(capsys, "predict", out_folder, image, "--top", "1")
    assert re.fullmatch(rf"{re.escape(image)}: (disc|square) \d+\.\d %\n", out)
    code, out, _ = run(capsys, "report", out_folder, "--out", str(tmp_path / "page.html"), "--json")
    assert json.loads(out) == {"report": str(tmp_path / "page.html")}
    assert refused(capsys, *words).endswith(f"choose a new folder, or --resume {shlex.quote(str(out_folder))}")


def test_a_broken_image_among_good_ones(capsys: pytest.CaptureFixture[str], shapes: Path, tmp_path: Path) -> None:
    leannet.train(str(shapes), out=tmp_path / "run", model="two_layer_debug", epochs=1, quiet=True)
    (tmp_path / "x.jpg").write_text("no image")
    good = str(shapes / "disc" / "1.png")
    code, out, errors = run(capsys, "predict", str(tmp_path / "run"), str(tmp_path / "x.jpg"), good)
    assert code == 2
    assert out.startswith(good)
    assert errors == f"leannet: {tmp_path / 'x.jpg'}: cannot be read: not an image\n"


def _one_class(root: Path) -> list[str]:
    return ["train", str(draw_folder(root / "one", kinds=("disc",)))]


def _one_image(root: Path) -> list[str]:
    folder = draw_folder(root / "lonely")
    for file in sorted((folder / "square").iterdir())[1:]:
        file.unlink()
    return ["train", str(folder)]


def _broken_json(root: Path) -> list[str]:
    text = leannet.architecture("mobilenet_v2").to_json().replace('"out_channels": 96', '"out_channels": 0', 1)
    (root / "broken.json").write_text(text)
    return ["count", str(root / "broken.json")]


def _no_checkpoint(root: Path) -> list[str]:
    (root / "x.safetensors").write_text("words")
    return ["evaluate", str(root / "x.safetensors")]


def _empty(root: Path) -> list[str]:
    (root / "empty").mkdir()
    return ["train", str(root / "empty")]


def _shapes(root: Path, *words: str) -> list[str]:
    return ["train", str(draw_folder(root / "shapes", each=4)), *words]


def _toml(root: Path, text: str, *words: str) -> list[str]:
    (root / "x.toml").write_text(text)
    return [*_shapes(root, "--config", str(root / "x.toml")), *words]


def _without_json(root: Path) -> list[str]:
    (root / "mine.json").write_text("{}")
    return ["count", str(root / "mine")]


def _inside(root: Path) -> list[str]:
    folder = draw_folder(root / "shapes", each=4)
    return ["train", str(folder), "--out", str(folder / "run")]


MISTAKES: dict[str, tuple[Any, str]] = {
    "a negative resolution": (lambda root: ["count", "mobilenet_v2", "--resolution", "-5"], "resolution must be 1"),
    "no classes": (lambda root: ["count", "mobilenet_v2", "--classes", "0"], "classes must be 1"),
    "a word where TOML has a table": (
        lambda root: _toml(root, 'optimizer = "sgd"\n', "--lr", "0.1"),
        "expected a table, [optimizer]",
    ),
    "a flag as a setting": (lambda root: _toml(root, "quiet = true\n"), "field 'quiet': no setting"),
    "a file that is not there": (lambda root: ["count", "mine.json"], "mine.json: no such file; expected"),
    "nothing left": (lambda root: _shapes(root, "--skip", "*", "--limit", "5"), "found none"),
    "a folder below a file": (lambda root: _shapes(root, "--out", __file__ + "/run"), "found a file"),
    "a name too long": (lambda root: _shapes(root, "--model", "two_layer_debug", "--out", "x" * 300), "too long"),
    "a run among the images": (_inside, "lies among the images"),
    "weights that are not there": (lambda root: _shapes(root, "--weights", str(root / "w")), "no such checkpoint"),
    "no such folder": (lambda root: ["train", str(root / "fotos")], "no such file or folder"),
    "no images": (_empty, "found no image"),
    "one class": (_one_class, "expected two classes or more, found one: disc"),
    "a class with one image": (_one_image, "class 'square' has 1 image; expected two or more"),
    "a misspelt model": (lambda root: _shapes(root, "--model", "mobilenet_v22"), "nearest: mobilenet_v2, "),
    "a file without its ending": (_without_json, "mine.json; nearest: "),
    "a module after the verb": (
        lambda root: ["rows", "conv", "--import", "my_blocks"],
        "--import stands before the verb: leannet --import MODULE rows",
    ),
    "a broken architecture": (_broken_json, "row 'block_10' (12 of 22), field 'out_channels'"),
    "a resolution too small": (
        lambda root: _shapes(root, "--model", "mobilenet_v2", "--resolution", "16"),
        "mobilenet_v2 cannot take 16 x 16 pixels",
    ),
    "no checkpoint": (_no_checkpoint, "expected a leannet checkpoint"),
    "a run that is not there": (lambda root: ["predict", str(root / "run"), "x.png"], "no such checkpoint or run"),
    "nothing to train on": (lambda root: ["train"], "expected DATA"),
    "nothing to resume": (lambda root: ["train", "--resume", str(root)], "expected a run that can be resumed"),
    "resume with other settings": (lambda root: ["train", "--resume", "x", "--lr", "1"], "leave out --lr"),
    "a split that is none": (lambda root: _shapes(root, "--split", "80"), "--split: expected train:validation"),
    "a batch of one": (lambda root: _shapes(root, "--batch-size", "1"), "'batch_size'"),
    "a negative rate": (lambda root: _shapes(root, "--lr=-1"), "'optimizer.lr'"),
    "a file for a folder": (lambda root: _shapes(root, "--out", __file__), "expected a new or empty folder"),
    "a beginner's slip": (
        lambda root: _shapes(root, "--recipe", "fine-tune"),
        "expected trained weights to freeze",
    ),
    "rows of an artifact": (lambda root: ["bench", "x.onnx", "--by", "row"], "name the run that it was made of"),
    "rows in two engines": (
        lambda root: ["bench", "mobilenet_v2", "--by", "row", "--engine", "torch", "--engine", "openvino"],
        "--by row: expected one --engine, found several",
    ),
    "a flag of another": (lambda root: ["export", "run", "--max-drop", "1"], "--max-drop goes with --fastest"),
    "a verb that is none": (lambda root: ["trian"], "no verb 'trian'; nearest: train"),
    "a flag that is none": (lambda root: ["count", "mobilenet_v2", "--widht", "2"], "No such option"),
    "a word for a number": (lambda _: ["draw", "mobilenet_v2", "--width", "wide"], "Invalid value"),
    "a word among numbers": (
        lambda _: ["count", "mobilenet_v2", "--width", "1,wide"],
        "expected numbers with commas between",
    ),
    "a width of nothing": (lambda root: ["count", "mobilenet_v2", "--width", "0"], "width must be above 0"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    make, words = MISTAKES[mistake]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert words in refused(capsys, *make(tmp_path))
    assert list((tmp_path / "here").iterdir()) == []


def test_every_verb_has_json_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for name, verb in VERBS.items():
        flags = {flag for parameter in verb.params for flag in parameter.opts}
        assert "--json" in flags, name
        code, out, _ = run(capsys, name, "--help")
        assert code == 0
        assert f"Example: leannet {name}" in out


# Changing a flag breaks somebody's script: it should be meant.
FLAGS = {
    "models": "json pattern wide",
    "compare": "classes engine figures json measure out quiet resolution seconds threads what wide width",
    "count": "by classes convention figure in-channels json resolution target what wide width",
    "draw": "all classes columns direction in-channels json out resolution row units what width",
    "check": "artifact engine json",
    "web": "force integers json out quiet runtime samples source title webgpu",
    "serve": "batch cors host json max-files max-mb max-megapixels port queue threads timeout verbose what",
    "advise": "about class-depth engine figure flash image-column json label-column latency macs precision quiet "
    "seconds size sram target threads wide",
    "bench": "batch by engine json precision quiet resolution seconds threads what wide width",
    "export": "branches data fastest finetune format gather input json max-drop min-agreement out precision quiet run "
    "threads",
    "quantize": "branches c-array calibration data engine finetune input json keep-float layers max-drop min-agreement "
    "out quiet run",
    "exits": "cost data json max-drop out quiet run",
    "evaluate": "class-depth data image-column json label-column split quiet run wide",
    "guidelines": "engine json out quiet seconds threads",
    "latency-table": "batch classes emit engine json networks out precision quiet resolution seconds space table "
    "threads what wide width",
    "predict": "images json out run score top",
    "activations": "channels columns csv images json layer out image run scale",
    "attention": "class csv images json layer out image run top",
    "embed": "csv data json layer limit out split perplexity quiet run seed suspects",
    "filters": "csv json layer out run scale",
    "report": "engine figures json measure out quiet run seconds threads",
    "demo": "json out quiet seeds",
    "recipes": "json name",
    "experiment": "data figures json layer limit out quiet run_a run_b",
    "rows": "json kind",
    "reparameterize": "json out resolution what width",
    "rewrite": "engine json keep out resolution rows rule threads time what width",
    "sensitivity": "criterion data images json keep out quiet ratios rows run",
    "train": "accumulate alpha batch-norm batch-size batch-statistics bn-l1 cache class-depth class-weights clip color "
    "compile config cpu crop cutmix data dropout ema-decay end-factor epochs erase evaluate-every exit-weight "
    "exits flip flip-vertical folds freeze gate gate-cost gate-group gate-learning gate-temperature head-channels "
    "identity-init image-column json label-column label-smoothing layer-decay levels limit lr matching mixup model "
    "momentum mosaic neck normalization optimizer out pad patience policy policy-changes policy-strength precision "
    "progressive-resizing quiet recipe resize resolution resume rl-weight rotate90 sampling schedule seed skip split "
    "step-epochs step-factor steps-per-epoch stretch sparsity sparsity-end sparsity-level sparsity-schedule "
    "sparsity-scope sync-norm taps teacher teacher-features teacher-share task temperature tensorboard threads time "
    "warmup weight-decay weights whiten-stem width workers zero-init-residual zoom-out",
}
FLAGS["find-lr"] = FLAGS["train"].replace(" resume ", " ") + " highest lowest steps"
# Verbs that train a run on have its network.
OF_THE_RUN = {"config", "identity-init", "model", "resolution", "resume", "weights", "whiten-stem", "width"}
OF_THE_RUN |= {"alpha", "exit-weight", "exits", "gate", "gate-cost", "gate-group", "gate-learning", "gate-temperature"}
OF_THE_RUN |= {"head-channels", "levels", "neck", "rl-weight", "taps", "task"}
ON = " ".join(set(FLAGS["train"].split()) - OF_THE_RUN)
FLAGS["distill"] = f"{ON} run"
FLAGS["prune"] = (
    f"{ON} activation-memory between blocks criterion explain images keep latency latency-engine latency-precision "
    "latency-threads least macs params plan plan-only ranking ratio resume round-to rounds rows run sensitivity size"
)
FLAGS["sparsify"] = f"{ON} resume rewind rounds run"
LATENCY = "latency latency-engine latency-precision latency-table latency-threads macs params processes resume storage"
FLAGS["adapt"] = (
    f"{ON} {LATENCY} decay keep least proposals reduction round-to rows run select short-rate short-steps steps"
)
FLAGS["search"] = (
    f"{ON} {LATENCY} device evaluate evaluations flash from hard images rule short-epochs space sram strategy supernet "
    "validation w"
)


def flags_of(verb: Any) -> list[str]:
    """Names of its options and arguments, without dashes."""
    with typer.Context(verb) as context:
        parameters = [each for each in verb.get_params(context) if each.name != "help"]
    return sorted(
        next((flag for flag in each.opts if flag.startswith("--")), each.name or "").lstrip("-") for each in parameters
    )


def test_the_flags_are_these() -> None:
    for name, verb in VERBS.items():
        assert len(set(flags_of(verb))) == len(flags_of(verb)), f"{name} has two options of one name"
    assert {name: flags_of(verb) for name, verb in VERBS.items()} == {
        name: sorted(flags.split()) for name, flags in FLAGS.items()
    }


def test_every_setting_has_a_flag_a_group_and_a_word() -> None:
    """And each is reached: what the command line parses is what the settings take."""
    from leannet.training import Settings

    leaves = settings()
    assert len({setting.flag for setting in leaves}) == len(leaves)
    assert all(setting.help.endswith(".") and setting.group for setting in leaves)
    assert {setting.path[0] for setting in leaves} == set(Settings.model_fields) - {"data", "fold"}
    for setting in leaves:
        value: Any = {bool: True, int: 2, float: 0.5, str: "x", list[str]: ["x"], list[int]: [2]}.get(setting.type)
        if get_origin(setting.type) is Literal:
            value = get_args(setting.type)[-1]
        value = {"time": "30m", "stretch": 1.5, "zoom-out": 1.5}.get(setting.flag, value)
        tree: Any = value
        for key in reversed(setting.path):
            tree = {key: tree}
        made: Any = Settings.make({"data": "x", **tree})
        for key in setting.path:
            made = getattr(made, key)
        assert made == {"30m": 1800.0}.get(str(value), tuple(value) if isinstance(value, list) else value)


def test_the_page_of_settings_is_current() -> None:
    spec = importlib.util.spec_from_file_location("write_settings", ROOT / "docs" / "write_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page()


def test_a_setting_that_was_renamed_is_refused_with_its_new_name(
    capsys: pytest.CaptureFixture[str], shapes: Path, tmp_path: Path
) -> None:
    (tmp_path / "old.toml").write_text("average = 0.9\n")
    line = refused(capsys, "train", str(shapes), "--config", str(tmp_path / "old.toml"))
    assert "field 'average': it is called ema_decay now" in line
    for verb, renamed in retired.FLAGS.items():
        for old, new in renamed.items():
            assert new.removeprefix("--no-").removeprefix("--") in flags_of(VERBS[verb])
            assert (
                refused(capsys, verb, "x", old, "y") == f"leannet: {old} is called {new} now; see leannet {verb} --help"
            )


def test_a_config_file_fills_and_flags_win(capsys: pytest.CaptureFixture[str], shapes: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    run(
        capsys, "train", str(shapes), "--model", "two_layer_debug", "--epochs", "1", "--lr", "0.01", "--out", str(first)
    )
    code, out, errors = run(
        capsys, "train", "--config", str(first / "config.toml"), "--epochs", "2", "--out", str(tmp_path / "b"), "--json"
    )
    assert code == 0, errors
    assert len(json.loads(out)["log"]) == 2
    settings = (tmp_path / "b" / "config.toml").read_text()
    assert "lr = 0.01" in settings
    (tmp_path / "bad.toml").write_text("epoch = 3\n")
    assert "'epoch'" in refused(capsys, "train", str(shapes), "--config", str(tmp_path / "bad.toml"))


def test_without_words_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert code == 0
    assert "Networks:" in out


def test_the_help_has_a_line_a_verb(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(capsys, "--help")[1].splitlines()
    assert max(map(len, lines)) <= 80
    for name in VERBS:
        (line,) = (line for line in lines if line.startswith(f"  {name} "))
        assert line.endswith(".")
        assert not line.endswith("...")


def test_a_package_that_is_not_here_is_one_line() -> None:
    code = "import sys; sys.modules['torch'] = None; sys.argv = ['leannet', 'train', 'digits']\n"
    code += "from leannet.cli.app import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "this needs the package torch" in done.stderr


def test_the_version() -> None:
    done = subprocess.run([sys.executable, "-m", "leannet", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"leannet {leannet.__version__}\n"


def test_readme_commands_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every `leannet` line of the README's shell blocks, in order, on drawn images; some are only parsed."""
    draw_folder(tmp_path / "photos", each=6)
    shutil.copy(tmp_path / "photos" / "disc" / "0.png", tmp_path / "image.jpg")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    commands = [
        line.split("#")[0].split()[1:] for b in blocks for line in b.splitlines() if line.startswith("leannet ")
    ]
    assert len(commands) >= 5
    quick = {
        "bench": ["--seconds", "0.1"],
        "advise": ["--seconds", "0.1"],
        "quantize": ["--max-drop", "100"],
        "report": ["--seconds", "0.5"],
        "embed": ["--split", "train"],
        "train": ["--model", "mobilenet_v3_debug", "--epochs", "1"],
        "prune": ["--epochs", "1", "--images", "8"],
        "sparsify": ["--epochs", "1"],
        "sensitivity": ["--images", "8", "--ratios", "0.5"],
        "distill": ["--epochs", "1"],
    }
    # No test depends on how long something takes.
    monkeypatch.setattr(Timing, "milliseconds", lambda _, networks: [count(each).macs / 1e6 for each in networks])
    small = ["--model", "two_layer_debug", "--epochs", "1", "--workers", "0", "--quiet"]
    for other in ("runs/a", "runs/b", "runs/large"):  # that the README names
        assert run(capsys, "train", "photos", "--out", other, *small)[0] == 0
    play_pip(monkeypatch, tmp_path / "cache")["wheel"] = wheel({"weights.pth": weights()})
    for words in commands:
        if words[0] in {"web", "serve"}:
            VERBS[words[0]].make_context(words[0], words[1:])
            continue
        more = ["--epochs", "1", "--resolution", "64"] if "--weights" in words else quick.get(words[0], [])
        code, _, errors = run(capsys, *words, *more)
        assert code == 0, f"leannet {' '.join(words)}: {errors}"
