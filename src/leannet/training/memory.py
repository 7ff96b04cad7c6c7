"""Keeping freed memory: a step of training on a CPU spends much of its time getting the same pages again and again.

glibc gives a large block back to the system when it is freed, and the system clears every page of the next one. A
network's activations are such blocks, so each layer's output is paid for twice. Told to keep what is freed, the same
step runs 1.7 times as fast (docs/performance.md).
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# mallopt's parameters, from malloc.h
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
NEVER = -1


@contextmanager
def keeping_memory(wanted: bool = True) -> Iterator[None]:
    """Inside, freed memory stays with this process; at the end it is given back. Elsewhere than on glibc: nothing.

    It is a setting of the whole process, and costs about 15 % more memory at the peak.
    """
    libc = _glibc() if wanted else None
    if libc is None:
        yield
        return
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:  # where glibc's own adaptive thresholds end up in a process of large blocks
        libc.mallopt(MMAP_MAX, 65536)
        libc.mallopt(MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(TRIM_THRESHOLD, 64 << 20)
        libc.malloc_trim(0)


def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "gnu_get_libc_version") else None
