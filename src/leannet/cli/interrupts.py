"""Ctrl-C while modules are loading: an exception inside torch's own import ends the program by an abort."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = 130  # the exit status of a program that Ctrl-C has ended
AGAIN_SECONDS = 0.02


@contextmanager
def between_imports() -> Iterator[None]:
    """Inside, Ctrl-C raises KeyboardInterrupt as usual, but not before an import is done. A second one ends at once."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, or somebody else's
        yield
        return
    waiting = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if not _is_importing(frame):
            raise KeyboardInterrupt
        if waiting.is_set():
            os.write(2, b"leannet: stopped\n")
            os._exit(STOPPED)
        waiting.set()
        threading.Thread(target=again, daemon=True).start()

    def again() -> None:
        """Interrupts the main thread when its import is done."""
        main = threading.main_thread()
        while _is_importing(sys._current_frames().get(main.ident or 0)):
            threading.Event().wait(AGAIN_SECONDS)
        waiting.clear()
        if hasattr(signal, "pthread_kill") and main.ident is not None:
            signal.pthread_kill(main.ident, signal.SIGINT)
        else:
            signal.raise_signal(signal.SIGINT)

    try:
        signal.signal(signal.SIGINT, ask)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
