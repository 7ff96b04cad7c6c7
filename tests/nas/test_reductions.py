"""The schedule of NetAdapt, against its own script's arithmetic."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leannet.errors import LeannetError
from leannet.nas.reductions import Reductions


def test_the_official_script_cannot_reach_its_own_budget() -> None:
    """2.5 % first, 0.96 each step: 62.5 % at most, where it asks for 75 %; 40 % takes 26 steps."""
    official = Reductions(0.025, 0.96)
    assert official.reach == pytest.approx(0.625)
    with pytest.raises(LeannetError, match=re.escape("take away at most 62.5 %, and the budget asks for 75.0 %")):
        official.steps(0.75)
    assert official.steps(0.4) == 26
    assert official.steps(0.6) == 79
    with pytest.raises(LeannetError, match="takes 79 steps"):
        official.check(0.6, 30)


@given(st.floats(0.005, 0.3), st.floats(0.5, 1), st.floats(0.01, 0.9))
def test_steps_are_as_many_as_it_takes(first: float, decay: float, share: float) -> None:
    reductions = Reductions(first, decay)
    if share >= reductions.reach * (1 - 1e-6):
        return
    number = reductions.steps(share)
    removed = [sum(reductions.of_step(step) for step in range(1, count + 1)) for count in (number - 1, number)]
    assert removed[0] < share + 1e-6
    assert removed[1] >= share - 1e-6


def test_a_constant_share_is_mobilenet_v3s() -> None:
    assert Reductions(0.01, 1.0).steps(0.2) == 20
