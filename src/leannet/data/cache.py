"""Decoded images kept between epochs, in memory that the worker processes share.

The memory is a file that has no name any more: the system keeps what fits in RAM, writes out the rest, and takes all
back when the run ends, however it ends. Nothing stale can be left, and an image that vanishes between two epochs is
not missed.
"""

import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Room = tuple[int, int, int]  # (H, W, C)
CGROUP = Path("/sys/fs/cgroup")
SHARE_OF_MEMORY = 0.4  # that is free
SHARE_OF_DISK = 0.5


class ImageCache:
    """Room for one uint8 array of (H, W, C) an image, filled as images are first read."""

    def __init__(self, most: Sequence[Room]):
        """most: the largest shape each may have."""
        sizes = np.array([h * w * c for h, w, c in most], dtype=np.int64)
        self._ends = np.cumsum(sizes)
        self._starts = self._ends - sizes
        total = int(self._ends[-1])
        self._shapes = np.frombuffer(_shared(12 * len(sizes)), dtype=np.int32).reshape(-1, 3)
        self._bytes = np.frombuffer(_shared(total), dtype=np.uint8)

    def get(self, index: int) -> NDArray[np.uint8] | None:
        """The array, or None where it is not there yet."""
        height, width, channels = self._shapes[index]
        if not height:
            return None
        start = self._starts[index]
        return self._bytes[start : start + height * width * channels].reshape(height, width, channels)

    def put(self, index: int, array: NDArray[np.uint8]) -> None:
        """Keeps an array. One that is larger than was said is not kept."""
        start = self._starts[index]
        if array.size > self._ends[index] - start:
            return
        self._bytes[start : start + array.size] = array.reshape(-1)
        # The shape last, its height at the very end: another process that sees it finds all the rest there.
        self._shapes[index, 1:] = array.shape[1:]
        self._shapes[index, 0] = array.shape[0]


def fits(sizes: Sequence[Room]) -> bool:
    """Whether these may be kept: in a share of the available memory, on a disk with room, for each process here."""
    total = sum(h * w * c for h, w, c in sizes) * int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return total < SHARE_OF_MEMORY * available_memory() and total < SHARE_OF_DISK * shutil.disk_usage(_folder()).free


def available_memory() -> int:
    """Bytes of memory that could be had, as Linux estimates them; within a container, of what it may have."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 0
    with suppress(OSError, ValueError):
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        free = min(free, limit - used)
    return free


def _folder() -> Path:
    return Path(tempfile.gettempdir())


def _shared(size: int) -> mmap.mmap:
    """Writable memory of that many zero bytes, the same in every process that is forked from here."""
    with tempfile.TemporaryFile(dir=_folder()) as file:
        file.truncate(max(size, 1))
        # Claimed now: a page that finds no room on the disk when it is first written to would end the process.
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
        return mmap.mmap(file.fileno(), max(size, 1))
