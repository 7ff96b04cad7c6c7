"""Prune, from a trained run to a smaller one that is a run like any other."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leannet
from leannet.checkpoint import load, load_shipped, save
from leannet.cost import count, graph
from leannet.errors import LeannetError
from leannet.network import Network, build
from leannet.rows import Architecture, parameters
from leannet.rows.channels import channels
from leannet.run_files import MODEL, STATE
from leannet.shrink import Plan, prune, resume_pruning, sensitivity
from leannet.shrink.choosing import Choice, choose
from leannet.shrink.criteria import score
from leannet.shrink.images import narrow_network
from leannet.shrink.plan import digest_of, plan_of
from leannet.shrink.timing import Timing
from leannet.shrink.widths import Costs, widths
from leannet.tasks import finds_boxes
from leannet.training.objective import CrossEntropy
from leannet.training.set_matching import SetMatching
from leannet.zoo import FAMILIES, architecture
from tests.conftest import crossed, lively

SMALL = [name for name in FAMILIES if name.endswith("_debug")]
CRITERIA = ["taylor", "l1", "l2", "bn_scale", "geometric_median", "activation", "apoz", "random"]
FEW = ("mobilenet_v3_debug", "shufflenet_v1_debug", "googlenet_debug")
FEW_NORMS = ("fasternet_debug", "starnet_debug")  # most of whose channels have no batch norm to score them by
CASES = crossed(SMALL, CRITERIA, FEW)
QUICK: dict[str, Any] = {"quiet": True, "workers": 0}


def _zeroed(network: Network, removed: frozenset[int]) -> None:
    tied, state = channels(network.architecture), network.state_dict()
    for layer in network.architecture.layers:
        if layer.shares is None:
            gone = np.flatnonzero(np.isin(tied.written[layer.path], list(removed)))
            for parameter in parameters(layer):
                if "out" in parameter.axes and parameter.learned:
                    state[f"{layer.path}.{parameter.name}"][gone] = 0


@pytest.mark.parametrize(("name", "criterion"), CASES)
def test_what_a_criterion_removes_is_gone_exactly(name: str, criterion: Any) -> None:
    """Where the removed channels are zero, the smaller network answers as the large one."""
    torch.manual_seed(0)
    network = lively(build(architecture(name).without_auxiliary())).eval()
    table = network.architecture
    tied = channels(table)
    targets, objective = torch.randint(0, table.classes, (4,)), CrossEntropy()
    if finds_boxes(table):
        corners = torch.rand(4, 3, 2) * 10
        targets = torch.cat((torch.ones(4, 3, 1), corners, corners + 8, torch.ones(4, 3, 1)), dim=2)
        objective = SetMatching(table)
    batches = [(torch.randn(4, *table.input.shape), targets)]
    if criterion == "bn_scale" and not any("norm" in each for each in network.state_dict()):
        return
    scores = score(network, tied, criterion, batches, objective)
    costs = Costs(tied, widths(tied))
    nothing = np.zeros(len(costs.widths), np.int64)
    share = 0.96 if criterion == "bn_scale" and name in FEW_NORMS else 0.7
    least = choose(costs, scores, {"channels": share * float(costs.of("channels", nothing))}, Choice(round_to=2))
    _zeroed(network, least)
    small = narrow_network(network, tied, least)
    with torch.no_grad():
        expected, answers = network(batches[0][0]), small(batches[0][0])
    torch.testing.assert_close(answers, expected, rtol=0, atol=1e-5 * max(float(expected.abs().max()), 1))
    assert sum(value.numel() for value in small.parameters()) == count(small.architecture).params < count(table).params
    assert Architecture.from_json(small.architecture.to_json()) == small.architecture


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits, a network with residual blocks."""
    folder = tmp_path_factory.mktemp("shrink") / "run"
    leannet.train("digits", folder, model="mobilenet_v2_debug", resolution=32, epochs=2, limit=600, **QUICK)
    return folder


@pytest.fixture(scope="module")
def pruned(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shrink") / "small"
    prune(trained, macs="60%", out=folder, epochs=2, request={"images": 128}, **QUICK)
    return folder


def test_the_result_is_a_run_like_any_other(trained: Path, pruned: Path, tmp_path: Path) -> None:
    old, new = load(trained)[1], load(pruned)[1]
    assert count(new.architecture).macs <= 0.6 * count(old.architecture).macs
    assert new.split.digests == old.split.digests
    assert [step.done for step in new.provenance.history] == ["trained", "pruned", "trained"]
    assert leannet.evaluate(pruned, quiet=True).split == "validation"
    artifact = leannet.export(pruned, tmp_path / "model.onnx")
    assert artifact is not None
    assert leannet.check(tmp_path / "model.onnx")
    again = prune(pruned, macs="70%", out=tmp_path / "again", epochs=0, request={"images": 64}, **QUICK)
    assert again.after.macs <= 0.7 * count(new.architecture).macs
    assert Plan.load(pruned / "plan.json").rows


def test_a_plan_replayed_gives_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    request = {"images": 64, "criterion": "l2"}
    made = prune(trained, macs="50%", out=tmp_path / "one", epochs=0, request=request, **QUICK)
    assert made.accuracy == made.accuracy_pruned
    for folder in ("two", "three"):
        plan = {"images": 64, "plan": str(tmp_path / "one" / "plan.json")}
        prune(trained, out=tmp_path / folder, epochs=0, request=plan, **QUICK)
    one, two, three = ((tmp_path / folder / MODEL).read_bytes() for folder in ("one", "two", "three"))
    assert one == two == three


def test_a_killed_replay_needs_its_plan_no_more(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    prune(trained, macs="50%", plan_only=file, request={"images": 64, "criterion": "l2"}, **QUICK)
    prune(trained, out=tmp_path / "one", epochs=0, request={"images": 64, "plan": str(file)}, **QUICK)
    expected = (tmp_path / "one" / MODEL).read_bytes()
    (tmp_path / "one" / MODEL).unlink()
    file.unlink()
    resume_pruning(tmp_path / "one", quiet=True)
    assert (tmp_path / "one" / MODEL).read_bytes() == expected


def test_blocks_that_are_written_out(tmp_path: Path) -> None:
    """A pruned block becomes rows: they are still its own in the next round, and the longer header is in the file's
    budget."""
    run = tmp_path / "run"
    leannet.train("digits", run, model="fasternet_debug", epochs=1, limit=100, **QUICK)
    request: dict[str, Any] = {"rounds": 2, "rows": ("stage_1_block_0",), "round_to": 1, "criterion": "random"}
    small = prune(run, macs="94%", out=tmp_path / "rows", epochs=1, request=request | {"between": 1}, **QUICK)
    assert small.after.macs <= 0.94 * small.before.macs
    changed = {row.split(".")[0] for row, old, new in small.widths if old != new}
    assert changed <= {"stage_1_block_0", "stage_1_down"}  # which the block is added to
    network = lively(build(architecture("nasnet_debug", classes=10)))
    header = load(run)[1]
    save(tmp_path / "nasnet.safetensors", network, header.model_copy(update={"architecture": network.architecture}))
    most = int(0.9 * (tmp_path / "nasnet.safetensors").stat().st_size)
    request = {"images": 16, "criterion": "random"}
    prune(tmp_path / "nasnet.safetensors", size=f"{most / 1000}kB", out=tmp_path / "small", epochs=0, request=request,
          **QUICK)  # fmt: skip
    assert (tmp_path / "small" / MODEL).stat().st_size <= most


def test_early_exits_are_scored_and_measured(tmp_path: Path) -> None:
    """In evaluation a network has no outputs but its own, whatever else it learned by."""
    run = tmp_path / "run"
    leannet.train(
        "digits", run, model="mobilenet_v2_debug", resolution=32, epochs=1, limit=100, skipping={"exits": 1}, **QUICK
    )
    small = prune(run, macs="80%", out=tmp_path / "small", epochs=0, request={"images": 32}, **QUICK)
    assert small.after.macs <= 0.8 * count(load(run)[1].architecture).macs
    assert sensitivity(run, ratios=(0.5,), images=32, criterion="l1", quiet=True).curves


def test_only_the_plan(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    result = prune(trained, params="70%", plan_only=file, request={"images": 64, "keep": ("block_1",)}, **QUICK)
    assert result.path is None
    assert list(tmp_path.iterdir()) == [file]
    assert not [row for row in Plan.load(file).rows if row.row.startswith("block_1.")]
    data = json.loads(file.read_text())
    data["rows"] = [row for row in data["rows"] if row["row"].startswith("block_2")]  # edited by hand
    file.write_text(json.dumps(data))
    edited = prune(trained, out=tmp_path / "edited", epochs=0, request={"images": 64, "plan": str(file)}, **QUICK)
    assert {row.split(".")[0] for row, old, new in edited.widths if old != new} == {"block_2"}


def test_several_budgets_at_once(trained: Path, tmp_path: Path) -> None:
    old = load(trained)[1].architecture
    result = prune(
        trained, macs="80%", params="60%", size="65%", activation_memory="80%", out=tmp_path / "run", epochs=1,
        request={"images": 64}, **QUICK,
    )  # fmt: skip
    new = load(tmp_path / "run")[1].architecture
    assert count(new).macs <= 0.8 * count(old).macs
    assert count(new).params <= 0.6 * count(old).params
    assert graph(new).peak_activation_bytes <= 0.8 * graph(old).peak_activation_bytes
    assert (tmp_path / "run" / MODEL).stat().st_size <= 0.65 * result.before.size_bytes
    peak = max(graph(old).rows, key=lambda row: row.peak_activation_bytes).name
    peaks = {row.name: row.peak_activation_bytes for row in graph(new).rows}
    assert peaks[peak] < graph(old).peak_activation_bytes


def test_whole_blocks_go(trained: Path, tmp_path: Path) -> None:
    result = prune(trained, macs="90%", out=tmp_path / "run", epochs=0, request={"blocks": 1, "images": 64}, **QUICK)
    (block,) = result.plan.blocks
    assert block not in load(tmp_path / "run")[1].architecture.shapes
    with pytest.raises(LeannetError, match="--blocks 9: expected as many residual blocks"):
        prune(trained, out=tmp_path / "other", epochs=0, request={"blocks": 9, "images": 64}, **QUICK)


def test_a_budget_of_milliseconds_is_a_share_of_the_original_in_every_round(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock that ticks by mult-adds."""
    monkeypatch.setattr(Timing, "milliseconds", lambda _, networks: [count(each).macs / 1e6 for each in networks])
    request = {"images": 64, "rounds": 2, "between": 1}
    result = prune(trained, latency="60%", out=tmp_path / "run", epochs=1, request=request, **QUICK)
    (budget,) = result.budgets
    assert budget.most == pytest.approx(0.6 * count(load(trained)[1].architecture).macs / 1e6)
    assert 0.5 * budget.before < count(load(tmp_path / "run")[1].architecture).macs / 1e6 <= budget.most
    with pytest.raises(LeannetError, match=r"--latency .*: expected a network that takes so long, the fastest found"):
        prune(trained, latency="0.0001ms", out=tmp_path / "other", request={"images": 64}, **QUICK)


class _Killed(BaseException):
    pass


def test_a_killed_iterative_pruning_goes_on_to_the_same_result(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = {"images": 64, "rounds": 3, "between": 1}
    prune(trained, macs="40%", out=tmp_path / "whole", epochs=2, request=request, **QUICK)
    from leannet.training import loop

    for step in (4, 25, 45):  # in the first, the second and the last round
        folder, ticks = tmp_path / f"killed-{step}", 0
        original = loop.Learner.train_step

        def train_step(self: Any, *arguments: Any, at: int = step, of: Any = original) -> Any:
            nonlocal ticks
            ticks += 1
            if ticks == at:
                raise _Killed
            return of(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(loop.Learner, "train_step", train_step)
            with pytest.raises(_Killed):
                prune(trained, macs="40%", out=folder, epochs=2, request=request, **QUICK)
        resume_pruning(folder, quiet=True)
        one, two = (load_shipped(place)[0].state_dict() for place in (tmp_path / "whole", folder))
        assert all(torch.equal(one[key], two[key]) for key in one)
        assert (folder / "plan.json").read_bytes() == (tmp_path / "whole" / "plan.json").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"macs": "120%"}, "--macs: expected a share above 0% and below 100%, found '120%'"),
        ({"macs": "half"}, "--macs: expected a share as 50%, or a number with k, M, G, found 'half'"),
        ({"macs": "900G"}, "expected less than the .* that the network has now"),
        ({"macs": "1k"}, r"--macs 1 k: expected at least [\d.]+ k"),
        ({"latency": "3 miles"}, "--latency: expected a share as 50%, or a number with ms, us, s, found '3 miles'"),
        ({"request": {"ratio": 1.5}}, "ratio"),
        ({"request": {"ratio": 0.5}, "macs": "50%"}, "--ratio and a budget: expected one of them"),
        ({"request": {"plan": "plan.json", "round_to": 4}}, "a plan says all that goes: leave out round_to"),
        ({"request": {"between": 5}}, "--between: of one round nothing follows but the training itself"),
        ({"request": {"keep": ("blok",)}}, "mobilenet_v2_debug has no row or layer 'blok'"),
        ({"request": {"plan": "nowhere.json"}}, "nowhere.json: cannot be read"),
        ({"model": "mobilenet_v1"}, "--model: the network and its split are those of"),
        ({"split": "50:50", "macs": "50%"}, "--split 50:50: some images to validate on would be those that trained"),
    ],
)
def test_mistakes_are_told_in_a_line_and_nothing_is_written(
    trained: Path, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    before = sorted(path for path in trained.rglob("*"))
    request = {"images": 64, **arguments.pop("request", {})}
    with pytest.raises(LeannetError, match=message):
        prune(trained, out=tmp_path / "run", request=request, **arguments, **QUICK)
    assert not (tmp_path / "run" / MODEL).exists()
    assert sorted(path for path in trained.rglob("*")) == before


def test_a_plan_for_another_network(trained: Path, tmp_path: Path) -> None:
    table = architecture("cifar_mobilenet_v2")
    tied = channels(table)
    plan_of(tied, [int(widths(tied)[0].groups[0])], rows_digest=digest_of(table)).save(tmp_path / "plan.json")
    with pytest.raises(
        LeannetError, match="the plan is for another network, cifar_mobilenet_v2, and this is mobilenet_v2_debug"
    ):
        prune(trained, out=tmp_path / "run", epochs=0, request={"plan": str(tmp_path / "plan.json")}, **QUICK)
    assert not (tmp_path / "run" / MODEL).exists()


def test_another_pruning_is_not_overwritten(trained: Path, pruned: Path) -> None:
    with pytest.raises(LeannetError, match="holds another run"):
        prune(trained, out=pruned, **QUICK)
    with pytest.raises(LeannetError, match="expected the folder of a pruning"):
        resume_pruning(trained, quiet=True)
    copy = pruned.parent / "half"
    shutil.copytree(pruned, copy)
    for name in (MODEL, "last.safetensors", "log.csv", str(STATE)):
        (copy / name).unlink()
    with pytest.raises(LeannetError, match="holds another pruning"):
        prune(trained, out=copy, **QUICK)
