"""The one training loop on a detection set: a detector learns drawn objects, and its boxes find their way back."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

import leannet
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
from leannet.training.job import Job
from leannet.training.loop import fit
from leannet.training.set_matching import SetMatching, initialize_heads
from leannet.training.settings import Settings
from tests.boxes import boxed_image


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


def test_images_without_truths_are_refused() -> None:
    task = Detection(("red",), Preprocessing(height=8, width=8))
    with pytest.raises(LeannetError, match="digits: expected a detection set, images with boxes, found"):
        task.detections(np.zeros((0, 1, 6), np.float32), leannet.data.sources.open_dataset("digits"))
