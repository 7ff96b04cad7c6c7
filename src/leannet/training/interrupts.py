"""Ctrl-C during training: recorded, and handled by the loop after the batch."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupt_flag() -> Iterator[list[bool]]:
    """A list that is empty until Ctrl-C, which the loop checks after each batch. A second Ctrl-C stops at once."""
    interrupts: list[bool] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if interrupts:
            raise KeyboardInterrupt
        interrupts.append(True)

    try:
        previous = signal.signal(signal.SIGINT, handle)
    except ValueError:  # only the main thread receives Ctrl-C
        yield interrupts
        return
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, previous)
