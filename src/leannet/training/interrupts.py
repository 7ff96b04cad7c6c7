"""Ctrl-C while a network trains: noticed, and answered when the batch is done."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noticing_interrupt() -> Iterator[list[bool]]:
    """A list that is empty until Ctrl-C, for the loop to look at after each batch. A second Ctrl-C stops at once."""
    asked: list[bool] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not in the main thread: there is no Ctrl-C to catch
        yield asked
        return
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
