"""How far a pruning has come: kept beside its runs, so that it goes on after a kill."""

from pydantic import Field

from leannet.rows.fields import Documented
from leannet.shrink.begun import Begun
from leannet.shrink.plan import Plan
from leannet.shrink.request import Request


class Round(Documented):
    """A round that has been decided."""

    plan: Plan
    """What goes, of the network as it was before the round."""
    accuracy: float
    """On the validation images, before any training."""


class Progress(Begun):
    """A pruning, and what it has decided so far."""

    file = "prune.json"
    words = "a pruning"

    request: Request
    """What was asked for."""
    weights: str
    """The SHA-256 of the checkpoint."""
    accuracy: float | None = None
    """Of the original, on the validation images."""
    latency_ms: float | None = None
    """Of the original, where the budget is a time."""
    rounds: tuple[Round, ...] = Field(default=())
    """Those that have been decided."""
