"""How far a pruning has come: kept beside its runs, so that it goes on after a kill."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.rows import first_error
from leannet.rows.fields import Documented
from leannet.shrink.plan import Plan
from leannet.shrink.request import Request

FILE = "prune.json"  # in the folder of a pruning


class Round(Documented):
    """A round that has been decided."""

    plan: Plan
    """What goes, of the network as it was before the round."""
    accuracy: float
    """On the validation images, before any training."""


class Progress(Documented):
    """A pruning, and what it has decided so far."""

    request: Request
    """What was asked for."""
    settings: dict[str, Any]
    """Of the training."""
    weights: str
    """The SHA-256 of the checkpoint."""
    command: str | None = None
    """What it was begun with."""
    accuracy: float | None = None
    """Of the original, on the validation images."""
    latency_ms: float | None = None
    """Of the original, where the budget is a time."""
    rounds: tuple[Round, ...] = Field(default=())
    """Those that have been decided."""

    def save(self, folder: Path) -> None:
        """Writes it into the folder of the pruning."""
        write_whole(folder / FILE, (json.dumps(self.model_dump(mode="json"), indent=1) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> "Progress":
        """From the folder of a pruning. Raises LeannetError where there is none."""
        file = folder / FILE
        if not file.exists():
            raise LeannetError(f"{folder}: expected the folder of a pruning ({FILE}), found none")
        try:
            return cls.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise LeannetError(f"{file}: {first_error(error)}") from None
