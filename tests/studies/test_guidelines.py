"""The guidelines' tables against the paper's own conditions, and the arithmetic on times that are known."""

import json
from pathlib import Path

import pytest

from leannet.cost import count, graph
from leannet.errors import LeannetError
from leannet.runtime.latency import summarize
from leannet.studies import guideline_study, guidelines
from leannet.studies.guideline_figure import draw
from leannet.studies.guideline_study import mean, slowdowns
from leannet.studies.guideline_tables import SCALES, tables


def test_mult_adds_are_equal_down_each_table() -> None:
    """The paper keeps them fixed; its rounded widths leave 6 %."""
    for table in tables():
        for index, scale in enumerate(SCALES):
            macs = [count(case.networks[index]).macs for case in table.cases]
            assert max(macs) / min(macs) < 1.07, (table.key, macs)
            base = count(table.cases[0].networks[0]).macs
            assert macs[0] == base * scale**2


def test_the_blocks_are_those_of_the_paper() -> None:
    """Section 2: ten blocks each; figure 1 of the appendix for the fragments."""
    ratio, group, fragment, element = tables()
    assert count(ratio.cases[0].networks[0]).macs == 20 * 56**2 * 32 * 32
    assert count(group.cases[2].networks[0]).macs == 10 * 56**2 * 128 * 128 // 4
    shapes = {case.name: graph(case.networks[0]) for case in fragment.cases}
    assert [(s.sequential_depth, s.branches) for s in shapes.values()] == [(10, 1), (20, 1), (40, 1), (10, 2), (10, 4)]
    assert count(element.cases[0].networks[2]).macs == 10 * 56**2 * (2 * 128 * 32 + 9 * 32 * 32)
    assert slowdowns(ratio, ratio.cases[3], "arm") == pytest.approx([76.2 / 57.6, 21.7 / 15.1, 5.3 / 4.4])


def test_equal_widths_move_least() -> None:
    """Equation 1 of the paper: MAC >= 2 sqrt(hw B) + B / hw, with equality at c1 = c2."""
    hw = 56**2
    for case in tables()[0].cases:
        layers = count(case.networks[0]).layers
        for layer in layers:
            bound = 2 * (hw * layer.macs) ** 0.5 + layer.macs / hw
            moved = layer.bytes_moved / 4 - layer.biases
            assert moved >= bound - 1e-6
            assert (case.name == "1:1") == (moved == pytest.approx(bound))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> guideline_study.Guidelines:
    """The study on a machine of 50 G mult-adds/s, 25 at odd widths, 20 GB/s and 30 us a layer."""

    class Engine:
        name = "made"

        def version(self) -> str:
            return "made 1"

        def prepare(self, program: object, threads: int) -> object:
            return lambda x: None

    networks = {(t.key, c.name, i): n for t in tables() for c in t.cases for i, n in enumerate(c.networks)}

    def measure(
        candidates: dict[tuple[str, str, int, str, int], object], seconds: float, threads: int
    ) -> dict[object, object]:
        latencies = {}
        for key in candidates:
            even, odd, moved, layers = guideline_study._terms(_case(key[0], key[1]), key[2])
            assert even + odd == count(networks[key[:3]]).macs
            time = even / 50e9 + odd / 25e9 + moved / 20e9 + layers * 30e-6
            latencies[key] = summarize([1e3 * time] * 3)
        return latencies

    monkeypatch.setattr(guideline_study, "engine", lambda name: Engine())
    monkeypatch.setattr(guideline_study, "measure", measure)
    return guidelines(engines=["made"], threads=[1], seconds=1)


def _case(key: str, name: str) -> guideline_study.Case:
    return next(case for table in tables() if table.key == key for case in table.cases if case.name == name)


def test_the_fit_finds_what_the_times_were_made_of(measured: guideline_study.Guidelines) -> None:
    (fit,) = measured.fits
    assert fit.gmacs_per_s == pytest.approx(50, rel=1e-3)
    assert fit.odd_gmacs_per_s == pytest.approx(25, rel=1e-3)
    assert fit.gb_per_s == pytest.approx(20, rel=1e-3)
    assert fit.us_per_layer == pytest.approx(30, rel=1e-3)
    assert all(line.expected == pytest.approx(line.slowdown, rel=1e-3) for line in measured.measured)
    assert len(measured.measured) == 17 * 3


def test_the_words_say_what_the_figures_say(measured: guideline_study.Guidelines, tmp_path: Path) -> None:
    first = measured.words()[0]
    ratios = measured.slowdowns("G1", "1:12", ("made", 1))
    assert first.startswith("G1 holds in made, 1 thread: 1:12 against 1:1")
    assert f"{mean(ratios):.2f} times the time" in first
    assert json.loads(json.dumps(measured.to_dict()))["words"][0] == first
    draw(measured, tmp_path / "g.svg")
    assert "Element-wise operations are non-negligible" in (tmp_path / "g.svg").read_text()


def test_more_threads_than_cores_are_refused() -> None:
    with pytest.raises(LeannetError, match="threads: expected 1 to"):
        guidelines(threads=[1000])
