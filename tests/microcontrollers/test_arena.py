"""The arena's plan: against an independent search, and what it must not do."""

import numpy as np
import pytest

from leannet.runtime.arena import Buffer, placed


def random_buffers(seed: int) -> list[Buffer]:
    """As of a network with branches: each value is made by an operator and read by some later ones."""
    draw = np.random.default_rng(seed)
    first = np.sort(draw.integers(0, 20, 24))
    last = first + draw.integers(0, 5, 24)
    return [
        Buffer(str(number), 16 * int(draw.integers(1, 40)), int(begin), int(end))
        for number, (begin, end) in enumerate(zip(first, last, strict=True))
    ]


@pytest.mark.parametrize("seed", range(20))
def test_each_lies_at_the_lowest_place_that_is_free_when_its_turn_comes(seed: int) -> None:
    """By trying every place in steps of 16 bytes, in the planner's order: larger first, of equal ones the later."""
    buffers = random_buffers(seed)
    offsets = placed(buffers)
    there: list[int] = []
    for index in sorted(range(len(buffers)), key=lambda each: (buffers[each].size, each), reverse=True):
        wanted = buffers[index]
        taken = [
            (offsets[other], offsets[other] + buffers[other].size)
            for other in there
            if buffers[other].first <= wanted.last and wanted.first <= buffers[other].last
        ]
        place = 0
        while any(begin < place + wanted.size and place < end for begin, end in taken):
            place += 16
        assert offsets[index] == place
        there.append(index)


def test_an_alignment_of_values_that_live_together_is_never_shared() -> None:
    """And values that do not live together may lie at one place."""
    buffers = [Buffer("a", 64, 0, 1), Buffer("b", 32, 1, 2), Buffer("c", 64, 2, 3)]
    assert placed(buffers) == [0, 64, 0]
