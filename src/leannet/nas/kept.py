"""Search spaces of trained networks: of each width how much is kept. No torch.

Widths are those of pruning, groups of channels that go together, the ones of the smallest norm first; so what is
searched is how a budget is best spread over the rows, which pruning by one threshold decides at once.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import count

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError
from leannet.nas.choices import Candidate, Choices, Decision
from leannet.rows import Architecture
from leannet.rows.channels import Channels, channels
from leannet.rows.fields import Frozen, Size
from leannet.rows.narrowing import narrowed
from leannet.shrink.choosing import matching
from leannet.shrink.widths import widths

RATIOS = (1.0, 0.875, 0.75, 0.625, 0.5)


class KeptWidth(Frozen):
    """A width of the base. groups: their numbers, in the order in which they go; gone: how many, of each option."""

    name: str
    channels: Size
    each: Size
    groups: tuple[int, ...]
    gone: tuple[int, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """The shares that are kept, by option."""
        return tuple(round(1 - number * self.each / self.channels, 4) for number in self.gone)


class Kept(Choices):
    """Narrower networks of a trained one."""

    widths: tuple[KeptWidth, ...]

    @classmethod
    def of(
        cls, base: Architecture, scores: NDArray[np.float64], ratios: Sequence[float] = RATIOS,
        rows: Collection[str] = (), keep: Collection[str] = (), round_to: int = 8,
    ) -> "Kept":  # fmt: skip
        """The space around a network. scores: of each group of channels, as shrink.criteria gives them: the least go
        first. rows: only these may become narrower; empty: all. keep: these stay. round_to: widths become multiples of
        it.

        Raises LeannetError where nothing can become narrower.
        """
        tied, searched, names = channels(base), list[KeptWidth](), set[str]()
        for width in matching(widths(tied), rows, keep):
            own = scores[width.groups]
            before = len(tied.written[width.row])
            possible = [
                number for number in range(len(width.groups))
                if (before - number * width.each) % round_to == 0 or number == 0
            ]  # fmt: skip
            nearest = (min(possible, key=lambda number: abs(before - number * width.each - ratio * before))
                       for ratio in ratios)  # fmt: skip
            gone = tuple(dict.fromkeys(nearest))
            if len(gone) < 2 or np.isnan(own).any():
                continue
            name = next(name for n in count(1) if (name := f"{width.row}{f':{n}' if n > 1 else ''}") not in names)
            names.add(name)
            order = tuple(width.groups[np.argsort(own, kind="stable")].tolist())
            searched.append(KeptWidth(name=name, channels=before, each=width.each, groups=order, gone=gone))
        if not searched:
            raise LeannetError(f"{base.name}: expected widths that can become multiples of {round_to}, found none")
        return cls(name="kept", base=base, widths=tuple(searched))

    @cached_property
    def tied(self) -> Channels:
        """The groups of channels of the base."""
        return channels(self.base)

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        return tuple(Decision(width.name, width.ratios) for width in self.widths)

    def removed(self, candidate: Candidate) -> frozenset[int]:
        """The groups of channels that a candidate has not."""
        self._check_candidate(candidate)
        return frozenset(
            group
            for width, option in zip(self.widths, candidate, strict=True)
            for group in width.groups[: width.gone[option]]
        )

    def architecture(self, candidate: Candidate) -> Architecture:
        rows = narrowed(self.tied, self.removed(candidate)).architecture
        return rows.named("_".join((self.name, *map(str, candidate))))

    def as_base(self) -> Candidate:
        return self.largest

    def covering(self) -> Iterator[Architecture]:
        """The base, and those that keep as much of every width; rows between others are timed as they come."""
        for option in range(max(len(width.gone) for width in self.widths)):
            yield self.architecture(tuple(min(option, len(width.gone) - 1) for width in self.widths))
