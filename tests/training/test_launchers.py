"""Real launchers on a machine without a GPU, started as docs/machines.md prints them, with no variable set for them."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from leannet import launcher
from leannet.checkpoint import load
from leannet.errors import LeannetError
from leannet.training import resume
from leannet.training.learner import make_accelerator
from leannet.training.settings import Settings
from tests.conftest import ROOT, draw_folder

pytestmark = pytest.mark.skipif(torch.accelerator.is_available(), reason="these are for a machine without a GPU")

SET_BY_LAUNCHERS = re.compile(r"(OMP_NUM_THREADS|RANK|WORLD_SIZE|LOCAL_.*|MASTER_.*|ACCELERATE_.*|TORCHELASTIC_.*)")
SMALL = "--model two_layer_debug --epochs 5 --batch-size 4 --seed 3"
FILES = ("config.toml", "model.safetensors", "last.safetensors", "predictions.csv")


def _environment() -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not SET_BY_LAUNCHERS.fullmatch(name)}
    programs = str(Path(sys.executable).parent)
    return plain | {"PATH": os.pathsep.join([programs, plain.get("PATH", "")])}


def _printed(word: str) -> str:
    """The command for two processes on a CPU, from the page."""
    lines = [line.strip() for line in (ROOT / "docs" / "machines.md").read_text().splitlines()]
    return next(line for line in lines if line.startswith(word) and " photos " in line)


def _launch(command: str, folder: Path, attempts: int = 8) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end. Of two torchruns on one machine the second finds its port taken: then again."""
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=_environment(), capture_output=True, text=True, timeout=240, check=False
    )
    if "EADDRINUSE" in done.stderr and attempts > 1:
        time.sleep(5)
        return _launch(command, folder, attempts - 1)
    return done


def _log_without_times(log: Path) -> list[list[str]]:
    return [line.split(",")[:6] for line in log.read_text().splitlines()]


def _header(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as tensors:
        return dict(json.loads(tensors.metadata()["leannet"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run: images, and one run of each launcher."""
    root = tmp_path_factory.mktemp("launchers")
    draw_folder(root / "photos", each=20)
    for word in ("torchrun", "accelerate"):
        done = _launch(f"{_printed(word)} {SMALL}", root)
        assert done.returncode == 0, done.stderr[-3000:]
        printed = (done.stdout + done.stderr).splitlines()
        for start in ("split by content", "epoch   1/5", "validation  ", "report      "):
            assert len([line for line in printed if line.startswith(start)]) == 1, start
        shutil.move(root / "runs" / "photos", root / word)
    return root


def test_two_launchers_leave_the_same_folder(folder: Path) -> None:
    one, other = folder / "torchrun", folder / "accelerate"
    names = [sorted(str(path.relative_to(run)) for path in run.rglob("*")) for run in (one, other)]
    assert names[0] == names[1]
    for name in FILES:  # the same command in the same folder: here nothing differs at all
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert len((one / "log.csv").read_text().splitlines()) == 1 + 5


def test_a_killed_run_goes_on_under_one_process_and_under_two(folder: Path) -> None:
    """SIGKILL to the launcher's process group, of which torchrun's own processes are no part."""
    run = folder / "runs" / "photos"
    log = run / "log.csv"
    command = shlex.split(f"{_printed('torchrun')} {SMALL}")
    for _ in range(8):  # another torchrun may have the port
        with subprocess.Popen(
            command, cwd=folder, env=_environment(), stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            while process.poll() is None and not (log.exists() and len(log.read_text().splitlines()) > 2):
                time.sleep(0.02)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        if process.returncode == -signal.SIGKILL:
            break
        time.sleep(5)
    assert process.returncode == -signal.SIGKILL
    time.sleep(0.2)
    before = _log_without_times(log)
    assert 2 < len(before) < 1 + 5, "the kill came after the last epoch"
    shutil.copytree(run, folder / "killed")
    done = _launch("torchrun --nproc-per-node 2 -m leannet train --resume runs/photos --cpu --json", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["finished"]
    after = _log_without_times(log)
    assert len(after) == 1 + 5
    assert after[: len(before)] == before
    for name in FILES[1:]:
        assert (run / name).read_bytes() == (folder / "torchrun" / name).read_bytes(), name
    cwd = Path.cwd()
    os.chdir(folder)
    try:
        alone = resume("killed", quiet=True)
    finally:
        os.chdir(cwd)
    assert alone.finished
    assert [line["epoch"] for line in alone.log] == [1, 2, 3, 4, 5]
    assert _header(folder / "killed" / "last.safetensors")["split"] == _header(run / "last.safetensors")["split"]
    load(folder / "killed")


FAILING = """
import os, sys
from leannet.cli.app import main
from leannet.errors import LeannetError
from leannet.training.objective import CrossEntropy
losses, calls = CrossEntropy.losses, []
def fail(self, network, images, targets):
    calls.append(1)
    if os.environ["RANK"] == "1" and len(calls) == 3:
        raise LeannetError("the image has gone")
    return losses(self, network, images, targets)
CrossEntropy.losses = fail
sys.argv = ["leannet", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("-m leannet train photos --out torchrun", "--out torchrun: holds another run (model.safetensors)"),
        ("failing.py train photos --out failed --model two_layer_debug --batch-size 4", "the image has gone"),
    ],
)
def test_an_error_is_said_once_and_last(folder: Path, command: str, message: str) -> None:
    """Of two processes that both fail, and of one that fails while the other waits for it."""
    (folder / "failing.py").write_text(FAILING)
    done = _launch(f"torchrun --nproc-per-node 2 {command} --json", folder)
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    assert len([line for line in lines if line.startswith("leannet: ")]) == 1, done.stderr
    assert message in next(line for line in lines if line.startswith("leannet: "))
    assert message in json.loads(done.stdout)["error"]
    repeated = [line for line in lines[lines.index("Root Cause (first observed failure):") :] if "traceback :" in line]
    assert len(repeated) == 1
    assert message in repeated[0]


def test_processes_that_would_train_alone_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate joins processes on an accelerator that is not there; MPI's are seen too."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    for name in ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "2")
            assert launcher.world() == 2
            with pytest.raises(LeannetError, match=r"expected the 2 processes .* found that accelerate joins 1"):
                make_accelerator(Settings(data="photos"))


def test_one_process_of_several_is_no_training_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As accelerate launch leaves it, in a program that is not leannet's own command line."""
    for name in ("ACCELERATE_USE_CPU", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.setenv(name, "no")
    assert not launcher.is_left_alone()
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(
        LeannetError, match="expected the several processes that accelerate launch was asked for, found one"
    ):
        launcher.check_not_left_alone()
    with pytest.raises(LeannetError, match="expected the several processes"):
        launcher.start_the_others()  # whose parent here is no launcher
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not launcher.is_left_alone()
