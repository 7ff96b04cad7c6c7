"""The most accurate network is named only where a test shows it: in the text, the page, its bold, and --json."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import leannet
from leannet.checkpoint import load, save
from leannet.cli.compare import command
from leannet.reports.comparison import Comparison, compare, write_page
from leannet.reports.comparison.network import PUBLISHED, Accuracy, ComparedNetwork
from leannet.reports.comparison.page import best_networks
from leannet.reports.comparison.pairs import Pair
from leannet.reports.comparison.verdict import verdict
from tests.reports.synthetic_runs import synthetic_run

IMAGES = 400


def _network(label: str, correct: int, kind: str = "run", evaluated_on: str = "the same images") -> ComparedNetwork:
    from leannet.tasks.metrics import wilson

    low, high = (None, None) if evaluated_on == PUBLISHED else wilson(correct, IMAGES)
    accuracy = Accuracy(correct / IMAGES, low, high, IMAGES, evaluated_on, "")
    return ComparedNetwork(label, label, kind, leannet.architecture("mobilenet_v2_debug"), None, accuracy, None)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 300))
def test_of_two_runs_mcnemar_decides(only_first: int, only_second: int, both: int) -> None:
    first, second = _network("a", both + only_first), _network("b", both + only_second)
    pair = Pair("a", "b", both, only_first, only_second, IMAGES - both - only_first - only_second)
    decision = verdict([first, second], [pair])
    differing, fewer = only_first + only_second, min(only_first, only_second)
    p = min(1.0, 2 * sum(math.comb(differing, k) for k in range(fewer + 1)) / 2**differing)
    better = first if only_first > only_second else second
    assert decision.winners == ([better] if p < 0.05 else [])
    assert decision.sentence().startswith(f"{better.label} is the most accurate" if p < 0.05 else "No difference shown")
    assert (decision.to_dict()["most_accurate"] == []) == (p >= 0.05)


@given(st.lists(st.integers(0, IMAGES), min_size=2, max_size=6))
def test_without_predictions_intervals_decide(correct: list[int]) -> None:
    networks = [_network(f"n{place}", number, "checkpoint") for place, number in enumerate(correct)]
    best = max(networks, key=lambda network: network.accuracy.value)  # type: ignore[union-attr]
    equal = [network for network in networks if network.accuracy.value == best.accuracy.value]  # type: ignore[union-attr]
    others = [network for network in networks if network not in equal]
    apart = bool(others) and all(network.accuracy.high < best.accuracy.low for network in others)  # type: ignore[union-attr, operator]
    decision = verdict(networks, [])
    assert {network.what for network in decision.winners} == ({network.what for network in equal} if apart else set())
    assert ("95 % intervals do not overlap" in decision.sentence()) == apart
    assert ("95 % intervals overlap" in decision.sentence()) == (not apart)


def test_published_figures_are_ranked_and_said_to_be_no_test() -> None:
    decision = verdict([_network("a", 300, "zoo name", PUBLISHED), _network("b", 290, "zoo name", PUBLISHED)], [])
    assert decision.sentence() == "a has the highest published accuracy: 75.0 %."
    assert decision.to_dict()["test"] == "published figures, untested"


def _runs(root: Path, *accuracies: float) -> list[str]:
    """Synthetic runs that were evaluated on the same images."""
    words = []
    for place, accuracy in enumerate(accuracies):
        run = synthetic_run(root / f"run{place}", classes=4, images=IMAGES, accuracy=accuracy)
        network, header = load(run)
        split = header.split.model_copy(update={"digests": {"validation": "same"}})
        save(run / "model.safetensors", network, header.model_copy(update={"split": split}))
        words.append(str(run))
    return words


def _bold_accuracies(page: str) -> list[str]:
    return re.findall(r"<td [^>]*><b>([\d.]+ %)</b>", page)


@pytest.mark.parametrize(
    ("accuracies", "winner"), [((0.80, 0.81), None), ((0.95, 0.80), 0), ((0.80, 0.95, 0.94), None)]
)
def test_text_page_and_json_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], accuracies: tuple[float, ...], winner: int | None
) -> None:
    words = _runs(tmp_path, *accuracies)
    command(words, out=tmp_path / "x.html", json=True)
    data = json.loads(capsys.readouterr().out)
    (decision,) = data["verdicts"]
    assert decision["most_accurate"] == ([] if winner is None else [words[winner]])
    assert decision["images"] == IMAGES
    assert [pair["difference_shown"] for pair in data["pairs"]] == [pair["p_value"] < 0.05 for pair in data["pairs"]]
    page = (tmp_path / "x.html").read_text()
    best = f"{100 * max(line['accuracy'] for line in data['networks']):.2f} %"
    assert _bold_accuracies(page) == ([] if winner is None else [best])
    command(words)
    out = capsys.readouterr().out
    said = "No difference shown between" if winner is None else f"run{winner} is the most accurate"
    assert said in out
    assert said in page
    assert ("is the most accurate" in out) == (winner is not None)
    if winner is None:
        assert re.search(rf"No difference shown between .* on {IMAGES} images \(p = [01]\.\d+", " ".join(out.split()))
        assert " *" not in out


def test_bold_is_the_least_of_what_is_counted_and_nothing_where_all_are_equal(tmp_path: Path) -> None:
    comparison = compare(["mobilenet_v1", "mobilenet_v2", "mobilenet_v2@192"])
    best = best_networks(comparison)
    assert (best["macs"], best["params"], best["accuracy"]) == ({2}, {1, 2}, {1})
    alike = best_networks(compare(["mobilenet_v2:0.5", "mobilenet_v2:0.5@224"]))
    assert not any(alike.values())


def test_a_time_is_bold_only_apart_from_the_others() -> None:
    from leannet.runtime import Latency

    def comparison(*quartiles: tuple[float, float]) -> Comparison:
        networks: list[Any] = []
        for place, (low, high) in enumerate(quartiles):
            latency = Latency((low + high) / 2, low, high, high, 9)
            networks.append(replace(_network(f"n{place}", 300), latency=latency))
        return Comparison(tuple(networks))

    assert best_networks(comparison((1.0, 1.2), (1.3, 1.5)))["latency_ms"] == {0}
    assert best_networks(comparison((1.0, 1.4), (1.3, 1.5)))["latency_ms"] == set()


def test_the_table_fits_80_columns_and_wide_has_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*_runs(tmp_path / ("long" * 20), 0.8, 0.9), "mobilenet_v3_large_torchvision:0.75@224", "resnet152"]
    command(words)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    command(words, measure=True, seconds=0.1, quiet=True)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    first = "".join(line.split()[0] for line in lines[2 : lines.index("")] if line[0] != " ")
    assert all(name in first for name in ("run0", "run1", *words[2:]))  # whole, on as many lines as they need
    command(words, wide=True)
    head = capsys.readouterr().out.splitlines()[0]
    assert all(name in head for name in ("MB moved", "peak MB", "depth", "branches", "source"))


def test_an_export_beside_its_run_is_neither_better_nor_worse(tmp_path: Path) -> None:
    (run,) = _runs(tmp_path, 0.9)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes((Path(run) / "model.safetensors").read_bytes())
    comparison = compare([run, str(copy)])
    assert comparison.verdicts[0].winners == []
    assert _bold_accuracies(write_page(comparison, tmp_path / "x.html").read_text()) == []
