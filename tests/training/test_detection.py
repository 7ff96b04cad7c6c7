"""The one training loop on a detection set: a detector learns drawn objects, and its boxes find their way back."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leannet
from leannet.checkpoint import load, save
from leannet.console import Console
from leannet.data.scan import scan
from leannet.data.sources.boxed import Problems, boxed_dataset
from leannet.data.split import split_dataset
from leannet.errors import LeannetError
from leannet.header import Header, read_header
from leannet.preprocessing import Preprocessing
from leannet.rows.detecting import detector
from leannet.sections import BoxSummary
from leannet.tasks import Detection
from leannet.training import train
from leannet.training.job import Job
from leannet.training.loop import fit
from leannet.training.resizing import ProgressiveResizing
from leannet.training.set_matching import SetMatching, initialize_heads
from leannet.training.settings import Settings
from leannet.weights import read_weights
from tests.boxes import boxed_image, coco_set


def test_a_detector_learns_in_the_one_loop(tmp_path: Path) -> None:
    dataset = boxed_dataset("drawn", "drawn", [boxed_image(tmp_path, number) for number in range(60)], (), Problems())
    scanned = scan(dataset)
    split = split_dataset(scanned.dataset, scanned.digests, None, 0)
    preprocessing = Preprocessing(height=64, width=96, resize="letterbox")
    backbone = leannet.architecture("mobilenet_v2_debug", resolution=64).with_input(64, 96)
    table = detector(backbone, 2, channels=16, levels=(4,), most=20)
    settings = Settings(
        data="drawn", epochs=30, batch_size=8, workers=0, threads=1, batch_norm="torch", progressive_resizing=0.5,
        augment={"crop": 0.7, "flip": True}, optimizer={"name": "adamw", "lr": 2e-2}, ema_decay=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    objective = SetMatching(table)
    network = leannet.build(table)
    initialize_heads(network)
    header = Header(architecture=table, classes=dataset.classes, preprocessing=preprocessing)
    job = Job(network, header, scanned, split, settings, objective)
    run = tmp_path / "run"
    run.mkdir()
    state, stopped, result = fit(job, run, Console(quiet=True))
    assert not stopped
    assert state.log[-1]["train_loss"] < 0.5 * state.log[0]["train_loss"]
    metrics = read_header(run / "model.safetensors").metrics.validation
    assert isinstance(metrics, BoxSummary)
    assert metrics.ap50 > 0.7
    assert result is not None
    assert result.summary() == metrics
    assert metrics.images == len(split.validation)
    with (run / "predictions.csv").open(newline="") as file:
        best = max(csv.DictReader(file), key=lambda line: float(line["score"]))
    truths = {image.name: image for image in (boxed_image(tmp_path, n) for n in range(60))}[best["path"]]
    found = np.array([float(best[side]) for side in ("left", "top", "right", "bottom")])
    assert min(np.abs(found - each.box).max() for each in truths.objects if each.label == best["class"]) < 12


SMALL: dict[str, Any] = {"workers": 0, "quiet": True, "cpu": True, "epochs": 1}


def test_a_small_set_takes_a_smaller_batch_than_a_recipe_that_nobody_asked_for(tmp_path: Path) -> None:
    data = coco_set(tmp_path / "few", {"train": 3, "val": 2})
    run = train(str(data), out=tmp_path / "run", model="onenet_debug", **SMALL)
    assert 'recipe = "detect-few"' in (config := (run.path / "config.toml").read_text())
    assert "batch_size = 3" in config
    with pytest.raises(LeannetError, match=r"--batch-size 4.*: expected at most the 3 images"):
        train(str(data), out=tmp_path / "no", model="onenet_debug", batch_size=4, **SMALL)


def test_a_classifiers_weights_are_those_of_the_backbone_or_refused(tmp_path: Path) -> None:
    """Of another program too."""
    data, weights = coco_set(tmp_path / "set", {"train": 4, "val": 2}), tmp_path / "other.pt"
    backbone = leannet.create("mobilenet_v2_debug")
    torch.save(backbone.state_dict(), weights)
    run = train(str(data), out=tmp_path / "run", model="onenet_debug", weights=str(weights), freeze="stem", **SMALL)
    network, header = load(run.path)
    stem = header.architecture.stems[0]
    torch.testing.assert_close(network.state_dict()[stem], backbone.state_dict()[stem])
    torch.save(leannet.create("resnet_debug").state_dict(), weights)
    other = tmp_path / "other.safetensors"
    network, header = read_weights(weights, "resnet_debug")
    save(other, network, header)
    with pytest.raises(LeannetError, match="expected weights of the backbone of onenet_debug, found those of resnet"):
        train(str(data), out=tmp_path / "no", model="onenet_debug", weights=str(other), **SMALL)


def test_images_may_grow_for_detectors_too() -> None:
    """The maps that training looks at become smaller with them."""
    rows = leannet.architecture("onenet_debug", resolution=64)
    assert len(ProgressiveResizing.of(SetMatching(rows).watch(rows), 0.5).sizes) > 1


def test_images_without_objects_are_split_by_themselves(tmp_path: Path) -> None:
    """Half of few images without one: chance may not fill the validation split with them."""
    images = [boxed_image(tmp_path, number) for number in range(6)]
    images = [replace(each, objects=() if number % 2 else each.objects[:1]) for number, each in enumerate(images)]
    images = [replace(each, objects=tuple(replace(one, label="a") for one in each.objects)) for each in images]
    scanned = scan(boxed_dataset("drawn", "drawn", images, (), Problems()))
    for seed in range(20):
        split = split_dataset(scanned.dataset, scanned.digests, None, seed)
        assert scanned.dataset.truths is not None
        assert sum(len(scanned.dataset.truths[index].labels) for index in split.validation)


def test_images_without_truths_are_refused() -> None:
    task = Detection(("red",), Preprocessing(height=8, width=8))
    with pytest.raises(LeannetError, match="digits: expected a detection set, images with boxes, found"):
        task.detections(np.zeros((0, 1, 6), np.float32), leannet.data.sources.open_dataset("digits"))
