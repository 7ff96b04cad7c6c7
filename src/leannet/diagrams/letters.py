"""How wide text is, without a font at hand.

The widths are DejaVu Sans's, which is as wide as Verdana and wider than the other fonts that an SVG is likely to be
shown in (Arial, Helvetica, Segoe UI, San Francisco, Roboto). So what fits here fits there.
"""

import unicodedata
from functools import lru_cache

FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif'
ASCENT, DESCENT = 0.78, 0.24  # of the size, above and below the baseline

# Thousandths of the size, from the space to the tilde.
_PLAIN = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
    748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
    337, 636, 838,
)  # fmt: skip
_BOLD = (
    348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696, 696,
    696, 696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775, 637, 995,
    837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675, 716, 593, 716,
    678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924, 645, 652, 582, 712,
    365, 712, 838,
)  # fmt: skip
_OTHER = 1100  # letters of other scripts, none of them wider in the fonts above


@lru_cache(4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Pixels from the start to the end of one line of text at a font size in pixels."""
    widths = _BOLD if bold else _PLAIN
    total = 0
    for letter in text:
        place = ord(letter) - 32
        if 0 <= place < len(widths):
            total += widths[place]
        elif not unicodedata.combining(letter):
            total += _OTHER
    return total * size / 1000
