"""Nothing here depends on how long something takes."""

import pytest

from leannet.shrink import timing


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are timed for a moment only."""
    monkeypatch.setattr(timing, "SECONDS", 0.01)
