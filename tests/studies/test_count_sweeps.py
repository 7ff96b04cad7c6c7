"""A sweep prints the paper's Tables 6 and 7, counts what counting one by one counts, and is drawn."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from leannet.cost import count, graph
from leannet.cost.published import MOBILENET_V1, V1_PAPER
from leannet.errors import LeannetError
from leannet.studies import sweep
from leannet.studies.sweep_figure import arrange, draw
from leannet.zoo import architecture

# As the paper prints them: name, accuracy in percent, million mult-adds, million parameters.
TABLE_6 = (("1.0", 70.6, 569, 4.2), ("0.75", 68.4, 325, 2.6), ("0.5", 63.7, 149, 1.3), ("0.25", 50.6, 41, 0.5))
TABLE_7 = ((224, 70.6, 569, 4.2), (192, 69.1, 418, 4.2), (160, 67.2, 290, 4.2), (128, 64.4, 186, 4.2))


def test_tables_6_and_7_are_printed_by_one_command() -> None:
    """The counts round to the printed figures, but for 290 of 290.68, which the paper cut off."""
    words = ["count", "mobilenet_v1", "--width", "1,0.75,0.5,0.25", "--resolution", "224,192,160,128"]
    done = subprocess.run([sys.executable, "-m", "leannet", *words], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()[2:18]]
    assert len({(line[1], line[2]) for line in lines}) == 16
    cells = {(line[1], line[2]): line for line in lines}
    for (width, pixels), (_, top1, macs, params) in [
        *(((f"{float(row[0]):g}", "224"), row) for row in TABLE_6),
        *((("1", str(row[0])), row) for row in TABLE_7),
    ]:
        line = cells[width, pixels]
        assert abs(float(line[3]) - params) <= 0.05
        assert int(float(line[4])) == macs or round(float(line[4])) == macs
        assert f"{top1} [2]" in " ".join(line)
    assert f"[2] published for 1000 classes: {V1_PAPER}" in done.stdout
    for row in MOBILENET_V1:
        assert f"{row.top1} [1]" in " ".join(cells[f"{row.width:g}", str(row.resolution)])


def test_it_is_counting_one_by_one_and_loads_no_torch() -> None:
    words = ["mobilenet_v2:0.5@160", "shufflenet_v2@96", "two_layer", "mobilenet_v2@160"]
    code = "import sys; sys.argv[0] = 'leannet'; from leannet.cli.app import main\n"
    code += "try: main()\nfinally: assert 'torch' not in sys.modules"
    flags = ["--width", "1,0.5", "--json"]
    done = subprocess.run([sys.executable, "-c", code, "count", *words, *flags], capture_output=True, check=True)
    networks = json.loads(done.stdout)["networks"]
    expected = [
        ("mobilenet_v2", 0.5, 160),
        *(("shufflenet_v2", width, 96) for width in (1, 0.5)),
        *(("two_layer", width, None) for width in (1, 0.5)),
        ("mobilenet_v2", 1, 160),  # at width 0.5 it stands there already
    ]
    assert len(networks) == len(expected)
    for line, (name, width, resolution) in zip(networks, expected, strict=True):
        network = architecture(name, width, resolution)
        cost = count(network)
        assert (line["name"], line["width"], line["resolution"]) == (name, width, network.input.height)
        assert (line["params"], line["macs"]) == (cost.params, cost.macs)
        assert line["peak_activation_bytes"] == graph(network).peak_activation_bytes
    assert networks[0]["published"][0]["accuracy"] == pytest.approx(0.61)


def test_files_stand_beside_zoo_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(architecture("mobilenet_v2_debug").to_json())
    result = sweep([str(file), "mobilenet_v2_debug"], resolutions=[32, 64])
    assert [point.resolution for point in result.points] == [32, 64, 32, 64]
    assert result.points[0].cost.macs == result.points[2].cost.macs
    with pytest.raises(LeannetError, match="a width multiplier is for zoo names"):
        sweep([str(file)], widths=[1, 0.5])


def test_published_accuracy_is_only_of_the_published_network() -> None:
    assert sweep(["mobilenet_v1"]).sources
    assert not sweep(["mobilenet_v1"], classes=10).sources
    assert not sweep(["mobilenet_v1"], resolutions=[200]).sources


def test_a_line_of_the_figure_is_what_stays_the_same() -> None:
    label, x_of, lines = arrange(sweep(["mobilenet_v1"], [1, 0.5], [224, 160]).points)
    assert label == "resolution, pixels"
    assert list(lines) == ["width 1", "width 0.5"]
    assert [[x_of(point) for point in points] for points in lines.values()] == [[160, 224]] * 2
    label, _, lines = arrange(sweep(["mobilenet_v1", "mobilenet_v2"], [1, 0.5]).points)
    assert label == "width multiplier"
    assert list(lines) == ["mobilenet_v1", "mobilenet_v2"]
    with pytest.raises(LeannetError, match="expected several widths or resolutions"):
        arrange(sweep(["mobilenet_v1", "mobilenet_v2@160"]).points)


@pytest.mark.parametrize("what", [["mobilenet_v1"], ["two_layer"], ["mobilenet_v1", "mobilenet_v2"]])
def test_the_figure_has_a_title_and_every_line(what: list[str], tmp_path: Path) -> None:
    draw(sweep(what, [1, 0.5]), tmp_path / "sweep.svg")
    text = (tmp_path / "sweep.svg").read_text()
    assert "by width" in text
    assert all(name in text for name in what)
    assert ("Published top-1 accuracy" in text) == (what != ["two_layer"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("mobilenet_v1 --width 1,half", "--width: expected numbers with commas between, as 1,0.75,0.5, found '1,half'"),
        ("mobilenet_v1 --resolution 224,", "--resolution: expected numbers with commas between"),
        ("mobilenet_v1 mobilenet_v2 --by row", "--by says how one network is printed"),
        ("mobilenet_v1 --width 1,0.5 --convention thop", "--convention says how one network is printed"),
        ("mobilenet_v1 mobilenet_v2 --figure a.svg", "a figure shows a sweep"),
        ("mobilenet_v1 --width 1,0.5 --figure a.txt", "expected a figure's name ending in"),
        ("mobilenet_v1 --resolution 224,1", "mobilenet_v1 cannot take 1 x 1 pixels"),
    ],
)
def test_what_cannot_be_swept_is_refused(words: str, says: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "leannet", "count", *words.split()],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert says in done.stderr
    assert not list(tmp_path.iterdir())
