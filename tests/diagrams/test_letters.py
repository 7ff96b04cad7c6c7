"""Widths of text against the font they are taken from, and colors that can be read."""

from itertools import product
from pathlib import Path

import matplotlib
import pytest
from PIL import ImageFont

from leannet.diagrams.costs import short
from leannet.diagrams.letters import text_width
from leannet.diagrams.palette import BLOCKS, STYLES, TONES, Colors
from leannet.zoo import architecture

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


def test_a_long_name_is_as_wide_in_a_png() -> None:
    """66 bold letters, drawn without hinting, at the resolution of the file."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for name in ("l" * 66, "w" * 66, "a_row_with_a_long_name_" * 3):
        with rc_context({"text.hinting": "no_hinting"}):
            drawn = Figure(figsize=(10, 2), dpi=144)
            renderer = FigureCanvasAgg(drawn).get_renderer()
            text = drawn.text(0, 0, name, fontsize=12.5 * 0.75, fontweight="bold", family="DejaVu Sans")
            wide = text.get_window_extent(renderer).width * 96 / 144
        assert wide == pytest.approx(text_width(name, 12.5, True), abs=2)


def test_a_kind_has_one_color_and_large_numbers_a_unit() -> None:
    assert set(BLOCKS.values()) <= set(STYLES)
    row = architecture("mobilenet_v2_debug").row("block_1")
    first, second = Colors(), Colors()
    second.style(architecture("resnet_debug").row("layer1_0"))
    assert first.style(row) == second.style(row) == "block_1"
    assert [short(n) for n in (999, 1_500, 300_774_272, 15_136_800_000_000)] == ["999", "1.50 k", "300.8 M", "15.1 T"]
