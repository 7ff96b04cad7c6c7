"""The fewest layers that have to stay in float, by few trials, since each evaluates a whole network."""

import math
from collections.abc import Callable

Point = tuple[int, float]  # a number that was tried, and what was left over


def fewest(left_over: Callable[[int], float], most: int, guess: Callable[[], int] = lambda: 1) -> int | None:
    """The least number that is enough, where more is never worse.

    left_over: of a number; 0 or more is enough. guess: where to look first, asked where 0 is too few. Then a line
    through two numbers that were tried says where to look next; where that has not halved what is left to look at in
    two steps, its middle does. None: not even `most` is enough.
    """
    low: Point = (0, left_over(0))
    if low[1] >= 0:
        return 0
    high: Point | None = None
    earlier: Point | None = None  # the largest before `low` that is too few
    number, slow = guess(), 0
    while (end := most + 1 if high is None else high[0]) - low[0] > 1:
        number = min(max(number, low[0] + 1), end - 1)
        span, tried = end - low[0], (number, left_over(number))
        if tried[1] >= 0:
            high = tried
        else:
            earlier, low = low, tried
        end = most + 1 if high is None else high[0]
        slow = slow + 1 if 2 * (end - low[0]) > span else 0
        other = high or earlier
        rise = 0.0 if other is None else (other[1] - low[1]) / (other[0] - low[0])
        if slow < 2 and rise > 0:
            number = low[0] + math.ceil(min(-low[1] / rise, most))
        else:
            number, slow = (low[0] + end) // 2, 0
    return None if high is None else high[0]
