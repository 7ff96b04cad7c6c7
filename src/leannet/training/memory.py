"""Keeping freed memory: otherwise a training step on a CPU spends much of its time on page faults.

glibc returns a large block to the system when it is freed, and the system clears every page of the next one.
Activations are such blocks, so that each layer's output costs twice. If glibc keeps freed memory, the same step runs
1.7 times as fast (docs/performance.md).
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
def keep_freed_memory(enabled: bool = True) -> Iterator[None]:
    """Keeps freed memory in this process until the end of the block. Without glibc it does nothing.

    The setting affects the whole process, and raises peak memory by about 15 %.
    """
    libc = _glibc() if enabled else None
    if libc is None:
        yield
        return
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:  # the values that glibc's adaptive thresholds reach in a process with large blocks
        libc.mallopt(MMAP_MAX, 65536)
        libc.mallopt(MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(TRIM_THRESHOLD, 64 << 20)
        libc.malloc_trim(0)


def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "gnu_get_libc_version") else None
