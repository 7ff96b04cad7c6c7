"""NetAdapt: what each step chooses, whoever takes the proposals, and whoever is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import leannet
from leannet.checkpoint import load
from leannet.cost import count
from leannet.errors import LeannetError
from leannet.nas.adapt_request import Adaptation, Offer, Offered, winner
from leannet.nas.adapt_worker import Worker
from leannet.nas.adapted import Adapted
from leannet.nas.adapted_figure import draw_adapted
from leannet.nas.adapting import adapt, resume_adapting
from leannet.nas.resources import Counted
from leannet.nas.trials import results_of
from leannet.shrink.timing import Timing

QUICK: dict[str, Any] = {"quiet": True, "workers": 0}
REQUEST = {"round_to": 2, "short_steps": 3, "reduction": 0.1, "proposals": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits, a network with residual blocks."""
    folder = tmp_path_factory.mktemp("adapt") / "run"
    leannet.train("digits", folder, model="mobilenet_v2_debug", resolution=32, epochs=2, limit=400, **QUICK)
    return folder


@pytest.fixture(scope="module")
def adapted(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapted:
    out = tmp_path_factory.mktemp("adapt") / "small"
    return adapt(trained, macs="75%", out=out, epochs=1, request=REQUEST, **QUICK)


def test_it_ends_below_the_budget_as_a_run(adapted: Adapted, trained: Path) -> None:
    network, header = load(adapted.path)
    cost = count(network.architecture)
    assert cost.macs <= 0.75 * count(load(trained)[0].architecture).macs
    assert cost.macs == adapted.predicted == adapted.macs[1]
    assert adapted.params[1] == cost.params
    assert [step.done for step in header.provenance.history][-2:] == ["adapted", "trained"]
    assert adapted.run is not None
    assert adapted.run.validation is not None
    assert adapted.accuracy == adapted.run.validation.accuracy
    assert (adapted.path / "adapt.json").exists()


def test_every_step_takes_away_what_it_should_and_chooses_the_best(adapted: Adapted) -> None:
    before, cost = adapted.before, adapted.before
    assert len(adapted.steps) >= 2
    for number, (offer, chosen) in enumerate(adapted.steps, start=1):
        assert (offer.step, offer.cost) == (number, cost)
        assert offer.target == pytest.approx(max(cost - 0.1 * 0.98 ** (number - 1) * before, 0.75 * before))
        assert 1 <= len(offer.proposals) <= 4
        assert all(each.cost <= offer.target and each.after % 2 == 0 for each in offer.proposals)
        assert chosen.accuracy == max(chosen.accuracies.values())
        assert set(chosen.accuracies) == {each.key for each in offer.proposals}
        cost = chosen.cost
    assert cost <= adapted.most
    seen = sum(len(offer.proposals) for offer, _ in adapted.steps)
    assert adapted.images == seen * 3 * int(Adaptation.load(adapted.path).settings["batch_size"])
    assert json.loads(json.dumps(adapted.to_dict()))["steps"][0]["chosen"]["key"] == adapted.steps[0][1].key
    draw_adapted(adapted, adapted.path / "adapt.svg")
    assert "</svg>" in (adapted.path / "adapt.svg").read_text()


def test_a_kill_loses_no_finished_proposal(adapted: Adapted, trained: Path, tmp_path: Path) -> None:
    """Killed once two proposals are done; gone on with, it ends with the same network."""
    out = tmp_path / "killed"
    code = (
        "from leannet.nas.adapting import adapt\n"
        f"adapt({str(trained)!r}, macs='75%', out={str(out)!r}, epochs=1, request={REQUEST!r}, workers=0)\n"
    )
    log = tmp_path / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=file, stderr=file)
        until = time.monotonic() + 120
        while log.read_text().count(" -> ") < 2 and time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, log.read_text()
    again = resume_adapting(out, quiet=True)
    assert [chosen for _, chosen in again.steps] == [chosen for _, chosen in adapted.steps]
    one, two = (load(each.path)[0].state_dict() for each in (adapted, again))
    assert all(torch.equal(one[key], two[key]) for key in one)
    results = results_of(str(out / "study.db"), Adaptation.load(out).study)
    numbers = [result.number for result in results if "/" in result.key]
    assert len(numbers) == sum(len(offer.proposals) for offer, _ in again.steps)


def test_two_workers_share_the_proposals(adapted: Adapted, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "shared"
    helpers: list[subprocess.Popen[bytes]] = []

    def begun(folder: Path) -> None:
        code = f"from leannet.nas.adapting import resume_adapting\nresume_adapting({str(folder)!r}, quiet=True)\n"
        helpers.append(subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE))
        time.sleep(3)  # it has to import torch

    both = adapt(trained, macs="75%", out=out, epochs=1, request=REQUEST, begun=begun, **QUICK)
    (helper,) = helpers
    _, errors = helper.communicate(timeout=120)
    assert helper.returncode == 0, errors.decode()
    assert [chosen for _, chosen in both.steps] == [chosen for _, chosen in adapted.steps]
    assert both.accuracy == adapted.accuracy


def test_milliseconds_by_a_table(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leannet.nas.adapt_resource.FITTED", 3)
    request = {**REQUEST, "proposals": 1, "short_steps": 1, "reduction": 0.05, "rows": ("block_1", "block_2")}
    fast = adapt(trained, latency="97%", out=tmp_path / "fast", epochs=1, request=request, **QUICK)
    assert fast.quantity == "latency_ms"
    assert fast.predicted <= 0.97 * fast.before
    assert fast.measured_ms is not None
    assert (fast.path / "latency_table.json").exists()
    again = {**request, "table": str(fast.path / "latency_table.json"), "engine": "openvino"}
    with pytest.raises(LeannetError, match="measured with onnxruntime"):
        adapt(trained, latency="90%", out=tmp_path / "other", request=again, **QUICK)
    data = json.loads((fast.path / "latency_table.json").read_text())
    data["setting"]["machine"]["processor"] = "Cortex-A76"
    (tmp_path / "board.json").write_text(json.dumps(data))
    with pytest.raises(LeannetError, match=r"found Cortex-A76.*: run adapt there, or leave --latency-table out"):
        adapt(trained, latency="90%", out=tmp_path / "other", request=again | {
            "table": str(tmp_path / "board.json"), "engine": "onnxruntime"}, **QUICK)  # fmt: skip


def test_the_clock_has_the_last_word(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its rows are measured to take may be a lucky figure: then steps go on; and after the last one it says so."""
    counted = Counted("macs")  # which stand for milliseconds: nothing is timed
    monkeypatch.setattr("leannet.nas.adapting.first_resource", lambda *_: counted)
    monkeypatch.setattr("leannet.nas.adapt_worker.resource_of", lambda *_: counted)
    monkeypatch.setattr(Worker, "_can_measure", lambda *_: True)
    monkeypatch.setattr("leannet.nas.adapting._check_floor", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    shares = iter((1.2, 0.5))
    monkeypatch.setattr(Timing, "milliseconds", lambda *_: [1.0, next(shares)])
    request = {**REQUEST, "proposals": 1, "short_steps": 1, "reduction": 0.2}
    words: dict[str, Any] = {"epochs": 1, "request": request, "measure": False, "storage": "trials.log", **QUICK}
    fast = adapt(trained, latency="95%", out=tmp_path / "fast", **words)
    assert [float(json.loads(file.read_text())["after"]) for file in sorted(fast.path.glob("steps/*/timed.json"))] == [
        1.2, 0.5]  # fmt: skip
    assert len(fast.steps) > 1
    assert Adaptation.load(fast.path).storage == str(tmp_path / "trials.log")
    monkeypatch.setattr(Timing, "milliseconds", lambda *_: [1.0, 1.2])
    words["request"] = {**request, "steps": 1}
    slow = adapt(trained, latency="95%", out=tmp_path / "slow", **words)
    assert len(slow.steps) == 1
    assert slow.finished
    assert (fast.met, slow.met) == (True, False)


def test_which_proposal_wins() -> None:
    offered = [Offered(key=key, row=key, before=8, after=6, cost=cost, removed=())
               for key, cost in (("a", 90.0), ("b", 80.0), ("c", 90.0))]  # fmt: skip
    offer = Offer(step=1, cost=100.0, accuracy=0.9, target=90.0, proposals=tuple(offered))
    assert winner(offer, {"a": 0.88, "b": 0.87, "c": 0.86}, "accuracy").key == "a"
    assert winner(offer, {"a": 0.88, "b": 0.87, "c": 0.86}, "ratio").key == "b"  # 0.0015 a unit, and not 0.002
    assert winner(offer, {"a": 0.91, "b": 0.925, "c": 0.9}, "ratio").key == "b"  # 0.00125 a unit, and not 0.001
    assert winner(offer, {"a": 0.88, "b": 0.88, "c": 0.88}, "accuracy").key == "b"  # the cheapest of equal ones


@pytest.mark.parametrize(
    ("budgets", "request_", "says"),
    [
        ({"macs": "20%"}, {"reduction": 0.025, "decay": 0.96}, "take away at most 62.5 %"),
        ({"macs": "50%"}, {"reduction": 0.05, "steps": 3}, "--steps 3: .* takes 12 steps"),
        ({"macs": "50%", "params": "50%"}, {}, "expected one budget"),
        ({"macs": "50%"}, {"select": "luck"}, "adapt: "),
        ({"macs": "50%"}, {"table": "x.json"}, "expected a budget of milliseconds"),
        ({"macs": "lots"}, {}, "expected a share as 50%"),
        (
            {"macs": "2%"},
            {"reduction": 0.1, "decay": 1.0},
            "--macs .*: expected at least .*, which is left when every row",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    trained: Path, tmp_path: Path, budgets: Any, request_: Any, says: str
) -> None:
    with pytest.raises(LeannetError, match=says):
        adapt(trained, out=tmp_path / "out", request=request_, **budgets, **QUICK)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_not_taken_twice(adapted: Adapted, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match="adapt --resume"):
        adapt(trained, macs="75%", out=adapted.path, request=REQUEST, **QUICK)
    with pytest.raises(LeannetError, match="expected the folder of an adaptation"):
        resume_adapting(trained)
    moved = tmp_path / "moved"
    shutil.copytree(adapted.path, moved)
    data = json.loads((moved / "adapt.json").read_text())
    (moved / "adapt.json").write_text(json.dumps(data | {"weights": "0"}))
    with pytest.raises(LeannetError, match="has changed since this adaptation began"):
        resume_adapting(moved)
    assert os.listdir(adapted.path / "steps")
