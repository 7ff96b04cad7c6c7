"""Widths of text against the font they are taken from, and colors that can be read."""

from itertools import product
from pathlib import Path

import matplotlib
import pytest
from PIL import ImageFont

from leannet.drawings.letters import text_width
from leannet.drawings.palette import STYLES, TONES

FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
TEXTS = ("inverted residual, 3x3,", "WWW mmm iii", "block_11 to block_12", "100.0 % {|}~")


@pytest.mark.parametrize(("bold", "file"), [(False, "DejaVuSans.ttf"), (True, "DejaVuSans-Bold.ttf")])
def test_widths_are_those_of_the_font(bold: bool, file: str) -> None:
    """Without kerning, which only ever makes text narrower."""
    font = ImageFont.truetype(str(FOLDER / file), 1000, layout_engine=ImageFont.Layout.BASIC)
    for letter in map(chr, range(32, 127)):
        assert text_width(letter, 1000, bold) == pytest.approx(font.getlength(letter), abs=1)
    for text in TEXTS:
        assert text_width(text, 12, bold) == pytest.approx(sum(font.getlength(c) for c in text) * 12 / 1000, rel=2e-3)


def test_letters_that_the_font_has_not_are_taken_as_wide() -> None:
    assert text_width("日本", 10) == 22
    assert text_width("e\u0301", 10) == text_width("e", 10)


def _luminance(color: str) -> float:
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(first: str, second: str) -> float:
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("paper", [0, 1], ids=["light", "dark"])
def test_contrast(paper: int) -> None:
    """WCAG 2.2: 4.5 for text, 3 for outlines and lines."""
    grounds = [TONES["paper"][paper], *(inks[paper].fill for inks in STYLES.values())]
    for tone, ground in product(("ink", "dim"), grounds):
        assert _contrast(TONES[tone][paper], ground) >= 4.5, (tone, ground)
    for line in (TONES["line"][paper], *(inks[paper].line for inks in STYLES.values())):
        assert _contrast(line, TONES["paper"][paper]) >= 3, line
