"""What a request may cost, and how one that costs more is refused."""

import math
from dataclasses import dataclass

from leannet.errors import LeannetError


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may take."""

    body_bytes: int = 20_000_000  # of one request
    pixels: int = 50_000_000  # of one image, read from its header before it is decoded
    files: int = 16  # of one request
    seconds: float = 20.0  # for a client to deliver its headers, then its body, and to take its answer
    batch: int = 8  # images that the network takes at once
    queue: int = 64  # images accepted and not answered yet
    requests: int = 256  # under way at once
    held_bytes: int = 256_000_000  # bodies in memory at once

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise LeannetError(f"limits: {name} must be above 0, found {value:g}")
        if self.files > self.queue:
            raise LeannetError(
                f"limits: a request of {self.files} files would never fit a queue of {self.queue} images: "
                "allow fewer files or a longer queue"
            )
        if self.body_bytes > self.held_bytes:
            raise LeannetError(
                f"limits: a body of {self.body_bytes:,} bytes would never fit the {self.held_bytes:,} bytes "
                "for all bodies: allow smaller bodies"
            )


class Refused(Exception):
    """A request that is not answered: an HTTP status and one line: expected, found, what to do."""

    def __init__(self, status: int, message: str):
        super().__init__(" ".join(message.split()))
        self.status = status


def busy(what: str) -> Refused:
    """The one answer that is not the client's mistake."""
    return Refused(503, f"{what}: try again in a second, or start leannet serve with larger limits")
