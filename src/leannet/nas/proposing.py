"""The proposals of one step of NetAdapt: of every width the largest that takes little enough, on its own. No torch.

Yang et al., arXiv 1804.03230, algorithm 1. A width is a group of channels that go together: the filters of one layer,
or those of all the layers that residuals tie, which is MobileNetV3's proposal of a narrower bottleneck in all blocks
that share it (Howard et al., arXiv 1905.02244, section 5.2).
"""

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leannet.nas.resources import Resource
from leannet.rows import Architecture
from leannet.rows.channels import Channels
from leannet.rows.narrowing import narrowed
from leannet.shrink.choosing import matching
from leannet.shrink.widths import Width, widths

Scores = NDArray[np.float64]  # of each group of channels: what scores least goes first


@dataclass(frozen=True)
class Proposal:
    """One width made smaller. removed: the groups that go. cost: of the network then."""

    row: str
    makers: tuple[str, ...]
    before: int
    after: int
    removed: frozenset[int]
    cost: float

    @property
    def key(self) -> str:
        """What it is called among those of a step; a layer may have several widths, as where channels are shuffled."""
        return f"{self.row}:{self.after}:{zlib.crc32(repr(sorted(self.removed)).encode()):08x}"


def proposals(
    tied: Channels,
    scores: Scores,
    resource: Resource,
    target: float,
    rows: Collection[str] = (),
    keep: Collection[str] = (),
    round_to: int = 8,
    least: float = 0.1,
) -> tuple[list[Proposal], Resource]:
    """Of each width that can meet the target alone, the largest number of channels that does; and the resource with
    what it has learned on the way.

    rows: only these may become narrower; empty: all. keep: these stay. round_to: widths become multiples of it. least:
    the share of its channels that every layer keeps.
    """
    searches = _searches(tied, scores, rows, keep, round_to, least)
    # Bisections side by side, so that what a table lacks is measured for all of them at once.
    while pending := [each for each in searches if each.is_open]:
        resource = resource.learn([each.architecture for each in pending])
        for each in pending:
            each.answer(resource.of(each.architecture), target)
    return [each.proposal for each in searches if each.proposal is not None], resource


def narrowest(
    tied: Channels, scores: Scores, rows: Collection[str] = (), keep: Collection[str] = (), round_to: int = 8,
    least: float = 0.1,
) -> Architecture:  # fmt: skip
    """What is left when every width is as narrow as it may become. rows, keep, round_to, least: as of `proposals`."""
    searches = _searches(tied, scores, rows, keep, round_to, least)
    return narrowed(tied, frozenset[int]().union(*(each.most for each in searches))).architecture


def _searches(
    tied: Channels, scores: Scores, rows: Collection[str], keep: Collection[str], round_to: int, least: float
) -> list["_Search"]:
    """Of every width that may become narrower."""
    return [
        _Search(width, order, tied, round_to, least)
        for width in matching(widths(tied), rows, keep)
        if not np.isnan(scores[width.groups]).any()
        for order in [width.groups[np.argsort(scores[width.groups], kind="stable")]]
    ]


class _Search:
    """The bisection of one width: the largest level, in channels, whose network takes no more than the target."""

    def __init__(self, width: Width, order: NDArray[np.int64], tied: Channels, round_to: int, least: float):
        self._width, self._order, self._tied = width, order, tied
        self._before = len(tied.written[width.row])
        self._levels = [number for number in self._possible(round_to, least) if number]
        self._low, self._high = 0, len(self._levels)  # levels are how many groups go, the fewest first
        self.proposal: Proposal | None = None
        self._cached: tuple[int, Architecture] | None = None

    def _possible(self, round_to: int, least: float) -> Sequence[int]:
        """How many of the groups may go."""
        smallest = max(min(round_to, self._before), int(np.ceil(least * self._before)))
        levels = []
        for number in range(len(self._order)):
            left = self._before - number * self._width.each
            if left >= smallest and (left % round_to == 0 or round_to == 1):
                levels.append(number)
        return levels

    @property
    def most(self) -> frozenset[int]:
        """The groups that go where it is as narrow as it may become."""
        return frozenset(self._order[: self._levels[-1]].tolist()) if self._levels else frozenset()

    @property
    def is_open(self) -> bool:
        return self._low < self._high

    @property
    def _level(self) -> int:
        return self._levels[(self._low + self._high) // 2]

    @property
    def _removed(self) -> frozenset[int]:
        return frozenset(self._order[: self._level].tolist())

    @property
    def architecture(self) -> Architecture:
        """That of the level in question."""
        if self._cached is None or self._cached[0] != self._level:
            self._cached = self._level, narrowed(self._tied, self._removed).architecture
        return self._cached[1]

    def answer(self, cost: float, target: float) -> None:
        """Halves what is left: fewer may go where it is enough, more where it is not."""
        middle = (self._low + self._high) // 2
        if cost <= target:
            after = self._before - self._level * self._width.each
            self.proposal = Proposal(self._width.row, self._width.makers, self._before, after, self._removed, cost)
            self._high = middle
        else:
            self._low = middle + 1
