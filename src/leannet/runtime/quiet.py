"""Waiting until nobody else's threads compute: they spin on after a run, and take the core of what is timed next."""

import os
import threading
import time
from collections.abc import Collection
from pathlib import Path

POLL = 0.001  # seconds
LIMIT = 0.25  # seconds: ONNX Runtime's threads spin for some 40 ms after a run, those of OpenMP for 3 to 8
REST = 0.06  # seconds: waited where the system does not say what threads do
_TASKS = "/proc/{}/task"


def wait_until_quiet(processes: Collection[int] = (), limit: float = LIMIT) -> bool:
    """Waits until all threads of this process but the calling one sleep, and all of other processes.

    processes: their IDs; one that has ended is quiet. limit: seconds after which it stops waiting. Returns whether it
    is quiet: False where a thread still runs. On systems that do not say what threads do (all but Linux) it waits for
    `REST` seconds and returns True.
    """
    if not Path(_TASKS.format("self")).is_dir():
        time.sleep(REST)
        return True
    caller = threading.get_native_id()
    until = time.monotonic() + limit
    while any(_computes(process, caller) for process in (os.getpid(), *processes)):
        if time.monotonic() >= until:
            return False
        time.sleep(POLL)
    return True


def _computes(process: int, caller: int) -> bool:
    """Whether a thread of a process, other than the caller's, runs or waits for a core."""
    tasks = _TASKS.format(process)
    try:
        threads = os.listdir(tasks)
    except FileNotFoundError:
        return False
    return any(thread != str(caller) and _state(f"{tasks}/{thread}/stat") == "R" for thread in threads)


def _state(path: str) -> str:
    """The state of a thread as the kernel writes it, behind a name that may hold anything; empty for one that ended."""
    try:
        with open(path, "rb") as file:
            return file.read().rpartition(b") ")[2][:1].decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""
