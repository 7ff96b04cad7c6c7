"""A search from images to rows: whoever takes part, and whoever is killed."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leannet
from leannet.checkpoint import load
from leannet.console import Console
from leannet.cost import count
from leannet.errors import LeannetError
from leannet.microcontrollers import fit
from leannet.nas.evaluating import BySupernet
from leannet.nas.kept import Kept
from leannet.nas.searched import Searched
from leannet.nas.searched_figure import draw_searched
from leannet.nas.searching import resume_search, search
from leannet.nas.spaces import space_of
from leannet.rows import Architecture
from leannet.rows.channels import channels
from leannet.rows.narrowing import narrowed
from leannet.training.job import prepare
from leannet.training.reading import Reader
from leannet.training.run import make_settings
from leannet.zoo import architecture

SPACE = space_of(architecture("mobilenet_v2_debug", 1.0, 16), squeeze=(), width=(0.5, 1))
QUICK: dict[str, Any] = {"quiet": True, "workers": 0, "limit": 400, "epochs": 1}
REQUEST = {"evaluations": 12, "images": 64, "validation": 60}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    out = tmp_path_factory.mktemp("search") / "found"
    return search("digits", SPACE, macs="60%", out=out, request=REQUEST, **QUICK)


def test_it_finds_rows_that_are_rows_like_any_others(searched: Searched, tmp_path: Path) -> None:
    found = Architecture.load(searched.path / "found.json")
    assert found == searched.architecture
    assert found.classes == 10
    best = max(each.reward for each in searched.trials)
    assert searched.best.reward == best
    assert count(found).macs == searched.best.cost
    run = leannet.train("digits", tmp_path / "run", model=str(searched.path / "found.json"), **QUICK)
    assert run.header.architecture.rows == found.rows


def test_every_trial_is_another_network_and_worth_what_the_paper_says(searched: Searched) -> None:
    assert len(searched.trials) == 12
    networks = [searched.request.space.architecture(each.candidate) for each in searched.trials]
    assert len({rows.named("").to_json() for rows in networks}) == 12
    target = searched.request.target
    largest = searched.request.space.architecture(searched.request.space.largest)
    assert target == pytest.approx(0.6 * count(largest).macs)
    for trial, rows in zip(searched.trials, networks, strict=True):
        assert trial.cost == count(rows).macs
        assert trial.reward == pytest.approx(trial.accuracy * (trial.cost / target) ** -0.07)
        assert trial == searched.base or trial.sampled[-1] == (trial.candidate, trial.reward)
    assert searched.base is not None
    assert searched.base.number == 1  # after the supernet
    assert networks[searched.trials.index(searched.base)].rows == searched.request.space.base.rows
    front = searched.front
    assert all(a.cost <= b.cost and a.accuracy < b.accuracy for a, b in pairwise(front))
    assert json.loads(json.dumps(searched.to_dict()))["evaluations"] == 12
    draw_searched([searched], searched.path / "search.svg", [("zoo", 1e5, 0.5)])
    assert (searched.path / "search.svg").stat().st_size > 1000


def test_a_kill_loses_no_finished_trial(searched: Searched, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    code = (
        "from tests.nas.test_searching import QUICK, REQUEST, SPACE\n"
        "from leannet.nas.searching import search\n"
        f"search('digits', SPACE, macs='60%', out={str(out)!r}, supernet={str(searched.path / 'supernet')!r}, "
        "request=REQUEST, **{**QUICK, 'quiet': False})\n"
    )
    log = tmp_path / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=file, stderr=file)
        until = time.monotonic() + 120
        while log.read_text().count("reward") < 3 and time.monotonic() < until and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, log.read_text()
    done = [line for line in log.read_text().splitlines() if "reward" in line]
    again = resume_search(out, quiet=True)
    assert len(again.trials) == 12
    numbers = {each.number for each in again.trials}
    assert {int(line.split(":")[0].split()[-1]) for line in done} <= numbers


def test_two_workers_never_evaluate_the_same_network(searched: Searched, tmp_path: Path) -> None:
    out = tmp_path / "shared"
    helpers: list[subprocess.Popen[bytes]] = []

    def begun(folder: Path) -> None:
        code = f"from leannet.nas.searching import resume_search\nresume_search({str(folder)!r}, quiet=True)\n"
        helpers.append(subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE))
        time.sleep(4)  # it has to import torch

    request = {**REQUEST, "evaluations": 14, "strategy": "random"}
    supernet = searched.path / "supernet"
    both = search("digits", SPACE, macs="60%", out=out, supernet=supernet, request=request, begun=begun, **QUICK)
    (helper,) = helpers
    _, errors = helper.communicate(timeout=120)
    assert helper.returncode == 0, errors.decode()
    networks = [SPACE.architecture(each.candidate).named("").to_json() for each in both.trials]
    assert len(set(networks)) == len(networks) >= 14


def test_memory_is_a_limit(searched: Searched, tmp_path: Path) -> None:
    """Of the same space, a third of whose networks fit; of those accuracy alone counts."""
    draw = np.random.default_rng(0)
    sizes = sorted(fit(SPACE.architecture(SPACE.random(draw))).sram for _ in range(12))
    request = {**REQUEST, "evaluations": 5, "sram": f"{sizes[4] / 1000:g}kB", "strategy": "evolution"}
    supernet = searched.path / "supernet"
    small = search("digits", SPACE, out=tmp_path / "s", supernet=supernet, request=request, **QUICK)
    for each in small.trials:
        assert each.reward == each.accuracy
        assert fit(SPACE.architecture(each.candidate)).sram <= sizes[4]
    assert any(worth == 0 for each in small.trials for _, worth in each.sampled[:-1])


def test_how_much_is_kept_of_a_trained_networks_widths(tmp_path: Path) -> None:
    """Candidates have what is left of its weights; those of the best are there to be trained on."""
    run = tmp_path / "run"
    leannet.train("digits", run, model="mobilenet_v2_debug", resolution=16, **{**QUICK, "epochs": 4})
    request = {**REQUEST, "evaluations": 8, "strategy": "random", "validation": 400}
    found = search(from_run=run, macs="70%", out=tmp_path / "found", request=request, quiet=True)
    assert isinstance(found.request.space, Kept)
    assert found.request.space.base == load(run)[1].architecture
    assert len(found.trials) == 8
    for trial in found.trials:
        assert trial.cost == count(found.request.space.architecture(trial.candidate)).macs
    _, header = load(found.path / "found.safetensors")
    assert header.architecture == found.architecture == Architecture.load(found.path / "found.json")
    assert [step.done for step in header.provenance.history] == ["trained", "searched"]
    scores = leannet.evaluate(found.path / "found.safetensors", quiet=True).scores
    assert scores.accuracy == pytest.approx(found.best.accuracy, abs=0.02)
    again = leannet.train("digits", tmp_path / "again", weights=str(found.path / "found.safetensors"), split="weights",
                          **QUICK)  # fmt: skip
    assert again.header.architecture.rows == found.architecture.rows
    (found.path / "found.json").unlink()
    assert resume_search(found.path, quiet=True).best == found.best
    for asked, says in (
        ({"space": SPACE}, "expected a space .* or a trained network .*, found both"),
        ({"from_run": None}, "found neither"),
        ({"supernet": run}, "--from: candidates have the weights of that run"),
        ({"model": "resnet8"}, "--model: the space says what networks are"),
    ):
        with pytest.raises(LeannetError, match=says):
            search(**{"from_run": run, "macs": "70%", "out": tmp_path / "other", "quiet": True, **asked})


def test_kept_widths_are_those_of_pruning() -> None:
    base = architecture("mobilenet_v2_debug", 1.0, 16)
    tied = channels(base)
    scores = np.random.default_rng(0).random(tied.count)
    kept = Kept.of(base, scores)
    assert Kept.model_validate_json(kept.model_dump_json()) == kept
    assert kept.architecture(kept.largest).rows == base.rows
    for name, ratios in kept.decisions:
        assert ratios[0] == 1
        assert min(ratios) >= 0.5
        assert list(ratios) == sorted(ratios, reverse=True), name
    candidate = kept.random(np.random.default_rng(1))
    rows, removed = kept.architecture(candidate), kept.removed(candidate)
    assert rows.rows == narrowed(tied, removed).architecture.rows
    for width, option in zip(kept.widths, candidate, strict=True):
        gone = set(width.groups[: width.gone[option]])
        assert all(scores[group] <= scores[other] for group in gone for other in set(width.groups) - gone)
    with pytest.raises(LeannetError, match="expected widths that can become multiples of 1024"):
        Kept.of(base, scores, round_to=1024)


def test_no_candidate_is_evaluated_on_what_its_weights_were_trained_on(searched: Searched) -> None:
    """Whatever split the search that takes a supernet asks for: it is the supernet's."""
    words = {"model": str(searched.path / "largest.json"), "workers": 0, "limit": 400}
    first, other = (
        prepare(make_settings("digits", {**words, "split": split}), Reader(), Console(quiet=True))
        for split in (None, "50:50")
    )
    trained_on = {first.scan.dataset.names[index] for index in first.split.train}
    assert trained_on & {other.scan.dataset.names[index] for index in other.split.validation}
    for job in (first, other):
        evaluator = BySupernet(job, searched.path / "supernet", searched.request.space, searched.request)
        assert len(evaluator.truths.names) == 60
        assert not trained_on & set(evaluator.truths.names)


def test_candidates_see_images_as_the_shared_weights_do(searched: Searched) -> None:
    """Whatever mean and deviation the search that takes a supernet would have chosen; and its classes are the same."""
    words = {"model": str(searched.path / "largest.json"), "workers": 0, "limit": 400}
    job = prepare(make_settings("digits", words), Reader(), Console(quiet=True))
    preprocessing = job.header.preprocessing.model_copy(update={"mean": (0.9, 0.9, 0.9), "std": (0.01, 0.01, 0.01)})
    other = replace(job, header=job.header.model_copy(update={"preprocessing": preprocessing}))
    place, space = searched.path / "supernet", searched.request.space
    first, second = (BySupernet(each, place, space, searched.request) for each in (job, other))
    assert first.accuracy(space.smallest) == second.accuracy(space.smallest)
    fewer = replace(job, header=job.header.model_copy(update={"classes": tuple("abcdefghij")}))
    with pytest.raises(LeannetError, match="expected a supernet of the classes a, b"):
        BySupernet(fewer, place, space, searched.request)


def test_uniform_weights_are_evaluated_by_statistics_that_were_measured(tmp_path: Path) -> None:
    """The largest network is hardly ever drawn, so that its running statistics say nothing."""
    request = {**REQUEST, "evaluations": 1, "rule": "uniform"}
    found = search("digits", SPACE, macs="60%", out=tmp_path / "u", request=request, **{**QUICK, "batch_size": 2})
    state, _ = load(found.path / "supernet")
    tracked = [module for module in state.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(not torch.equal(each.running_var, torch.ones_like(each.running_var)) for each in tracked)


def test_candidates_may_be_trained_alone_and_timed(tmp_path: Path) -> None:
    base = architecture("mobilenet_v2_debug", 1.0, 16)
    space = space_of(base, squeeze=(), width=(), expansion=(), resolution=(16, 32))
    request = {**REQUEST, "evaluations": 2, "evaluate": "training"}
    found = search("digits", space, latency="80%", out=tmp_path / "t", request=request, **QUICK)
    assert len(found.trials) == 2
    assert found.request.quantity == "latency_ms"
    assert (tmp_path / "t" / "latency_table.json").exists()
    assert not (tmp_path / "t" / "supernet").exists()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "expected one target of --latency, --macs and --params, or --sram or --flash alone, found none"),
        ({"macs": "50%", "params": "50%"}, "found 2"),
        ({"latency": "50%", "request": {"device": "Cortex-A76"}}, "--device Cortex-A76: .* expected --latency-table"),
        ({"macs": "50%", "request": {"table": "x.json"}}, "--latency-table: expected a target of milliseconds"),
        ({"macs": "50%", "width": 0.5}, "--width: the space says what networks are"),
        ({"macs": "50%", "request": {"strategy": "luck"}}, "search: "),
        ({"macs": "50%", "request": {"sram": "lots"}}, "--sram lots: expected an amount of memory"),
        ({"request": {"flash": "1kB"}}, "expected networks within --flash 1kB; the smallest of the space needs"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(tmp_path: Path, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(LeannetError, match=says):
        search("digits", SPACE, out=tmp_path / "out", **{**QUICK, **asked})
    assert not (tmp_path / "out").exists()


def test_a_supernet_of_another_space_is_refused(searched: Searched, tmp_path: Path) -> None:
    other = space_of(architecture("mobilenet_v2_debug", 1.0, 16), squeeze=(), kernel=(3, 7))
    supernet = searched.path / "supernet"
    with pytest.raises(LeannetError, match="expected the largest network of the space"):
        search("digits", other, macs="50%", out=tmp_path / "out", supernet=supernet, request=REQUEST, **QUICK)
    with pytest.raises(LeannetError, match="search --resume"):
        search("digits", SPACE, macs="50%", out=searched.path, request=REQUEST, **QUICK)
