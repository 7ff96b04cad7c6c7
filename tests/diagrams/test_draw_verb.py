"""`leannet draw` as a person meets it: files, standard output, refusals; and the images of the docs."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner, Result

from leannet.cli.draw import command
from leannet.errors import LeannetError
from leannet.zoo import architecture
from tests.conftest import ROOT

verb = typer.Typer(add_completion=False)
verb.command()(command)


def run(*words: str) -> Result:
    return CliRunner().invoke(verb, words)


def refused(*words: str) -> str:
    """The one line of a call that is refused."""
    result = run(*words)
    assert isinstance(result.exception, LeannetError)
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_files_by_their_names() -> None:
    assert run("mobilenet_v2_debug").output == "mobilenet_v2_debug.svg\n"
    assert run("mobilenet_v2_debug", "--row", "block_1").output == "mobilenet_v2_debug.block_1.svg\n"
    assert run("mobilenet_v2_debug", "resnet_debug").output == "side_by_side.svg\n"
    words = [word for ending in ("svg", "png", "pdf", "csv") for word in ("--out", f"a.{ending}")]
    assert run("mobilenet_v3_debug", *words).output == "a.svg\na.png\na.pdf\na.csv\n"
    assert Path("a.png").read_bytes()[1:4] == b"PNG"
    assert Path("a.pdf").read_bytes()[:4] == b"%PDF"
    assert Path("a.csv").read_text().startswith("panel,box,rows,kind")
    ElementTree.parse("a.svg")


def test_a_png_is_the_same_drawing() -> None:
    """Once and a half as many pixels as the SVG has, and boxes of the color that it gives them."""
    from PIL import Image

    run("mobilenet_v2_debug", "--out", "a.png")
    data = json.loads(run("mobilenet_v2_debug", "--json", "--out", "a.svg").output)
    image = Image.open("a.png").convert("RGB")
    assert image.size == (round(1.5 * data["width"]), round(1.5 * data["height"]))
    first = data["panels"][0]["boxes"][1]
    assert image.getpixel((round(1.5 * (first["x"] + first["width"] - 5)), round(1.5 * (first["y"] + 5)))) == (
        0xD6, 0xE6, 0xF9,
    )  # fmt: skip


def test_standard_output() -> None:
    svg = run("mobilenet_v2_debug", "--out", "-").output
    assert ElementTree.fromstring(svg).get("class") == "leannet"
    data = json.loads(run("mobilenet_v2_debug", "--row", "block_1", "--json").output)
    assert data["files"] == ["mobilenet_v2_debug.block_1.svg"]
    assert data["panels"][0]["boxes"][1]["box"].startswith("block_1.")


def test_options_are_those_of_count() -> None:
    words = ("mobilenet_v2", "--width", "0.5", "--resolution", "160", "--classes", "7", "--in-channels", "1", "--json")
    boxes = json.loads(run(*words).output)["panels"][0]["boxes"]
    assert boxes[1]["in_shapes"] == [[1, 160, 160]]
    assert boxes[-1]["out_shape"] == [7, 1, 1]
    arch = architecture("mobilenet_v2_debug").edit("block_1", expansion_channels=37)
    Path("mine.json").write_text(arch.to_json())
    assert "1x1 conv, 37" in run("mine.json", "--row", "block_1", "--out", "-").output


def test_what_is_refused_leaves_nothing() -> None:
    assert "expected a name ending in .svg, .png, .pdf, .csv" in refused("mobilenet_v2", "--out", "a.jpg")
    assert "a folder that exists" in refused("mobilenet_v2", "--out", "nowhere/a.svg")
    assert "standard output" in refused("mobilenet_v2", "--out", "-", "--json")
    assert "nearest: block_1" in refused("mobilenet_v2", "--row", "blok_1", "--out", "a.svg")
    assert "nearest: mobilenet_v2" in refused("mobilenet_v22")
    assert list(Path().iterdir()) == []


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from leannet.cli.draw import command; command(['googlenet'], out=['-'])\n"
        "assert not {'torch', 'numpy', 'matplotlib', 'PIL', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


COMMANDS = [
    line.strip() for line in (ROOT / "docs/diagrams.md").read_text().splitlines() if line.startswith("    leannet draw")
]


def test_the_docs_have_images() -> None:
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("line", COMMANDS)
def test_the_images_of_the_docs_are_what_their_commands_make(line: str) -> None:
    words = shlex.split(line)[2:]
    image = words[words.index("--out") + 1]
    words[words.index("--out") + 1] = "-"
    assert run(*words).output == (ROOT / image).read_text()


def test_a_file_gives_its_image_its_name() -> None:
    for name in ("first", "second"):
        Path(f"{name}.json").write_text(architecture("mobilenet_v2_debug").to_json())
    assert run("first.json", "second.json", "mobilenet_v2_debug", "--out", "a.svg").exit_code == 0
    said = Path("a.svg").read_text()
    for name in ("first.json", "second.json", "mobilenet_v2_debug"):
        assert f">{name}</text>" in said
    assert said.count(">mobilenet_v2_debug, 32 x 32 px") == 2
    assert run("first.json", "--row", "block_1", "--row", "block_2", "--out", "b.svg").exit_code == 0
    assert ">first.json: block_2</text>" in Path("b.svg").read_text()


def test_a_folder_of_folds_is_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "folds").mkdir()
    (tmp_path / "folds" / "folds.json").write_text("{}")
    assert refused("folds").endswith(f"found the folds of a cross-validation: name {Path('folds') / 'fold-1'}")
