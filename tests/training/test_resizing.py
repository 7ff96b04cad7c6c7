"""Images that grow during training, and evaluations that are not made after each epoch."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from leannet.network import Network
from leannet.training import progress as progress_module
from leannet.training import resume, train
from leannet.training.progress import Clock, Evaluations, estimate_line
from leannet.training.resizing import ProgressiveResizing
from leannet.training.settings import Settings
from leannet.training.state import TrainState
from leannet.zoo import architecture
from tests.conftest import stop_at_step

SMALL: dict[str, Any] = {"model": "mobilenet_v3_debug", "batch_size": 5, "workers": 0, "quiet": True}


class FakeTime:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(progress_module, "time", fake)
    return fake


def test_sizes_are_what_the_rows_divide() -> None:
    assert ProgressiveResizing.of(architecture("mobilenet_v2", resolution=160), 0.5).sizes == (
        (96, 96), (128, 128), (160, 160),
    )  # fmt: skip
    assert ProgressiveResizing.of(architecture("cifar_resnet20"), 0.6).sizes == (
        (20, 20), (24, 24), (28, 28), (32, 32),
    )  # fmt: skip
    wide = architecture("mobilenet_v2").with_input(96, 192)
    assert ProgressiveResizing.of(wide, 0.3).sizes == ((64, 128), (96, 192))
    # What is fully connected to a whole map fits one size alone, and 1 asks for no other.
    for rows, first in ((architecture("vgg_debug"), 0.25), (architecture("two_layer"), 0.25),
                        (architecture("mobilenet_v2"), 1.0)):  # fmt: skip
        assert ProgressiveResizing.of(rows, first).sizes == ((rows.input.height, rows.input.width),)


def test_images_grow_and_end_at_their_own_size() -> None:
    growing = ProgressiveResizing.of(architecture("cifar_resnet20"), 0.5)
    shares = np.linspace(0, 1, 4001)
    sizes = [growing.at(share) for share in shares]
    assert sizes == sorted(sizes)
    counts = {size: sizes.count(size) for size in growing.sizes}
    assert counts.pop((32, 32)) == pytest.approx(600, abs=2)
    assert list(counts.values()) == pytest.approx([850] * 4, abs=2)
    # What is done of the work: the pixels up to a share, against a sum over the steps.
    pixels = np.cumsum([height * width for height, width in sizes])
    work = [growing.work(share) for share in shares]
    np.testing.assert_allclose(work, (pixels - pixels[0]) / (pixels[-1] - pixels[0]), atol=2e-3)
    assert (growing.work(0), growing.work(1)) == (0, 1)


def test_a_smaller_image_is_the_mean_of_its_pixels() -> None:
    growing = ProgressiveResizing.of(architecture("cifar_resnet20"), 0.5)
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    small = growing.resize(images, 0.0)
    assert (small.dtype, tuple(small.shape)) == (torch.uint8, (3, 3, 16, 16))
    assert small.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(small.float().mean((2, 3)), images.float().mean((2, 3)), atol=4)
    assert growing.resize(images, 0.9) is images


@pytest.mark.parametrize("stop_at", [2, 5])
def test_a_resumed_run_sees_the_same_sizes(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    """And evaluates after the same epochs, with the same means of its steps."""
    seen: list[int] = []
    forward = Network.forward

    def watched(self: Network, x: Tensor) -> Any:
        if self.training:
            seen.append(x.shape[2])
        return forward(self, x)

    monkeypatch.setattr(Network, "forward", watched)
    settings = SMALL | {"epochs": 3, "progressive_resizing": 0.5, "evaluate_every": 2, "steps_per_epoch": 3}
    whole = train(str(shapes), out=tmp_path / "whole", **settings)
    sizes = seen.copy()
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] == 32
    seen.clear()
    with monkeypatch.context() as patch:
        stop_at_step(patch, stop_at)
        train(str(shapes), out=tmp_path / "parts", **settings)
    resume(tmp_path / "parts", quiet=True)
    assert seen == sizes
    for name in ("model.safetensors", "last.safetensors", "predictions.csv", "steps.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [line["epoch"] for line in whole.log] == [2, 3]


def test_a_line_of_the_log_is_the_mean_since_the_last(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 5, "evaluate_every": 2})
    assert [line["epoch"] for line in run.log] == [2, 4, 5]
    lines = list(csv.DictReader((run.path / "steps.csv").read_text().splitlines()))
    images = run.header.split.sizes["train"]
    sizes = [min(5, images - start) for start in range(0, images, 5)]
    for log, epochs in zip(run.log, ([1, 2], [3, 4], [5]), strict=True):
        losses = [float(line["loss"]) for line in lines if int(line["epoch"]) in epochs]
        assert log["train_loss"] == pytest.approx(np.average(losses, weights=sizes * len(epochs)), rel=1e-4)


def test_patience_counts_epochs_that_are_not_evaluated() -> None:
    state = TrainState()
    for epoch in range(9):
        if epoch % 3 == 2:
            state.rank([1.0 if epoch == 2 else 0.5], patience=5)
        state.next_epoch(evaluated=epoch % 3 == 2)
        assert state.ended is (epoch >= 8)
    assert state.stale == 6


def test_evaluations_take_a_twentieth_of_the_time(fake_time: FakeTime) -> None:
    """Of a run of 40 epochs of 20 s whose evaluations take 3 s; and the last epoch is always evaluated."""
    settings = Settings.make({"data": "x", "time": "30m"})
    evaluations, clock, state = Evaluations(settings), Clock(100, 0, settings.time), TrainState()
    spent = []
    for epoch in range(40):
        fake_time.now += 20
        state.ended = epoch == 39
        if evaluations.are_due(state, clock):
            with evaluations.timed(clock):
                fake_time.now += 3
            spent.append(epoch)
        state.next_epoch()
    assert spent == [*range(17, 39, 3), 39]  # after a fifth of the time
    every = Evaluations(Settings.make({"data": "x", "epochs": 7}))
    assert all(every.are_due(TrainState(epoch=epoch), Clock(70, 0)) for epoch in range(7))
    third = Evaluations(Settings.make({"data": "x", "epochs": 7, "evaluate_every": 3}))
    assert [epoch for epoch in range(7) if third.are_due(TrainState(epoch=epoch), Clock(70, 0))] == [2, 5, 6]


@pytest.mark.parametrize("seconds", [2, 15, 25])
def test_near_the_end_three_evaluations_follow_each_other(fake_time: FakeTime, seconds: int) -> None:
    """Of a run of 5 minutes, with steps of 0.8 s: the last ends with the time, two stand before it, earlier ones are
    cheap."""
    settings = Settings.make({"data": "x", "time": "5m"})
    clock, state = Clock(100, 0, settings.time), TrainState()
    evaluations = Evaluations(settings, images=150 * seconds)
    ended: list[float] = []
    while not state.ended:
        for _ in range(10):
            fake_time.now += 0.8
            clock.tick(60)
            clock.set_aside = evaluations.seconds(clock)
            state.ended = clock.is_up
            if state.ended:
                break
        if evaluations.are_due(state, clock):
            with evaluations.timed(clock):
                fake_time.now += seconds
            ended.append(clock.spent)
        state.next_epoch()
    assert ended[-1] == pytest.approx(300, abs=0.8)
    assert ended[-3] >= 300 - 4 * (seconds + 8)
    early = [each for each in ended if each < 300 - 4 * (seconds + 8)]
    assert seconds * len(early) <= 0.05 * 300


def test_time_for_the_last_evaluation_is_set_aside(fake_time: FakeTime) -> None:
    """A fifth of the limit at most, however long it takes; and what is spent of the rest goes from 0 to 1."""
    clock = Clock(100, 0, 100, spent=20)
    assert (clock.end, clock.share) == (100, 0.2)
    clock.set_aside = 10
    fake_time.now += 43
    assert (clock.end, clock.share, clock.is_up) == (90, 0.7, False)
    fake_time.now += 27
    assert clock.is_up
    clock.set_aside = 500
    assert clock.end == 80
    assert (Clock(100, 0).share, Clock(100, 0).is_up) == (0, False)


def test_the_whole_time_is_said_early_and_right(fake_time: FakeTime) -> None:
    """Of a run of 300 steps of 1 s, whose first one takes 20; and where images grow, by their pixels."""
    clock = Clock(300, 0)
    fake_time.now += 19
    for step in range(8):
        fake_time.now += 1
        clock.tick(32)
        assert (clock.estimate() is None) == (step < 6)
    assert clock.estimate() == pytest.approx(300)
    growing = ProgressiveResizing.of(architecture("cifar_resnet20"), 0.5)
    seconds = [(size[0] / 32) ** 2 for size in (growing.at(step / 3000) for step in range(3000))]
    clock = Clock(3000, 0, work=growing.work)
    for step, second in enumerate(seconds):
        fake_time.now += second
        clock.tick(32)
        if step % 100 == 99:
            assert clock.estimate() == pytest.approx(sum(seconds), rel=0.01)
            assert clock.left == pytest.approx(sum(seconds[step + 1 :]), abs=0.01 * sum(seconds))
    assert Clock(300, 20).estimate() is None  # resumed
    short = Clock(300 * 23, 0)  # epochs of three seconds: at the end of the first it is known
    for _ in range(23):
        fake_time.now += 0.125
        short.tick(32)
    assert short.estimate() is None
    assert short.estimate(at_last=True) == pytest.approx(300 * 23 * 0.125)
    assert "shorter" not in estimate_line(599, 30, 100)
    assert "--progressive-resizing" in estimate_line(1500, 30, 44.6)
    assert "--progressive-resizing" not in estimate_line(1500, 30, 44.6, may_grow=False)
    assert estimate_line(1500, 30, 44.6).startswith("about 25 min 0 s for all 30 epochs, at 45 images/s; shorter: ")
