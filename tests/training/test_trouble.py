"""Failures: whatever ends a run, saved files are whole, and the error is one line."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from leannet import checkpoint
from leannet.checkpoint import load
from leannet.console import Console
from leannet.errors import LeannetError
from leannet.files import is_training_in, run_lock
from leannet.reports import report
from leannet.run_files import LOCK
from leannet.training import resume, train
from leannet.training.objective import CrossEntropy, Losses, Run
from leannet.training.state import load_state
from tests.conftest import draw_folder

SMALL: dict[str, Any] = {"model": "mobilenet_v3_debug", "batch_size": 5, "workers": 0, "quiet": True, "epochs": 6}
RICH: dict[str, Any] = SMALL | {
    "ema_decay": 0.9, "sampling": "balanced",
    "augment": {"policy": "trivial", "erase": 0.3, "mixup": 0.2, "cutmix": 0.5},
}  # fmt: skip

# A run that saves after every step, so that a kill may come anywhere.
SCRIPT = """
import json, sys
from leannet.training import loop, resume, train
loop.SAVE_SECONDS = 0
if sys.argv[3] == "resume":
    resume(sys.argv[2], quiet=True)
else:
    train(sys.argv[1], out=sys.argv[2], **json.loads(sys.argv[3]))
"""


def test_killed_three_times_at_random_it_ends_as_if_never_stopped(shapes: Path, tmp_path: Path) -> None:
    """By SIGKILL, with EMA, and random draws of augmentation, mixing and sampling."""
    whole = train(str(shapes), out=tmp_path / "whole", **RICH)
    run, state = tmp_path / "run", tmp_path / "run" / "state" / "resume.safetensors"
    random_delay, progress = random.Random(0), list[tuple[int, int]]()
    for attempt in range(3):
        argument = json.dumps(RICH) if attempt == 0 else "resume"
        before = state.stat().st_mtime_ns if state.exists() else 0
        with subprocess.Popen([sys.executable, "-c", SCRIPT, str(shapes), str(run), argument]) as process:
            while (state.stat().st_mtime_ns if state.exists() else 0) == before and process.poll() is None:
                time.sleep(0.005)
            time.sleep(random_delay.uniform(0, 0.15))
            process.kill()
        assert process.returncode == -signal.SIGKILL
        saved = load_state(run).state
        progress.append((saved.epoch, saved.step))
    assert progress == sorted(set(progress)), "each process went on from where the one before was killed"
    assert (0, 0) < progress[0] < progress[-1] < (RICH["epochs"], 0)
    resume(run, quiet=True)
    for name in ("model.safetensors", "last.safetensors", "predictions.csv"):
        assert (run / name).read_bytes() == (whole.path / name).read_bytes()


def test_two_trainings_are_never_in_one_folder(shapes: Path, tmp_path: Path) -> None:
    """The second is refused while the first lives, and the lock of one that was killed keeps nobody out."""
    run, state = tmp_path / "run", tmp_path / "run" / "state" / "resume.safetensors"
    words = json.dumps(SMALL | {"epochs": 400, "workers": 2})
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(shapes), str(run), words]) as process:
        while not state.exists() and process.poll() is None:
            time.sleep(0.005)
        with pytest.raises(LeannetError, match=r"run: another process is training in this folder"):
            resume(run, quiet=True)
        assert is_training_in(run)
        assert "Still training, after" in report(run, tmp_path / "page.html").read_text()
        process.kill()
    assert not is_training_in(run)
    assert "Stopped after" in report(run, tmp_path / "page.html").read_text()
    with run_lock(run), pytest.raises(LeannetError, match="another process"), run_lock(run):
        pass


def test_what_is_no_run_gets_no_lock(shapes: Path) -> None:
    with pytest.raises(LeannetError, match="expected a run that can be resumed"):
        resume(shapes)
    assert not (shapes / LOCK).exists()


@pytest.mark.skipif(os.geteuid() != 0 if hasattr(os, "geteuid") else True, reason="only root may mount a small disk")
def test_a_full_disk_is_one_line_and_the_last_good_checkpoint_loads(shapes: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=260k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")  # as in a container without the right to
    try:
        command = [sys.executable, "-m", "leannet", "train", str(shapes), "--model", "mobilenet_v3_debug", "--quiet"]
        command += ["--epochs", "3", "--batch-size", "5", "--out", str(disk / "run"), "--workers", "0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        assert "No space left on device" in done.stderr
        checkpoints = [path.name for path in (disk / "run").iterdir() if path.suffix == ".safetensors"]
        assert checkpoints
        for name in checkpoints:
            load(disk / "run" / name)
        assert not [path for path in disk.rglob("*") if path.suffix not in {".safetensors", ".toml", ".csv", ""}]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_no_room_for_one_file_leaves_the_others(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same everywhere: the fifth checkpoint finds no room."""
    calls = []
    write = checkpoint.write_whole

    def full(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == 5:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(checkpoint, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        train(str(shapes), out=tmp_path / "run", **SMALL)
    load(tmp_path / "run" / "model.safetensors")
    load(tmp_path / "run" / "last.safetensors")


# Apart from the tests' own process, in which torch would tell of the dead worker at any moment after.
KILLER = """
import multiprocessing, os, signal, sys
from leannet.cli.app import main
from leannet.console import Console
def kill(self, done, label, note="", total=None):
    for child in multiprocessing.active_children():
        if done == 9:
            os.kill(child.pid, signal.SIGKILL)
Console.advance = kill
sys.argv = ["leannet", *sys.argv[1:]]
main()
"""


def test_a_killed_worker_is_one_line(shapes: Path, tmp_path: Path) -> None:
    words = ["train", str(shapes), "--model", "mobilenet_v3_debug", "--epochs", "6", "--batch-size", "5", "--quiet"]
    words += ["--workers", "2", "--no-cache", "--out", str(tmp_path / "run")]
    command = [sys.executable, "-c", KILLER, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "a worker process that prepares images has ended" in done.stderr
    load(tmp_path / "run")


def test_a_worker_that_ends_in_the_middle_of_a_step_is_one_line(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's handler raises wherever this process is, not only where it waits for images."""

    def fail(self: CrossEntropy, network: Run, images: torch.Tensor, targets: torch.Tensor) -> Losses:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr(CrossEntropy, "losses", fail)
    with pytest.raises(LeannetError, match="a worker process that prepares images has ended"):
        train(str(shapes), out=tmp_path / "run", **SMALL)


def test_a_loss_that_is_not_finite_keeps_the_last_good_one(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, losses = [], CrossEntropy.losses

    def poisoned(self: CrossEntropy, network: Run, images: torch.Tensor, targets: torch.Tensor) -> Losses:
        calls.append(1)
        good = losses(self, network, images, targets)
        factor = float("nan") if len(calls) == 10 else 1
        return Losses({name: part * factor for name, part in good.parts.items()}, good.correct)

    monkeypatch.setattr(CrossEntropy, "losses", poisoned)
    with pytest.raises(LeannetError, match=r"at epoch 3, step 2, .*model\.safetensors holds the best"):
        train(str(shapes), out=tmp_path / "run", **SMALL)
    network, _ = load(tmp_path / "run")
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    monkeypatch.undo()
    assert resume(tmp_path / "run", quiet=True).finished


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_weights_that_are_not_finite_are_never_saved(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ema_decay: float
) -> None:
    """A last step of an epoch spoils them: no loss of its own tells, and validation would be of them."""
    calls, move = [], torch.optim.AdamW.step

    def poison(self: torch.optim.AdamW, closure: Any = None) -> Any:
        calls.append(1)
        if len(calls) == 8:
            self.param_groups[0]["lr"] = float("nan")
        return move(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", poison)
    monkeypatch.setattr("leannet.training.loop.SAVE_SECONDS", 0)
    with pytest.raises(LeannetError, match=r"^weights are not finite at epoch 2, step 4, .*holds the best"):
        train(str(shapes), out=tmp_path / "run", **SMALL, ema_decay=ema_decay)
    for name in ("model", "last", "state/resume"):
        tensors = load_file(tmp_path / "run" / f"{name}.safetensors")
        assert all(torch.isfinite(value).all() for value in tensors.values())
    monkeypatch.undo()
    assert resume(tmp_path / "run", quiet=True).finished


def test_too_little_memory_is_one_line(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: CrossEntropy, network: Run, images: torch.Tensor, targets: torch.Tensor) -> Losses:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(CrossEntropy, "losses", full)
    with pytest.raises(LeannetError, match=r"^too little memory for 5 images per step in 1 part; try --accumulate 2"):
        train(str(shapes), out=tmp_path / "run", **SMALL)


def test_a_worker_that_ends_while_the_best_is_scored_is_one_line(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr("leannet.training.run._scores", fail)
    with pytest.raises(LeannetError, match="a worker process that prepares images has ended"):
        train(str(shapes), out=tmp_path / "run", **SMALL | {"split": "60:20:20"})  # the best is scored on test images


def test_a_disk_that_others_have_filled_means_no_cache(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims: list[int] = []

    def full(file: int, start: int, size: int) -> None:
        claims.append(size)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert train(str(shapes), out=tmp_path / "run", **SMALL).finished
    assert claims


def test_a_truncated_checkpoint_is_refused_and_the_other_loads(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 1}).path
    whole = (run / "model.safetensors").read_bytes()
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        (run / "model.safetensors").write_bytes(whole[:size])
        with pytest.raises(LeannetError) as raised:
            load(run)
        assert "\n" not in str(raised.value)
    load(run / "last.safetensors")


def test_images_that_vanish_are_not_missed_once_they_are_kept(shapes: Path, tmp_path: Path) -> None:
    """With a cache the second epoch reads no file; without one the first missing image is named."""

    def vanish(self: Console, done: int, label: str, note: str = "", total: int | None = None) -> None:
        if label.startswith("epoch 2"):
            shutil.rmtree(shapes / "disc", ignore_errors=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Console, "advance", vanish)
        assert train(str(shapes), out=tmp_path / "run", **SMALL).finished
        assert not (shapes / "disc").exists()
        draw_folder(shapes)
        with pytest.raises(
            LeannetError, match=r"^disc/\d+\.png: could be read at the start of the run and no longer can"
        ):
            train(str(shapes), out=tmp_path / "without", **SMALL, cache=False)
