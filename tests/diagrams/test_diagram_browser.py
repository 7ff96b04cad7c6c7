"""Drawings in Chromium: text measured where it is drawn, light and dark, on a phone."""

from typing import Any

import pytest

from leannet.diagrams import draw, to_svg
from leannet.diagrams.palette import STYLES, TONES
from leannet.zoo import architecture

# Every text with its box as it is drawn, and the outline it should lie in: its box's, else the page's.
MEASURE = """(font) => {
  const svg = document.querySelector("svg");
  if (font) svg.setAttribute("font-family", font);
  const edges = (each) => { const b = each.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height]; };
  return [...svg.querySelectorAll("text")].map((text) => {
    const box = text.closest("g[tabindex]");
    const outlines = box ? [...box.querySelectorAll("rect")] : [svg.querySelector(".paper")];
    const all = outlines.map(edges);
    const around = [0, 1, 2, 3].map((n) => (n < 2 ? Math.min : Math.max)(...all.map((each) => each[n])));
    return { text: text.textContent, at: edges(text), in: around };
  });
}"""
DRAWN = {
    "units": lambda: draw(*map(architecture, ("nasnet_a_mobile", "mobilenet_v1", "shufflenet_v1")), units=True),
    "whole": lambda: draw(*map(architecture, ("mobilenet_v3_large", "googlenet_aux", "resnet50"))),
    "inside": lambda: draw(architecture("mobilenet_v3_large"), rows=["block_4"]),
    "right": lambda: draw(architecture("shufflenet_v2_se"), rows=["stage2_1"], direction="right"),
}


@pytest.mark.parametrize("font", ["", "DejaVu Sans", "Liberation Sans", "Noto Sans"])
@pytest.mark.parametrize("name", DRAWN)
def test_text_stays_in_its_box_and_off_other_text(browser: Any, name: str, font: str) -> None:
    page = browser.new_page()
    page.set_content(to_svg(DRAWN[name]()))
    texts = page.evaluate(MEASURE, font)
    page.close()
    assert len(texts) == len(list(DRAWN[name]().all_texts()))
    for each in texts:
        (left, top, right, bottom), (a, b, c, d) = each["at"], each["in"]
        # The box of a text is as high as its font's highest letter: only its width is exact.
        assert a + 1 <= left <= right <= c - 1, each
        assert b - 3 <= top <= bottom <= d + 3, each
    for number, first in enumerate(texts):
        for second in texts[number + 1 :]:
            (a, b, c, d), (e, f, g, h) = first["at"], second["at"]
            across, along = min(c, g) - max(a, e), min(d, h) - max(b, f)
            assert across <= 0.5 or along <= 3, (first, second)


@pytest.mark.parametrize(("scheme", "number"), [("light", 0), ("dark", 1)])
def test_colors_follow_the_reader(browser: Any, scheme: str, number: int) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.set_content(to_svg(DRAWN["inside"]()))
    color = "(name) => getComputedStyle(document.querySelector(name)).fill"
    assert page.evaluate(color, ".paper") == _rgb(TONES["paper"][number])
    assert page.evaluate(color, "rect.depthwise") == _rgb(STYLES["depthwise"][number].fill)
    assert page.evaluate(color, "text.ink") == _rgb(TONES["ink"][number])
    page.close()


def test_it_fits_a_phone_and_is_walked_through_by_keyboard(browser: Any) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_content(f"<style>body {{ margin: 0 }}</style>{to_svg(DRAWN['whole']())}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    said = []
    for _ in range(3):
        page.keyboard.press("Tab")
        said.append(page.evaluate("document.activeElement.querySelector('title').textContent"))
    assert said[0] == "input"
    assert said[1].startswith("Conv1\n3x3 conv, stride 2, 16, BN, h-swish\n224 x 224 x 3 to 112 x 112 x 16\n")
    page.close()


def _rgb(color: str) -> str:
    return f"rgb({', '.join(str(int(color[n : n + 2], 16)) for n in (1, 3, 5))})"
