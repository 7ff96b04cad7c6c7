"""Training: a run that is stopped and goes on ends as one that was never stopped; what it leaves is enough."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

import leannet
from leannet.checkpoint import load
from leannet.console import Console
from leannet.errors import LeannetError
from leannet.header import read_header
from leannet.network import Network
from leannet.tasks.predictions import read_predictions
from leannet.training import Settings, resume, train
from leannet.training.objective import CrossEntropy
from leannet.training.optimizing import make_optimizer
from leannet.training.precise_batch_norm import is_precise, precise_batch_norm
from leannet.training.settings import Optimizer, Schedule, read_toml
from leannet.training.skipping import with_gates
from leannet.training.state import load_state
from tests.conftest import draw_folder, stop_at_step

SMALL: dict[str, Any] = {"model": "mobilenet_v3_debug", "batch_size": 5, "workers": 0, "quiet": True}


def _files(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in ("model.safetensors", "last.safetensors", "predictions.csv")}


def _log_without_times(run: Path) -> list[list[str]]:
    return [line.split(",")[:6] for line in (run / "log.csv").read_text().splitlines()]


@pytest.mark.parametrize("stop_at", [1, 4, 7])  # in the middle of an epoch, at its last batch, in the next
@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd", "rmsprop"])
def test_resumed_equals_uninterrupted(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int, optimizer: str
) -> None:
    settings = SMALL | {"epochs": 3, "optimizer": {"name": optimizer}}
    whole = train(str(shapes), out=tmp_path / "whole", **settings)
    assert whole.finished

    with monkeypatch.context() as patch:
        calls = stop_at_step(patch, stop_at)
        stopped = train(str(shapes), out=tmp_path / "parts", **settings)
    assert not stopped.finished
    assert len(calls) == stop_at
    load(tmp_path / "parts")  # what is left evaluates

    resumed = resume(tmp_path / "parts", quiet=True)
    assert resumed.finished
    assert _files(tmp_path / "parts") == _files(tmp_path / "whole")
    assert _log_without_times(tmp_path / "parts") == _log_without_times(tmp_path / "whole")
    steps = (tmp_path / "whole" / "steps.csv").read_text()
    assert (tmp_path / "parts" / "steps.csv").read_text() == steps


def test_a_line_a_step(shapes: Path, tmp_path: Path) -> None:
    """Its batches' means are those of log.csv, weighted by their images; the rate ends where the epoch's does."""
    run = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 2})
    lines = list(csv.DictReader((tmp_path / "run" / "steps.csv").read_text().splitlines()))
    steps = -(-run.header.split.sizes["train"] // SMALL["batch_size"])
    assert [int(line["step"]) for line in lines] == list(range(1, 2 * steps + 1))
    assert [int(line["epoch"]) for line in lines] == [1] * steps + [2] * steps
    sizes = [SMALL["batch_size"]] * (steps - 1) + [run.header.split.sizes["train"] - SMALL["batch_size"] * (steps - 1)]
    for epoch, log in enumerate(run.log, start=1):
        of_epoch = [line for line in lines if int(line["epoch"]) == epoch]
        for name in ("loss", "accuracy"):
            mean = np.average([float(line[name]) for line in of_epoch], weights=sizes)
            assert mean == pytest.approx(log[f"train_{name}"], rel=1e-4)
        assert float(of_epoch[-1]["learning_rate"]) == pytest.approx(log["learning_rate"], rel=1e-4)


def test_workers_change_nothing(shapes: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        train(str(shapes), out=tmp_path / str(workers), **SMALL | {"epochs": 2, "workers": workers})
    assert _files(tmp_path / "0") == _files(tmp_path / "2")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_ctrl_c_leaves_a_run_that_evaluates(shapes: Path, tmp_path: Path, workers: str) -> None:
    """As in a terminal: the signal reaches every process of the group, the workers too."""
    command = [sys.executable, "-m", "leannet", "train", str(shapes), "--model", "mobilenet_v1_debug"]
    command += ["--epochs", "10000", "--out", str(tmp_path / "run"), "--json", "--workers", workers]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, start_new_session=True) as process:
        for _ in range(600):
            if (tmp_path / "run" / "log.csv").exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert json.loads(out)["finished"] is False
    assert leannet.evaluate(tmp_path / "run", quiet=True).split == "validation"
    assert (tmp_path / "run" / "report.html").exists()


def test_a_killed_run_keeps_what_was_saved_and_goes_on(shapes: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "leannet", "train", str(shapes), "--model", "two_layer_debug"]
    command += ["--epochs", "100000", "--out", str(tmp_path / "run"), "--quiet"]  # more than it can do by then
    with subprocess.Popen(command) as process:
        for _ in range(600):
            if (tmp_path / "run" / "state" / "resume.safetensors").exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    load(tmp_path / "run")
    config = tmp_path / "run" / "config.toml"
    done = load_state(tmp_path / "run").state.epoch
    config.write_text(config.read_text().replace("epochs = 100000\n", f"epochs = {done + 2}\n"))
    run = resume(tmp_path / "run", quiet=True)
    assert run.finished
    assert [line["epoch"] for line in run.log] == list(range(1, done + 3))


def test_the_checkpoint_alone_is_enough(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 2, "normalization": "zscore"})
    alone = tmp_path / "elsewhere" / "net.safetensors"
    alone.parent.mkdir()
    shutil.copy(run.path / "model.safetensors", alone)
    names, _, probabilities, classes = read_predictions(run.path / "predictions.csv")
    predictions, broken = leannet.predict(alone, [shapes / name for name in names])
    assert broken == []
    assert len(names) == 4
    for prediction, line in zip(predictions, probabilities, strict=True):
        assert prediction.classes[0] == classes[line.argmax()]
        assert prediction.probabilities[0] == pytest.approx(line.max(), abs=1e-5)
    shutil.copytree(shapes, tmp_path / "moved")
    scores = leannet.evaluate(alone, str(tmp_path / "moved"), quiet=True)
    assert scores.split == "validation"
    assert "20 of the 24 images trained this network: only its validation split is scored, 4" in scores.why
    assert run.validation is not None
    assert scores.scores.confusion == run.validation.confusion
    assert scores.scores.loss == pytest.approx(run.validation.loss, abs=1e-5)
    assert read_header(alone).preprocessing.mean != (0.485, 0.456, 0.406)


def test_training_images_are_never_scored_by_accident(tmp_path: Path) -> None:
    for split, each, first in (("train", 8, 0), ("val", 4, 100)):
        draw_folder(tmp_path / "data" / split, each=each, first=first)
    run = train(str(tmp_path / "data"), out=tmp_path / "run", **SMALL | {"epochs": 1})
    with pytest.raises(LeannetError, match="these are images it was trained on"):
        leannet.evaluate(run.path, str(tmp_path / "data" / "train"), quiet=True)
    assert leannet.evaluate(run.path, str(tmp_path / "data" / "train"), split="train", quiet=True).split == "train"
    assert leannet.evaluate(run.path, str(tmp_path / "data" / "val"), quiet=True).split == "validation"
    (tmp_path / "data" / "val" / "disc" / "100.png").rename(tmp_path / "data" / "train" / "disc" / "100.png")
    evaluated = leannet.evaluate(run.path, str(tmp_path / "data" / "train"), quiet=True)
    assert (evaluated.split, evaluated.scores.images) == ("validation", 1)
    assert "16 of the 17 images trained this network" in evaluated.why
    others = draw_folder(tmp_path / "others", each=2, first=200)
    evaluated = leannet.evaluate(run.path, str(others), quiet=True)
    assert (evaluated.split, evaluated.scores.images) == ("all", 4)


def test_a_test_split_is_scored_once_at_the_end(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 1, "split": "60:20:20"})
    assert run.test is not None
    header = read_header(run.path)
    assert header.metrics.test is not None
    assert header.metrics.test.accuracy == run.test.accuracy
    assert header.split.sizes == {"train": 14, "validation": 6, "test": 4}
    assert leannet.evaluate(run.path, split="test", quiet=True).scores.confusion == run.test.confusion


def test_weights_from_a_run_with_other_classes(shapes: Path, tmp_path: Path) -> None:
    first = train(str(shapes), out=tmp_path / "first", **SMALL | {"epochs": 1})
    three = draw_folder(tmp_path / "three", each=6, kinds=("disc", "square", "circle of stones"))
    second = train(str(three), out=tmp_path / "second", weights=str(first.path), epochs=1, batch_size=5, quiet=True)
    assert second.header.architecture.classes == 3
    assert second.header.architecture.rows[:-1] == first.header.architecture.rows[:-1]
    assert second.header.provenance.parent.endswith("model.safetensors")
    assert second.header.preprocessing.mean == first.header.preprocessing.mean


def test_a_run_says_how_it_was_made(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 1})
    values = read_toml(run.path / "config.toml")
    assert Settings.make(values).model == "mobilenet_v3_debug"
    assert values["resolution"] == 32
    assert set(run.to_dict()["split"]) == {"seed", "ratio", "sizes", "digests", "counts"}
    assert {"leannet", "command", "seed", "data", "torch", "history"} <= set(run.header.provenance.to_dict())


def test_a_loss_that_is_not_finite_stops_with_the_step(shapes: Path, tmp_path: Path) -> None:
    settings = SMALL | {"epochs": 2, "optimizer": {"name": "sgd", "lr": 1e30}, "schedule": {"warmup_epochs": 0}}
    with pytest.raises(LeannetError, match=r"the loss is not finite at epoch 1, step \d"):
        train(str(shapes), out=tmp_path / "run", **settings)


def test_resuming_needs_the_same_images(shapes: Path, tmp_path: Path) -> None:
    config = tmp_path / "run" / "config.toml"
    train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 1})
    config.write_text(config.read_text().replace("epochs = 1\n", "epochs = 2\n"))
    (shapes / "disc" / "0.png").unlink()
    with pytest.raises(LeannetError, match="the images have changed"):
        resume(tmp_path / "run", quiet=True)


def test_limit_and_skip(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 1, "limit": 12, "skip": ["disc/1*"]})
    sizes = run.header.split.sizes
    assert 10 <= sizes["train"] + sizes["validation"] <= 12
    names = read_predictions(run.path / "predictions.csv")[0]
    assert len(names) == sizes["validation"] > 0
    assert not [name for name in names if name.startswith("disc/1")]


def test_grey_images_and_an_architecture_file(shapes: Path, tmp_path: Path) -> None:
    architecture = leannet.architecture("mobilenet_v2_debug", in_channels=1).edit("block_1", kernel=5)
    (tmp_path / "mine.json").write_text(architecture.to_json())
    run = train(str(shapes), out=tmp_path / "run", model=str(tmp_path / "mine.json"), color="L", epochs=1, quiet=True)
    network, header = load(run.path)
    assert network.layer("block_1.depthwise").conv.kernel_size == (5, 5)
    assert header.preprocessing.channels == 1


def test_schedules() -> None:
    cosine = Schedule(warmup_epochs=2, end_factor=0.0)
    assert cosine.factor(1, 10) == pytest.approx(0.5)
    assert cosine.factor(2, 10) == pytest.approx(1)
    assert cosine.factor(6, 10) == pytest.approx(0.5)
    assert cosine.factor(10, 10) == pytest.approx(0)
    step = Schedule(name="step", warmup_epochs=0, step_epochs=3, step_factor=0.1)
    assert [round(step.factor(epoch, 9), 6) for epoch in (0, 2.9, 3, 6.5)] == [1, 1, 0.1, 0.01]
    assert Schedule(name="constant", warmup_epochs=0).factor(5, 9) == 1


def test_label_smoothing_is_that_of_the_paper() -> None:
    """Szegedy et al. 2016, section 7: the target is (1 - e) of the true class and e spread over all."""
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    target = 0.9 * F.one_hot(labels, 4) + 0.1 / 4
    expected = -(target * torch.log_softmax(logits, 1)).sum(1).mean()
    objective = CrossEntropy(0.1)
    loss = objective.losses(lambda _: logits, torch.empty(0), labels).total
    torch.testing.assert_close(loss / objective.weight(labels), expected)


def test_no_decay_on_norms_and_biases() -> None:
    network = leannet.create("mobilenet_v2_debug")
    optimizer = make_optimizer(network, Optimizer(weight_decay=0.3), 32)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for key, parameter in network.named_parameters():
        assert decay[id(parameter)] == (0.3 if key.endswith(("conv.weight", "linear.weight")) else 0)


def test_precise_batch_norm_has_the_statistics_of_the_images() -> None:
    network = leannet.create("two_layer_debug")
    images = torch.randn(24, 3, 32, 32)
    before = [p.clone() for p in network.parameters()]
    precise_batch_norm(network, images.split(8))
    after_conv = network.layer("conv_1").conv(images)
    norm = network.layer("conv_1").norm
    torch.testing.assert_close(norm.running_mean, after_conv.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
    expected = torch.stack([part.var((0, 2, 3)) for part in after_conv.split(8)]).mean(0)
    torch.testing.assert_close(norm.running_var, expected)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert norm.momentum == 0.1
    assert not network.training


@pytest.mark.parametrize(
    ("asked", "steps", "learning", "precise"),
    [("auto", 99, None, True), ("auto", 100, None, False), ("auto", 100, "noisy", True), ("auto", 100, "hybrid", True),
     ("auto", 100, "supervised", False), ("precise", 100, None, True), ("running", 9, "noisy", False)],
)  # fmt: skip
def test_when_batch_norm_is_precise(asked: str, steps: int, learning: str | None, precise: bool) -> None:
    """In short epochs, and where training draws ways through the network that images do not take later."""
    skipping = {"gate": "recurrent", "learning": learning} if learning else {}
    settings = Settings.make({"data": "x", "batch_statistics": asked, "skipping": skipping})
    rows = with_gates(leannet.architecture("resnet_debug"), settings.skipping)
    assert is_precise(settings, steps, rows) is precise


def test_precise_batch_norm_sees_images_as_training_does(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Padded ones here, the same before each evaluation: weights learn with the statistics of augmented images."""
    populations: list[Tensor] = []
    measured = precise_batch_norm

    def watched(network: Network, inputs: Iterable[Tensor], frozen: Sequence[str]) -> None:
        populations.append(torch.cat(list(inputs)))
        measured(network, populations[-1].split(8), frozen)

    monkeypatch.setattr("leannet.training.loop.precise_batch_norm", watched)
    settings = SMALL | {"epochs": 2, "augment": {"crop": 0.0, "pad": 12, "flip": False}, "normalization": "imagenet"}
    train(str(shapes), out=tmp_path / "run", **settings)
    first, second = populations
    assert torch.equal(first.sort(0).values, second.sort(0).values)
    black = first.amin(dim=(0, 2, 3), keepdim=True)  # of what is added around an image
    rows = (first == black).all(dim=(1, 3))  # (N, H)
    assert float(rows.float().mean()) > 0.05


def test_learns_what_can_be_learned(tmp_path: Path) -> None:
    """Bright against dark: anything that trains at all gets this right."""
    from PIL import Image

    random = np.random.default_rng(0)
    for kind, low in (("dark", 0), ("bright", 130)):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for number in range(16):
            array = random.integers(low, low + 120, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / "data" / kind / f"{number}.png")
    run = train(
        str(tmp_path / "data"), out=tmp_path / "run", model="mobilenet_v2_debug", epochs=8, batch_size=8, quiet=True
    )
    assert run.validation is not None
    assert run.validation.accuracy == 1
    states = load_file(run.path / "model.safetensors"), load_file(run.path / "last.safetensors")
    assert set(states[0]) == set(states[1])


def test_resuming_needs_nothing_but_the_run_and_the_images(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows, the weights it began with and the folder it was begun in may all be gone."""
    monkeypatch.chdir(tmp_path)
    model = leannet.architecture("mobilenet_v2_debug").with_input(32, 48)
    (tmp_path / "mine.json").write_text(model.to_json())
    base = train("shapes", out="base", model="mine.json", epochs=1, batch_size=5, workers=0, quiet=True)
    settings: dict[str, Any] = {"weights": str(base.path), "epochs": 2, "batch_size": 5, "workers": 0, "quiet": True}
    whole = train("shapes", out="whole", **settings)

    with monkeypatch.context() as patch:
        stop_at_step(patch, 3)
        assert not train("shapes", out="parts", **settings).finished
    shutil.rmtree(base.path)
    (tmp_path / "mine.json").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = resume(tmp_path / "parts", quiet=True)
    assert again.header.architecture.input.width == 48
    assert _files(tmp_path / "parts") == _files(tmp_path / "whole")
    assert whole.finished
    assert leannet.evaluate(tmp_path / "parts", quiet=True).split == "validation"


def test_a_head_follows_the_names_of_its_classes(tmp_path: Path) -> None:
    first = train(str(draw_folder(tmp_path / "a")), out=tmp_path / "first", **SMALL | {"epochs": 1})
    weight = load(first.path)[0].state_dict()["Logits.linear.weight"]
    settings: dict[str, Any] = {"weights": str(first.path), "epochs": 1, "batch_size": 5, "quiet": True, "workers": 0}
    settings |= {"optimizer": {"lr": 1e-12, "weight_decay": 0}}
    (tmp_path / "b").mkdir()
    for old, new in (("disc", "square"), ("square", "disc")):
        (tmp_path / "a" / old).rename(tmp_path / "b" / new)
    same = train(str(tmp_path / "b"), out=tmp_path / "same", **settings)
    torch.testing.assert_close(load(same.path)[0].state_dict()["Logits.linear.weight"], weight)
    (tmp_path / "b" / "disc").rename(tmp_path / "b" / "zebra")
    other = train(str(tmp_path / "b"), out=tmp_path / "other", **settings)
    assert not torch.allclose(load(other.path)[0].state_dict()["Logits.linear.weight"], weight)


def test_a_part_of_the_data_scores_the_recorded_validation_split(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 1, "limit": 14})
    evaluated = leannet.evaluate(run.path, quiet=True)
    assert run.validation is not None
    assert evaluated.split == "validation"
    assert evaluated.scores.confusion == run.validation.confusion


def test_flags_that_the_weights_rule_out_or_that_win_over_them(shapes: Path, tmp_path: Path) -> None:
    first = train(str(shapes), out=tmp_path / "first", **SMALL | {"epochs": 1})
    settings: dict[str, Any] = {"weights": str(first.path), "epochs": 1, "batch_size": 5, "quiet": True, "workers": 0}
    with pytest.raises(LeannetError, match=r"--width 0\.5: a multiplier is for zoo names"):
        train(str(shapes), out=tmp_path / "second", width=0.5, **settings)
    second = train(str(shapes), out=tmp_path / "second", normalization="zscore", resize="squash", **settings)
    assert second.header.preprocessing.resize == "squash"
    assert second.header.preprocessing.mean != first.header.preprocessing.mean


def test_a_network_that_makes_no_classes_is_refused_before_any_image_is_read(tmp_path: Path) -> None:
    backbone = leannet.architecture("mobilenet_v2_debug").only("Conv1", "block_2")
    (tmp_path / "two.json").write_text(backbone.to_json())
    with pytest.raises(LeannetError, match="expected one output of one value per class"):
        train(str(tmp_path / "nothing"), model=str(tmp_path / "two.json"), quiet=True)


def test_another_precision_in_the_same_process(shapes: Path, tmp_path: Path) -> None:
    runs = [
        train(str(shapes), out=tmp_path / f"{number}", **SMALL | {"epochs": 1, "precision": precision})
        for number, precision in enumerate(("no", "bf16", "no"))
    ]
    first, second, third = (run.log[0]["train_loss"] for run in runs)
    assert first == third
    assert first != second
    assert first == pytest.approx(second, rel=0.05)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_goes_while_training_is_one_line(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    removed = shapes / "disc" / "3.png"

    def remove(self: Console, done: int, label: str, note: str = "", total: int | None = None) -> None:
        if label.startswith("epoch"):
            removed.unlink(missing_ok=True)

    monkeypatch.setattr(Console, "advance", remove)
    with pytest.raises(
        LeannetError, match=r"^disc/3\.png: could be read at the start of the run and no longer can: No such file"
    ):
        train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 9, "workers": workers, "cache": False})


def test_a_failed_first_epoch_leaves_the_folder_free(shapes: Path, tmp_path: Path) -> None:
    settings = SMALL | {"epochs": 1, "optimizer": {"name": "sgd", "lr": 1e30}, "schedule": {"warmup_epochs": 0}}
    with pytest.raises(LeannetError, match="the loss is not finite"):
        train(str(shapes), out=tmp_path / "run", **settings)
    train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 1})


def test_a_finished_run_is_not_resumed_and_its_test_split_not_scored_again(shapes: Path, tmp_path: Path) -> None:
    train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 1, "split": "60:20:20"})
    before = _files(tmp_path / "run")
    with pytest.raises(LeannetError, match="has finished its 1 epochs"):
        resume(tmp_path / "run", quiet=True)
    assert _files(tmp_path / "run") == before


def test_a_run_killed_in_its_first_epoch_goes_on(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saved by the clock in the middle of the first epoch, it has a state and no weights yet."""
    settings = SMALL | {"epochs": 2}
    whole = train(str(shapes), out=tmp_path / "whole", **settings)

    def die(self: Console, done: int, label: str, note: str = "", total: int | None = None) -> None:
        if label.startswith("epoch") and done == 3:
            raise KeyboardInterrupt  # as a kill would: nothing after the last save by the clock

    with monkeypatch.context() as patch:
        patch.setattr("leannet.training.loop.SAVE_SECONDS", 0)
        patch.setattr(Console, "advance", die)
        with pytest.raises(KeyboardInterrupt):
            train(str(shapes), out=tmp_path / "run", **settings)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert resume(tmp_path / "run", quiet=True).finished
    assert _files(tmp_path / "run") == _files(whole.path)


def test_compiling_is_said_before_it_begins(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def enough(*_: Any) -> None:
        raise LeannetError("enough")

    monkeypatch.setattr("leannet.training.run.fit", enough)
    for settings, times in ({"compile": True, "precision": "bf16"}, 1), ({}, 0):
        with pytest.raises(LeannetError, match="enough"):
            train(str(shapes), out=tmp_path / str(times), **SMALL | {"quiet": False} | settings)
        assert capsys.readouterr().err.count("the first steps compile the network, which may take minutes") == times
