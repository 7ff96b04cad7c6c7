"""Waiting until nobody else's threads compute."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leannet.runtime import quiet
from leannet.runtime.quiet import wait_until_quiet

needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux says what threads do")


@contextmanager
def computing_thread() -> Iterator[None]:
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            hashlib.pbkdf2_hmac("sha256", b"", b"", 5_000)  # without the interpreter's lock

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@needs_proc
def test_a_thread_that_computes_is_no_quiet_one_that_sleeps_is() -> None:
    with computing_thread():
        assert not wait_until_quiet(limit=0.05)
    sleeper = threading.Event()
    thread = threading.Thread(target=sleeper.wait)
    thread.start()
    try:
        assert wait_until_quiet(limit=10)
    finally:
        sleeper.set()
        thread.join()


@needs_proc
def test_another_process_that_computes_until_it_ends() -> None:
    code = "print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert wait_until_quiet(limit=10)
        assert not wait_until_quiet([process.pid], limit=0.05)
        process.kill()
    assert wait_until_quiet([process.pid], limit=10)


def test_a_system_that_does_not_say_what_threads_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr(quiet, "_TASKS", f"{tmp_path}/{{}}/task")
    assert wait_until_quiet()
    assert slept == [quiet.REST]
