"""Blocks of the user's whose code fails: one line with the row, the kind, the reason and the place."""

import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import pytest

from leannet.errors import LeannetError
from leannet.rows import BlockBase, Conv, Shape, resolve


class Failing(BlockBase):
    """Fails."""

    kind: Literal["failing"] = "failing"
    body: ClassVar[Callable[[], Any]]

    def expand(self, *shapes: Shape) -> Any:
        return type(self).body()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: (Conv(name="a", out_channels=8.5),), "valid integer"),
        (lambda: (Conv(name="a", out_channels=8, activation="hswish"),), "activation"),
    ],
)
def test_it_names_row_kind_reason_and_place(
    body: Callable[[], Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "body", staticmethod(body), raising=False)
    message = _error()
    assert message.startswith("row 'first' (1 of 1), field 'kind': 'failing' cannot be expanded here")
    assert reason in message
    assert "\n" not in message
    assert re.search(rf"\({re.escape(__file__)}, line \d+\)$", message)


def test_rows_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "body", staticmethod(lambda: None), raising=False)
    assert _error().endswith("'failing' cannot be expanded: expected rows from expand, found None")


def _error() -> str:
    with pytest.raises(LeannetError) as raised:
        resolve([Failing(name="first")], [("input", Shape(channels=3, height=8, width=8))])
    return str(raised.value)
