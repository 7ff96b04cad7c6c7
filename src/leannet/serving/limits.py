"""Limits on requests, and the refusal of what exceeds them."""

import math
from dataclasses import dataclass

from leannet.errors import LeannetError


@dataclass(frozen=True)
class Limits:
    """Limits on one request, and on all of them together."""

    body_bytes: int = 20_000_000  # of one request
    pixels: int = 50_000_000  # of one image, read from its header before it is decoded
    files: int = 16  # of one request
    seconds: float = 20.0  # for a client to deliver its headers, then its body, and to take its answer
    batch: int = 8  # images in one run of the network
    queue: int = 64  # images accepted and not answered yet
    requests: int = 256  # in progress at once
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
    """A request that is refused, with an HTTP status and one line: expected, found, what to do."""

    def __init__(self, status: int, message: str):
        super().__init__(" ".join(message.split()))
        self.status = status


def busy(reason: str) -> Refused:
    """The refusal that is not the client's fault: the server is full."""
    return Refused(503, f"{reason}: try again in a second, or start leannet serve with larger limits")
