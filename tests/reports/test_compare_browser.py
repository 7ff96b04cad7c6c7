"""The page of a comparison in Chromium: at two widths, light and dark, by keyboard, with nothing fetched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leannet.artifact import export
from leannet.reports.comparison import compare, write_page
from leannet.training import train
from tests.conftest import draw_folder

NAMES = """() => [...document.querySelectorAll("#fronts svg")].map((svg) =>
  [...svg.querySelectorAll("text")].filter((text) => /run|model/.test(text.textContent)).map((text) => {
    const { left, top, right, bottom, height } = text.getBoundingClientRect();
    return [left, top + 0.15 * height, right, bottom - 0.15 * height];  // a line's box is higher than its letters
  }))"""
SHOWN = "(select) => getComputedStyle(document.querySelector(select)).display"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compare")
    folder = draw_folder(root / "shapes", each=16)
    words = []
    for number, model in enumerate(("mobilenet_v3_debug", "two_layer_debug", "mobilenet_v2_debug")):
        run = root / f"run {number} of {model}"
        train(str(folder), out=run, model=model, epochs=3, batch_size=5, workers=0, quiet=True, split="50:50")
        words.append(str(run))
    words.append(str(export(words[0]).path))
    return write_page(compare([*words, "mobilenet_v2"]), root / "compare.html")


@pytest.fixture(params=[(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")], ids=str)
def page(request: pytest.FixtureRequest, browser: Any, page_file: Path) -> Iterator[Any]:
    """The page at a width and in a scheme, with nothing on the console and nothing asked for but itself."""
    width, scheme = request.param
    problems: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else problems.append(asked.url))
    page.goto(page_file.as_uri())
    yield page
    assert problems == []
    context.close()


def test_it_fits_and_no_name_lies_on_another(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    figures = page.evaluate(NAMES)
    assert len(figures) == 2
    for boxes in figures:
        assert len(boxes) >= 2
        for place, (left, top, right, bottom) in enumerate(boxes):
            assert left >= 0
            assert right <= page.viewport_size["width"]
            for other in boxes[:place]:
                apart = left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom
                assert apart, (boxes[place], other)


def test_heads_sort_by_keyboard(page: Any) -> None:
    column = page.locator("table.sorts thead th", has_text="params")
    place = column.evaluate("(head) => head.cellIndex")

    def values() -> list[str]:
        rows = page.locator("table.sorts tbody tr")
        return rows.evaluate_all(f"(rows) => rows.map((row) => row.cells[{place}].dataset.value)")

    before = [int(value) for value in values()]
    column.locator("button").focus()
    page.keyboard.press("Enter")
    assert column.get_attribute("aria-sort") == "ascending"
    assert [int(value) for value in values()] == sorted(before)
    page.keyboard.press("Space")
    assert column.get_attribute("aria-sort") == "descending"
    assert [int(value) for value in values()] == sorted(before, reverse=True)

    accuracy = page.locator("table.sorts thead th", has_text="accuracy")
    accuracy.locator("button").click()
    assert accuracy.get_attribute("aria-sort") == "descending"  # the best comes first
    assert column.get_attribute("aria-sort") is None
    file = page.locator("table.sorts thead th", has_text="file")
    place = file.evaluate("(head) => head.cellIndex")
    for _ in range(2):
        file.locator("button").click()
        assert values()[-1] == ""  # a network without a file stays last, whichever way
    best = page.locator("table.sorts td:has(b)").count()
    assert best >= 4


def test_curves_go_over_minutes_by_keyboard(page: Any) -> None:
    assert page.evaluate(SHOWN, ".by-minutes") == "none"
    page.locator("input[value=epochs]").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(SHOWN, ".by-minutes") != "none"
    assert page.evaluate(SHOWN, ".by-epochs") == "none"


def test_every_control_is_reached_and_seen(page: Any) -> None:
    """Tab comes by every link, head and region, and what has the focus is outlined."""
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        tag, outline = page.evaluate(
            "(() => { const at = document.activeElement, seen = at.matches('input') ? at.nextElementSibling : at;"
            " return [at.tagName, getComputedStyle(seen).outlineStyle]; })()"
        )
        if tag == "BODY":
            break
        assert outline != "none", tag
        reached.add(tag)
    assert {"A", "INPUT", "BUTTON", "DIV"} <= reached
