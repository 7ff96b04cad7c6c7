"""Advice: what fits the budget is what the clock and the counter say, in the order of what is published."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation, Text

import leannet
from leannet.advice.advising import advise
from leannet.advice.figure import draw
from leannet.cli.advise import command
from leannet.cost.published_timm import most_accurate
from leannet.errors import LeannetError
from leannet.rows.branches import shipped
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
    return {name: Latency(*[run()] * 4, runs=5) for name, run in candidates.items()}


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
    advice = advise(photos, latency_ms=10, size_mb=10, macs_m=250)
    assert advice.classes == 3
    for network in advice.networks:
        rows = shipped(leannet.architecture(network.name, network.width, network.resolution, 3))
        cost = leannet.count(rows)
        assert (network.params, network.macs, network.size_bytes) == (cost.params, cost.macs, 4 * cost.params)
        assert network.top1 == most_accurate()[network.name, network.width, network.resolution][0].top1
        assert network.fits == (cost.macs <= 1e8)
        assert network.size_bytes <= 10e6
        assert network.macs <= 250e6
    top1 = [network.top1 or 0 for network in advice.fitting]
    assert top1 == sorted(top1, reverse=True)
    first = advice.fitting[0]
    assert advice.command == (
        f"leannet train {photos} --model {first.name}"
        + (f" --width {first.width:g}" if first.width != 1 else "")
        + f" --resolution {first.resolution}"
    )


def test_the_front_is_that_of_brute_force(clockwork: None, photos: Path) -> None:
    networks = advise(photos).networks
    assert {network.best_for_its_time for network in networks} == {True, False}
    for network in networks:
        beaten = any(other.macs <= network.macs and (other.top1 or 0) > (network.top1 or 0) for other in networks)
        assert network.best_for_its_time != beaten


def test_networks_that_are_far_too_large_are_not_even_built(
    clockwork: None, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none is missed that fits, though it computes twice as many mult-adds a millisecond as smaller ones; larger
    forms of one that is far too slow are not built either."""
    faster = "mobilenet_v1"
    prepared: list[int] = []

    class DenseIsFaster(Engine):
        def prepare(self, program: Any, threads: int) -> Callable[[object], object]:
            macs = leannet.count(program.architecture).macs
            prepared.append(macs)
            return lambda x: macs / (2e7 if program.architecture.name.startswith(faster) else 1e7)

    monkeypatch.setattr("leannet.advice.advising.engine", lambda name: DenseIsFaster())
    advice = advise(photos, latency_ms=20)
    assert {network.macs for network in advice.fitting} == {
        network.macs for network in advice.networks if network.macs <= (4e8 if network.name == faster else 2e8)
    }
    assert len(prepared) < sum(network.macs <= max(prepared) for network in advice.networks)
    largest = max(network.macs for network in advice.networks)
    assert max(network.macs for network in advice.fitting) > 3e8
    assert max(prepared) < 2.5e9 < largest
    assert sorted(prepared) == prepared


def test_small_images_and_runs(clockwork: None, run: Path, tmp_path: Path) -> None:
    small = advise(draw_folder(tmp_path / "small", each=2), macs_m=40)
    assert len(small.networks) > 3
    assert all(network.name.startswith("cifar_") and network.resolution == 32 for network in small.networks)
    macs = [network.macs for network in small.fitting]
    assert macs == sorted(macs, reverse=True)
    of_run = advise(run, macs_m=40)
    assert (of_run.classes, of_run.data) == (2, str(run.parent / "shapes"))


def test_nothing_fits_and_what_is_refused(clockwork: None, photos: Path) -> None:
    assert advise(photos, latency_ms=1e-3).command is None
    with pytest.raises(LeannetError, match="expected more than 0"):
        advise(photos, latency_ms=0)
    with pytest.raises(LeannetError, match="nowhere"):
        advise(photos / "nowhere")


def test_a_real_clock(photos: Path) -> None:
    advice = advise(photos, macs_m=25, seconds=0.1)
    assert len(advice.fitting) > 3
    assert all(network.latency and network.latency.median_ms > 0 for network in advice.fitting)


def _labels_in_view(axis: Any) -> list[Text]:
    """Labels of ticks; matplotlib keeps more of them than it draws."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


@pytest.mark.parametrize("about", ["photos", "digits", "a very long name, $x_{y} and <b>, that goes on and on"])
@pytest.mark.parametrize("limits", [{}, {"latency_ms": 12.0}, {"latency_ms": 3.0}, {"latency_ms": 1e-3}])
def test_the_figure_cuts_nothing_off_and_overprints_no_label(
    clockwork: None, photos: Path, about: str, limits: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text lies inside the figure, and labels of points on no other text and on no point."""
    folder = "digits" if about == "digits" else str(photos.rename(photos.parent / about))
    drawings: list[Any] = []
    monkeypatch.setattr("leannet.advice.figure.write_figure", lambda drawing, path: drawings.append(drawing))
    advice = advise(folder, **limits)
    draw(advice, Path("x.svg"))
    (drawing,) = drawings
    FigureCanvasAgg(drawing).draw()
    (axes,) = drawing.axes
    whole = drawing.bbox
    ticks = {text for axis in (axes.xaxis, axes.yaxis) for text in axis.findobj(Text)} - {
        axes.xaxis.label,
        axes.yaxis.label,
    }
    seen = {label for axis in (axes.xaxis, axes.yaxis) for label in _labels_in_view(axis)}
    texts = [text for text in drawing.findobj(Text) if text.get_visible() and text.get_text()]
    texts = [text for text in texts if text not in ticks or text in seen]
    boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert whole.x0 <= box.x0, text
        assert box.x1 <= whole.x1, text
        assert whole.y0 <= box.y0, text
        assert box.y1 <= whole.y1, text
    labels = [text for text in axes.texts if isinstance(text, Annotation)]
    points = [point for line in axes.lines if line.get_marker() != "None" for point in line.get_xydata()]
    assert len(points) == sum(network.latency is not None for network in advice.networks)
    assert bool(labels) == bool(points)
    for label in labels:
        box = Text.get_window_extent(label)
        assert not any(box.contains(*axes.transData.transform(point)) for point in points)
        for text, other in zip(texts, boxes, strict=True):
            other = Text.get_window_extent(text) if isinstance(text, Annotation) else other
            assert text is label or not box.overlaps(other), (label, text)


def test_the_verb_writes_a_figure_on_request_alone(
    clockwork: None, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photos.parent)
    command("photos", latency=10, quiet=True)
    out = capsys.readouterr().out
    assert max(map(len, out[: out.index("try next")].splitlines())) <= 80
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]
    command("photos", latency=10, figure=Path("x.svg"), json=True, quiet=True)
    assert json.loads(capsys.readouterr().out)["figure"] == "x.svg"
    assert Path("x.svg").stat().st_size > 5_000
    with pytest.raises(LeannetError, match="expected a figure's name"):
        command("photos", figure=Path("x.gif"))
