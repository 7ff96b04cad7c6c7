"""Pages of runs in Chromium, of 2, 10 and 100 classes, on a phone and on a desk, in light and in dark, and printed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import leannet
from leannet.reports.costs import measure
from leannet.reports.run_contents import read_log
from leannet.training import train
from tests.conftest import draw_folder, keep
from tests.reports.synthetic_runs import synthetic_run, with_images

SIZES = {390: 844, 1440: 900}
NAMES = ("two", "ten", "hundred")
MOST_BYTES = 5_000_000
LEAST_TEXT = 10  # pixels

SMALL_TEXT = """() => [...document.querySelectorAll("body *")].filter((each) => {
  const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  return own && each.checkVisibility() && !each.closest("script, style");
}).map((each) => {
  const scale = each.ownerSVGElement ? each.ownerSVGElement.getScreenCTM().a : 1;
  return [parseFloat(getComputedStyle(each).fontSize) * scale, each.textContent.trim().slice(0, 40)];
}).filter(([size]) => size < %d)"""
FOCUSED = """() => { const each = document.activeElement;
  return each === document.body ? "" : each.name || each.className || each.tagName.toLowerCase() }"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a trained run of 2 classes, with measured times, and of synthetic ones of 10 and 100."""
    root = tmp_path_factory.mktemp("pages")
    folder = draw_folder(root / "shapes", each=40)
    (folder / "disc" / "broken.png").write_bytes(b"x")
    two = train(str(folder), out=root / "two", model="mobilenet_v3_debug", epochs=3, quiet=True).path
    measure(two, "torch", seconds=0.01)
    ten = synthetic_run(root / "ten", classes=10, images=10_000)
    hundred = synthetic_run(root / "hundred", classes=100, images=2000)
    with_images(hundred, root / "hundred" / "gone")
    return {name: leannet.report(run) for name, run in zip(NAMES, (two, ten, hundred), strict=True)}


@contextmanager
def visit(browser: Any, page_file: Path, width: int = 1440, **fields: Any) -> Iterator[Any]:
    """A page opened from its file, with nothing on the console and no request but for itself."""
    problems: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": SIZES[width]}, **fields)
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    url = page_file.as_uri()
    context.on(
        "request",
        lambda request: None if request.url == url or request.url.startswith("data:") else problems.append(request.url),
    )
    page.goto(url)
    yield page
    context.close()
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_it_fits_and_is_legible(
    browser: Any, pages: dict[str, Path], tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    assert pages[name].stat().st_size < MOST_BYTES
    with visit(browser, pages[name], width, color_scheme=scheme) as page:
        keep(page, tmp_path, f"{name}_{width}_{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(SMALL_TEXT % LEAST_TEXT) == []
        headings = page.locator("h1, h2, h3").evaluate_all("all => all.map((each) => +each.tagName[1])")
        assert headings[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(headings))
        assert page.locator("h2").count() >= 7
        assert page.locator("img:not([alt])").count() == 0
        assert page.evaluate("[...document.images].every((each) => each.naturalWidth > 0)")


def test_the_pointer_over_a_curve_reads_its_epoch(browser: Any, pages: dict[str, Path]) -> None:
    log = read_log(pages["ten"].parent / "log.csv")
    with visit(browser, pages["ten"]) as page:
        curve = page.locator("figure svg[aria-label='accuracy over the epochs']")
        bands = curve.locator(".band")
        assert bands.count() == len(log)
        for line, band in zip(log, bands.all(), strict=True):
            band.hover()
            box = band.bounding_box()
            tooltip = page.evaluate(
                "([x, y]) => document.elementFromPoint(x, y).closest('.band').querySelector('title').textContent",
                [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
            )
            training, validation = (f"{100 * line[f'{part}_accuracy']:.1f} %" for part in ("train", "validation"))
            assert tooltip == f"epoch {line['epoch']:.0f}: training {training}, validation {validation}"


@pytest.mark.parametrize("name", NAMES)
def test_the_keyboard_reaches_everything(browser: Any, pages: dict[str, Path], name: str) -> None:
    with visit(browser, pages[name], 390) as page:
        focusable = page.locator("a, button, input:checked, [tabindex='0']").evaluate_all(
            "all => all.filter((each) => each.checkVisibility()).length"
        )
        reached = []
        for _ in range(focusable):
            page.keyboard.press("Tab")
            reached.append(page.evaluate(FOCUSED))
        assert "" not in reached
        assert {"two": "cost", "ten": "confusion", "hundred": "map"}[name] in reached


@pytest.mark.parametrize("width", SIZES)
def test_a_long_name_pushes_no_number_away(browser: Any, tmp_path: Path, width: int) -> None:
    run = synthetic_run(tmp_path / "run", classes=6, images=200)
    (run / "model.safetensors").unlink()
    predictions = (run / "predictions.csv").read_text()
    (run / "predictions.csv").write_text(predictions.replace("kind 001", "x" * 196 + "0001"))
    with visit(browser, leannet.report(run), width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for table in (".confusion table", "table.sortable"):
            name = page.locator(f"{table} tbody th .name[title^=xxx]")
            assert name.inner_text().endswith("0001")
            assert name.bounding_box()["width"] < width / 2
        recall = page.locator(".confusion tbody tr:first-child td:last-child").bounding_box()
        assert recall["x"] + recall["width"] <= width


def test_the_map_has_names_at_both_sides(browser: Any, pages: dict[str, Path]) -> None:
    with visit(browser, pages["hundred"]) as page:
        box = page.locator(".heat .map").bounding_box()
        above, beside = page.locator(".heat .above span"), page.locator(".heat .ticks:not(.above) span")
        assert above.all_inner_texts() == beside.all_inner_texts() == [f"kind {i:03d}" for i in range(0, 100, 10)]
        for number in range(10):
            place = above.nth(number).bounding_box()
            middle = place["x"] + place["width"] / 2 - box["x"]
            assert middle == pytest.approx((10 * number + 0.5) / 100 * box["width"], abs=1.5)
            assert place["y"] + place["height"] <= box["y"] + 1


def test_columns_sort_by_their_names(browser: Any, pages: dict[str, Path]) -> None:
    with visit(browser, pages["hundred"]) as page:
        table = page.locator("table.sortable")

        def column(number: int) -> list[str]:
            cells = table.locator(f"tbody tr > :nth-child({number})")
            return list(cells.evaluate_all("all => all.map((each) => each.dataset.value ?? each.textContent)"))

        recall = [float(value) for value in column(2)]
        assert recall == sorted(recall)
        table.get_by_role("button", name="recall").press("Enter")
        assert [float(value) for value in column(2)] == sorted(recall, reverse=True)
        assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
        table.get_by_role("button", name="class").click()
        assert column(1) == sorted(column(1))
        assert table.locator("th[aria-sort]").count() == 1


@pytest.mark.parametrize("scripts", [True, False])
def test_the_matrix_shows_shares_without_scripts_too(browser: Any, pages: dict[str, Path], scripts: bool) -> None:
    with visit(browser, pages["ten"], java_script_enabled=scripts) as page:
        cell = page.locator(".confusion tbody tr:first-child td").first
        assert cell.inner_text().replace(",", "").isdigit()
        page.get_by_label("% of the line").check()
        share = cell.inner_text()
        assert share.endswith("%")
        page.get_by_label("% of the column").check()
        assert cell.inner_text().endswith("%")
        assert page.locator("table.sortable tbody tr").count() == 10


def test_the_map_says_its_cells(browser: Any, pages: dict[str, Path]) -> None:
    with visit(browser, pages["hundred"]) as page:
        heat, words = page.locator(".heat .map"), page.locator(".heat output")
        assert "arrow keys" in words.inner_text()
        heat.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        assert words.inner_text().startswith("kind 001 predicted correctly: ")
        page.keyboard.press("Shift+ArrowDown")
        assert words.inner_text().startswith("kind 011 taken for kind 001: 0 of ")
        for _ in range(20):
            page.keyboard.press("Shift+ArrowRight")
        assert words.inner_text().startswith("kind 011 taken for kind 099")
        box = heat.bounding_box()
        heat.hover(position={"x": box["width"] * 0.505, "y": box["height"] * 0.505})
        assert words.inner_text().startswith("kind 050 predicted correctly")


def test_a_phone_shows_one_measure_at_a_time(browser: Any, pages: dict[str, Path]) -> None:
    with visit(browser, pages["two"], 390, java_script_enabled=False) as page:
        shown = page.locator(".cost thead th:visible")
        assert [text.strip() for text in shown.all_inner_texts()] == ["row", "mult-adds"]
        page.get_by_label("measured time").check()
        assert [text.strip() for text in shown.all_inner_texts()] == ["row", "measured time"]


@pytest.mark.parametrize("name", NAMES)
def test_it_prints(browser: Any, pages: dict[str, Path], tmp_path: Path, name: str) -> None:
    with visit(browser, pages[name], color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert page.locator("nav:visible, .choice:visible").count() == 0
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        keep(page, tmp_path, f"{name}_print")
        for place in {tmp_path, Path(os.environ.get("LEANNET_SCREENSHOTS") or tmp_path)}:
            data = page.pdf(path=place / f"{name}.pdf", format="A4")
        assert data.startswith(b"%PDF")
