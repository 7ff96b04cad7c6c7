"""The page of a run: whole, alone, and honest about what is missing."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import leannet
from leannet.errors import LeannetError
from leannet.training import Run, train
from tests.conftest import draw_folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("report")
    folder = draw_folder(root / "shapes", kinds=("disc", "square & <b>co"))
    (folder / "disc" / "broken.png").write_bytes(b"x")
    run = train(str(folder), out=root / "run", model="mobilenet_v3_debug", epochs=2, quiet=True)
    leannet.report(run.path)
    return run


class _Tags(HTMLParser):
    """The tags still open, and everything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "img", "br", "path", "use", "rect"}:
            self.open.append(tag)
        self.fetched += [
            value or ""
            for name, value in attributes
            if name in {"src", "href", "xlink:href"} and value and value[0] != "#"
        ]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def test_the_page_is_whole_and_fetches_nothing(finished: Run) -> None:
    page = (finished.path / "report.html").read_text()
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.fetched == []
    assert "url(http" not in page
    assert "@import" not in page
    assert len(page) < 500_000


def test_the_page_shows_what_the_run_holds(finished: Run) -> None:
    page = (finished.path / "report.html").read_text()
    for heading in ("Learning curves", "Confusion matrix", "Classes", "Cost by row", "Data", "Settings"):
        assert f"<h2>{heading}</h2>" in page
    assert finished.validation is not None
    assert f"{100 * finished.validation.accuracy:.1f} %" in page
    cells = re.findall(r'title="([^"]*) taken for ([^"]*): (\d+)"', page)
    assert sum(int(n) for _, _, n in cells) == finished.validation.pictures
    assert "disc/broken.png: not a picture" in page
    assert "<b>co" not in page  # class names are text, whatever they look like
    assert "square &amp; &lt;b&gt;co" in page


def test_a_broken_run_says_what_is_missing_and_shows_the_rest(finished: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_bytes((finished.path / "config.toml").read_bytes())
    page = leannet.report(tmp_path / "run").read_text()
    assert page.count("Missing:") == 3
    assert "<h2>Settings</h2>" in page
    (tmp_path / "run" / "log.csv").write_bytes((finished.path / "log.csv").read_bytes())
    page = leannet.report(tmp_path / "run").read_text()
    assert page.count("Missing:") == 2
    assert "<h2>Learning curves</h2>" in page


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match="expected a run folder"):
        leannet.report(tmp_path)
