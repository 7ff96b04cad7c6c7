"""Rounds put together: what they all remove, in the channels of the network that the first began with. No torch."""

from collections.abc import Collection

import numpy as np

from leannet.rows.channels import Channels
from leannet.shrink.plan import Plan, plan_of


class Composer:
    """Follows the channels of the first network through rounds.

    first: its groups of channels, without the blocks that go whole.
    """

    def __init__(self, first: Channels, blocks: tuple[str, ...]):
        self._first, self._blocks = first, blocks
        layers = first.architecture.layers
        self._paths = [layer.path for layer in layers]
        self._left = [np.arange(len(first.written[path])) for path in self._paths]  # of each layer's channels
        self._removed: set[int] = set()

    def add(self, channels: Channels, removed: Collection[int]) -> None:
        """One more round. channels: of the network as it was before it; its layers stand in the same order."""
        numbers = list(removed)
        for place, layer in enumerate(channels.architecture.layers):
            gone = np.isin(channels.written[layer.path], numbers)
            self._removed |= set(self._first.written[self._paths[place]][self._left[place][gone]].tolist())
            self._left[place] = self._left[place][~gone]

    def plan(self, like: Plan, rows_digest: str | None = None) -> Plan:
        """The plan of all rounds. like: one of them, for what else a plan says. rows_digest: of the first network."""
        about = {"rows_digest": rows_digest, "criterion": like.criterion, "blocks": self._blocks}
        return plan_of(self._first, self._removed, **about)
