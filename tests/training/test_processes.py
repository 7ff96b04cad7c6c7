"""Two processes over gloo against one: the same losses, the same batch norm, exactly the same evaluation."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from leannet.checkpoint import load
from leannet.errors import LeannetError
from leannet.files import run_lock
from leannet.training import train
from leannet.training.processes import convert_sync_batch_norm
from tests.conftest import draw_folder

# Without dropout, whose draws are one process's own.
SETTINGS: dict[str, Any] = {
    "model": "mobilenet_v2_debug", "dropout": 0.0, "batch_size": 8, "workers": 0, "quiet": True, "epochs": 2,
    "precision": "fp64", "split": "60:20:20", "sync_norm": "always", "cpu": True, "batch_statistics": "running",
    "optimizer": {"name": "sgd", "lr": 0.05}, "augment": {"policy": "trivial"},
}  # fmt: skip

SCRIPT = """
import json, pathlib, sys, torch
from leannet.training import loop, train
losses = []
total = loop.processes.all_reduce_sum
def spy(value):
    value = total(value)
    if value.shape == (3,) and value.dtype == torch.float64:  # mean loss, correct ones, images
        losses.append(value[0].item())
    return value
loop.processes.all_reduce_sum = spy
run = train(sys.argv[1], out=sys.argv[2], **json.loads(sys.argv[3]))
loop.processes._leave()
left = [task.read_text().strip() for task in pathlib.Path("/proc/self/task").glob("*/comm")]
threads = [name for name in left if "gloo" in name]
scores = {"validation": run.validation.to_dict(), "test": run.test.to_dict()}
print(json.dumps({"losses": losses, "threads": threads, **scores}))
"""


def _run(data: Path, out: Path, settings: dict[str, Any], world: int, attempts: int = 3) -> dict[str, Any]:
    """What the first of so many processes prints. Another program may take the port in between: then another port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(world):
        words = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment = dict(os.environ) | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        environment |= {key: str(value) for key, value in words.items()} if world > 1 else {}
        command = [sys.executable, "-c", SCRIPT, str(data), str(out), json.dumps(settings)]
        processes.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    outputs = [process.communicate(timeout=300) for process in processes]
    if any("EADDRINUSE" in errors for _, errors in outputs) and attempts > 1:
        return _run(data, out, settings, world, attempts - 1)
    assert all(process.returncode == 0 for process in processes), "\n".join(errors[-2000:] for _, errors in outputs)
    results = [json.loads(text.splitlines()[-1]) for text, _ in outputs]
    assert all(
        result["threads"] == [] for result in results
    )  # one that outlives the interpreter may end it by an abort
    return dict(results[0])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """One run of one process, one of two."""
    folder = tmp_path_factory.mktemp("both")
    data = draw_folder(folder / "data", each=70)
    one = _run(data, folder / "one", SETTINGS, world=1)
    two = _run(data, folder / "two", SETTINGS, world=2)
    return one, two, folder


def test_two_follow_one(both: tuple[dict[str, Any], dict[str, Any], Path]) -> None:
    one, two, folder = both
    assert len(one["losses"]) == len(two["losses"]) >= 20
    assert two["losses"][:20] == pytest.approx(one["losses"][:20], rel=1e-5)
    weights_of_one, weights_of_two = (
        load(folder / name / "last.safetensors")[0].state_dict() for name in ("one", "two")
    )
    for name, value in weights_of_one.items():
        torch.testing.assert_close(weights_of_two[name], value, rtol=1e-4, atol=1e-6)


def test_every_image_is_counted_once(both: tuple[dict[str, Any], dict[str, Any], Path]) -> None:
    one, two, folder = both
    assert two["validation"]["confusion"] == one["validation"]["confusion"]
    for split in ("validation", "test"):
        losses = [scores[split].pop("loss") for scores in (one, two)]
        assert losses[0] == pytest.approx(losses[1])
        assert two[split] == one[split]
    lines = [(folder / name / "predictions.csv").read_text().splitlines() for name in ("one", "two")]
    assert [line.split(",")[:3] for line in lines[0]] == [line.split(",")[:3] for line in lines[1]]


@pytest.mark.everything
def test_two_follow_one_in_parts_too(both: tuple[dict[str, Any], dict[str, Any], Path]) -> None:
    """Gradients are exchanged once a step, with its last part. Of both runs each part is the same four images."""
    *_, folder = both
    settings = SETTINGS | {"epochs": 1, "accumulate": 2}
    one = _run(folder / "data", folder / "one-in-parts", settings, world=1)
    two = _run(folder / "data", folder / "two-in-parts", settings, world=2)
    assert len(one["losses"]) == len(two["losses"]) >= 10
    assert two["losses"][:10] == pytest.approx(one["losses"][:10], rel=1e-9)


@pytest.mark.everything
def test_without_synchronisation_they_part(both: tuple[dict[str, Any], dict[str, Any], Path]) -> None:
    """What the first test tests: batch norm over each process's own images gives other losses."""
    one, _, folder = both
    other = _run(folder / "data", folder / "apart", SETTINGS | {"sync_norm": "never", "epochs": 1}, world=2)
    assert abs(other["losses"][3] / one["losses"][3] - 1) > 1e-4


def test_synchronised_batch_norm_of_one_process_is_torchs() -> None:
    """Forward, gradients and running statistics, in float64; and the very same parameters."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).double()
    synchronized = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).double()
    synchronized.load_state_dict(plain.state_dict())
    weight = synchronized[1].weight
    convert_sync_batch_norm(synchronized)
    assert synchronized[1].weight is weight
    store = dist.HashStore()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        x = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3, 8, 8)))
        for network in (plain, synchronized):
            network(x).square().sum().backward()
    finally:
        dist.destroy_process_group()
    for (name, a), (_, b) in zip(plain.named_parameters(), synchronized.named_parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(value, synchronized.state_dict()[name])


def test_what_the_first_process_cannot_do_ends_all(both: tuple[dict[str, Any], dict[str, Any], Path]) -> None:
    """A folder that another training has: each of two processes says so and ends."""
    *_, folder = both
    (folder / "busy").mkdir()
    with run_lock(folder / "busy"), pytest.raises(AssertionError) as raised:
        _run(folder / "data", folder / "busy", SETTINGS, world=2)
    assert str(raised.value).count("LeannetError: ") == 2
    assert str(raised.value).count("another process is training in this folder") == 2


def test_a_batch_too_small_for_its_processes_is_refused(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match="expected two images or more for each of 3 parts"):
        train(str(shapes), out=tmp_path / "run", **(SETTINGS | {"batch_size": 4, "accumulate": 3}))
