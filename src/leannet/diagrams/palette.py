"""Colors, on light and on dark paper. What a color means, its box says in words too."""

from typing import NamedTuple

from leannet.diagrams.words import LEGEND, kind, style, written
from leannet.rows import RowBase


class Ink(NamedTuple):
    """What fills a shape, and what draws its outline."""

    fill: str
    line: str


# style -> on light paper, on dark paper
STYLES: dict[str, tuple[Ink, Ink]] = {
    "conv": (Ink("#d6e6f9", "#2f6db5"), Ink("#17324f", "#6aa9ef")),
    "pointwise": (Ink("#d9f1f3", "#1f7f8c"), Ink("#12363b", "#58c3d0")),
    "depthwise": (Ink("#fde3c8", "#b8620f"), Ink("#45290d", "#f0a24e")),
    "pool": (Ink("#f4f0c4", "#857a12"), Ink("#36330f", "#d3c64a")),
    "fully_connected": (Ink("#f9dade", "#a83248"), Ink("#451a22", "#f08a9a")),
    "block_1": (Ink("#dcefd9", "#3a7d3a"), Ink("#1b3a1c", "#7cc77c")),
    "block_2": (Ink("#e8dcf3", "#7b4aa3"), Ink("#33214a", "#bd93e3")),
    "block_3": (Ink("#f6d9ec", "#a33c80"), Ink("#47193a", "#ea8ac8")),
    "block_4": (Ink("#eadfd3", "#7a5230"), Ink("#3a2a1c", "#c9a27c")),
    "block_5": (Ink("#dfe0fb", "#4a4fb8"), Ink("#25285c", "#9a9df2")),
    "move": (Ink("#e4e7ec", "#5b6675"), Ink("#2a3038", "#9aa7b8")),
    "plain": (Ink("#f5f6f8", "#868d96"), Ink("#1d2125", "#7d858f")),
    "tag": (Ink("#ffffff", "#868d96"), Ink("#14171a", "#7d858f")),
}
# Each kind of block has the same color in every diagram; those that are rarely drawn together share one. Blocks of
# users have the first.
BLOCKS = {
    "inverted_residual": "block_1",
    "fire": "block_1",
    "squeeze_excite": "block_2",
    "basic_residual": "block_2",
    "inception": "block_2",
    "separable": "block_3",
    "bottleneck_residual": "block_3",
    "twice_separable": "block_3",
    "shuffle_unit": "block_4",
    "nasnet_normal": "block_4",
    "shuffle_unit_v2": "block_5",
    "nasnet_reduction": "block_5",
}

# name -> on light paper, on dark paper
TONES: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14171a"),
    "ink": ("#16191d", "#e8ebee"),
    "dim": ("#4d555f", "#aab3bc"),
    "line": ("#4d555f", "#98a2ad"),
    "faint": ("#b9c0c8", "#4a525b"),
}


class Colors:
    """The style of each row of a diagram, and its legend."""

    def __init__(self) -> None:
        self._used: dict[str, list[str]] = {}

    def style(self, row: RowBase) -> str:
        """The style of a row's box."""
        name, label = style(row), kind(row)
        if name == "block":
            name = BLOCKS.get(written(row), "block_1")
        else:
            label = LEGEND[name]
        self._used.setdefault(name, [])
        if label not in self._used[name]:
            self._used[name].append(label)
        return name

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Styles and what they mean, in the order of the palette."""
        return [(name, ", ".join(self._used[name])) for name in STYLES if name in self._used]
