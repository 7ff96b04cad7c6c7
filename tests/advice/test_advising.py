"""Advice: what fits the budget is what the clock and the counter say, in the order of what is published."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import leannet
from leannet.advice.advising import advise
from leannet.advice.figure import draw
from leannet.cost.published import find
from leannet.errors import LeannetError
from leannet.runtime import Latency
from tests.conftest import draw as draw_one
from tests.conftest import draw_folder
from tests.quantization.test_quantizing import run as run  # the fixture


class Engine:
    """Takes a millisecond for ten million mult-adds, on a clock of its own."""

    def version(self) -> str:
        return "clockwork 1"

    def prepare(self, program: object, threads: int) -> Callable[[object], object]:
        return lambda x: leannet.count(program.architecture).macs / 1e7  # type: ignore[attr-defined]


def _measure(candidates: Mapping[int, Callable[[], float]], seconds: float, **words: int) -> dict[int, Latency]:
    return {name: Latency(*[each()] * 4, runs=5) for name, each in candidates.items()}


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leannet.advice.advising.engine", lambda name: Engine())
    monkeypatch.setattr("leannet.advice.advising.measure", _measure)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for kind in ("disc", "square", "ring"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(3):
            draw_one(kind, number, 200).save(tmp_path / "photos" / kind / f"{number}.jpg")
    return tmp_path / "photos"


def test_the_budget_is_kept_and_the_order_is_by_published_accuracy(clockwork: None, photos: Path) -> None:
    found = advise(photos, latency_ms=10, size_mb=10, macs_m=250)
    assert found.classes == 3
    for each in found.networks:
        table = leannet.architecture(each.name, each.width, each.resolution, 3)
        cost = leannet.count(table)
        assert (each.params, each.macs, each.size_bytes) == (cost.params, cost.macs, 4 * cost.params)
        assert each.top1 == find(each.name, each.width, each.resolution)[0]
        assert each.fits == (cost.macs <= 1e8)
        assert each.size_bytes <= 10e6
        assert each.macs <= 250e6
    top1 = [each.top1 or 0 for each in found.fitting]
    assert top1 == sorted(top1, reverse=True)
    first = found.fitting[0]
    assert found.command == (
        f"leannet train {photos} --model {first.name}"
        + (f" --width {first.width:g}" if first.width != 1 else "")
        + f" --resolution {first.resolution}"
    )


def test_the_front_is_that_of_brute_force(clockwork: None, photos: Path) -> None:
    networks = advise(photos).networks
    for one in networks:
        beaten = any(a.macs <= one.macs and (a.top1 or 0) > (one.top1 or 0) for a in networks)
        assert one.best_for_its_time != beaten


def test_small_images_and_runs(clockwork: None, run: Path, tmp_path: Path) -> None:
    small = advise(draw_folder(tmp_path / "small", each=2), macs_m=40)
    assert all(each.name.startswith("cifar_") and each.resolution == 32 for each in small.networks)
    macs = [each.macs for each in small.fitting]
    assert macs == sorted(macs, reverse=True)
    of_run = advise(run, macs_m=40)
    assert (of_run.classes, of_run.data) == (2, str(run.parent / "shapes"))
    draw(of_run, tmp_path / "x.svg")
    draw(advise(run, macs_m=1e-3), tmp_path / "none.svg")
    assert (tmp_path / "x.svg").stat().st_size > 5_000


def test_nothing_fits_and_what_is_refused(clockwork: None, photos: Path) -> None:
    assert advise(photos, latency_ms=1e-3).command is None
    with pytest.raises(LeannetError, match="expected more than 0"):
        advise(photos, latency_ms=0)
    with pytest.raises(LeannetError, match="nowhere"):
        advise(photos / "nowhere")


def test_a_real_clock(photos: Path) -> None:
    found = advise(photos, macs_m=25, seconds=0.1)
    assert len(found.fitting) > 3
    assert all(each.latency and each.latency.median_ms > 0 for each in found.fitting)
