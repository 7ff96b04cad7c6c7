"""Ctrl-C while modules are loading: an exception inside torch's own import ends the program by an abort."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from leannet.cli.output import STOPPED, print_failure

PATIENCE_SECONDS = 0.5  # for an import to end by itself, so that the work around it can tidy up
LOOK_SECONDS = 0.01


@contextmanager
def between_imports() -> Iterator[None]:
    """Inside, Ctrl-C raises KeyboardInterrupt as usual, but never within an import.

    It waits for the import to end, and where that takes long, or at a second Ctrl-C, ends the program from outside.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, or somebody else's
        yield
        return
    waiting = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if not _is_importing(frame):
            raise KeyboardInterrupt
        if waiting.is_set():
            _leave()
        waiting.set()
        threading.Thread(target=again, daemon=True).start()

    def again() -> None:
        main = threading.main_thread()
        end = time.monotonic() + PATIENCE_SECONDS
        while _is_importing(sys._current_frames().get(main.ident or 0)):
            if time.monotonic() > end:
                _leave()
            time.sleep(LOOK_SECONDS)
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


def _leave() -> None:
    with suppress(Exception):
        print_failure("stopped")
        sys.stdout.flush()
        print("leannet: stopped", file=sys.stderr, flush=True)
    os._exit(STOPPED)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
