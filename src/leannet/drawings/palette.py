"""Colors, on light and on dark paper. A box always says in words, too, what its color says."""

from typing import NamedTuple

from leannet.drawings.words import LEGEND, kind, style
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
    "move": (Ink("#e4e7ec", "#5b6675"), Ink("#2a3038", "#9aa7b8")),
    "plain": (Ink("#f5f6f8", "#868d96"), Ink("#1d2125", "#7d858f")),
    "tag": (Ink("#ffffff", "#868d96"), Ink("#14171a", "#7d858f")),
}
BLOCKS = ("block_1", "block_2", "block_3")

# name -> on light paper, on dark paper
TONES: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14171a"),
    "ink": ("#16191d", "#e8ebee"),
    "dim": ("#4d555f", "#aab3bc"),
    "line": ("#4d555f", "#98a2ad"),
    "faint": ("#b9c0c8", "#4a525b"),
}


class Colors:
    """Which style each row of a drawing has, and what its legend says: blocks take theirs as they come."""

    def __init__(self) -> None:
        self._blocks: dict[str, str] = {}
        self._used: dict[str, list[str]] = {}

    def style(self, row: RowBase) -> str:
        """The style of a row's box."""
        found, said = style(row), kind(row)
        if found == "block":
            found = self._blocks.setdefault(said, BLOCKS[len(self._blocks) % len(BLOCKS)])
        else:
            said = LEGEND[found]
        self._used.setdefault(found, [])
        if said not in self._used[found]:
            self._used[found].append(said)
        return found

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Styles and what they stand for, in the order of the palette."""
        return [(name, ", ".join(self._used[name])) for name in STYLES if name in self._used]
