"""What a keyboard and a screen reader have of a page, as measured in the browser."""

from itertools import pairwise
from typing import Any

CONTRASTS = """() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  function painted(colors) { // the color of layers on top of each other, as sRGB in 0..255
    context.clearRect(0, 0, 1, 1);
    for (const color of ['white', ...colors]) {
      context.fillStyle = color;
      context.fillRect(0, 0, 1, 1);
    }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }
  function luminance(color) { // WCAG 2.2, relative luminance
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [red, green, blue] = color.map((level) => linear(level / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
  const results = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const element = texts.currentNode.parentElement;
    if (!text || !element.checkVisibility({ opacityProperty: true }) || element.closest('script, option')) continue;
    results.push([text, element]);
  }
  for (const select of document.querySelectorAll('select')) results.push([select.value, select]);
  return results.map(([text, element]) => {
    const ancestors = [];
    for (let node = element; node; node = node.parentElement) ancestors.unshift(node);
    const grounds = ancestors.map((node) => getComputedStyle(node).backgroundColor);
    const opacity = ancestors.reduce((product, node) => product * Number(getComputedStyle(node).opacity), 1);
    const ground = luminance(painted(grounds));
    const { color } = getComputedStyle(element);
    const ink = painted([...grounds, `color-mix(in srgb, ${color} ${100 * opacity}%, transparent)`]);
    const [dark, light] = [ground, luminance(ink)].sort((a, b) => a - b);
    return [(light + 0.05) / (dark + 0.05), text];
  });
}"""

FOCUSED = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    key: element.id || element.closest('ul')?.id || element.getAttribute('href') || element.tagName.toLowerCase(),
    visible: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.width > 0 && box.height > 0,
  };
}"""

OUTLINE = (
    """() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((heading) => Number(heading.tagName[1]))"""
)

LIVE = """() => [...document.querySelectorAll('[aria-live], [role=status], [role=alert], output, progress')]
    .filter((element) => element.tagName !== 'PROGRESS').map((element) => element.id)"""

UNNAMED = """() => [...document.querySelectorAll('img, canvas, video, button, select, input, progress, a')]
    .filter((element) => element.checkVisibility())
    .filter((element) => !(element.tagName === 'IMG' && element.closest('button')))
    .filter((element) => !(element.alt || element.ariaLabel || element.labels?.length || element.textContent.trim()))
    .map((element) => element.outerHTML.slice(0, 80))"""

RECORD_SPOKEN = """() => { // what the live region says from now on
  window.spoken = [];
  const node = document.getElementById('spoken');
  new MutationObserver(() => window.spoken.push(node.textContent)).observe(node, { childList: true });
}"""


def tab_stops(page: Any) -> list[str]:
    """What Tab reaches from the top of the page, in order, once around. Fails where focus cannot be seen."""
    page.evaluate("document.activeElement.blur()")
    stops: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["key"] == "body":
            return stops
        assert focused["visible"], focused
        stops.append(focused["key"])
    raise AssertionError(f"no end of Tab: {stops}")


def check_page(page: Any) -> None:
    """Contrast of 4.5:1 (WCAG 2.2, 1.4.3), headings in order, and a name for everything that needs one."""
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 10
    assert [pair for pair in contrasts if pair[0] < 4.5] == []
    levels = page.evaluate(OUTLINE)
    assert levels[0] == 1
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))
    assert levels.count(1) == 1
    assert page.evaluate(UNNAMED) == []
