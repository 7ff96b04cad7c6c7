"""A cache of decoded images between epochs, in memory that worker processes share.

The memory is an unlinked file: the system keeps what fits in RAM, writes the rest to disk, and frees everything when
the run ends, however it ends. Nothing stale remains, and an image file deleted between two epochs is not missed.
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

Shape = tuple[int, int, int]  # (H, W, C)
CGROUP = Path("/sys/fs/cgroup")
SHARE_OF_MEMORY = 0.4  # of the free memory
SHARE_OF_DISK = 0.5  # of the free disk space


class ImageCache:
    """One uint8 array (H, W, C) per image, filled as images are first read."""

    def __init__(self, max_shapes: Sequence[Shape]):
        """max_shapes: the largest shape of each image."""
        sizes = np.array([h * w * c for h, w, c in max_shapes], dtype=np.int64)
        self._ends = np.cumsum(sizes)
        self._starts = self._ends - sizes
        total = int(self._ends[-1])
        self._shapes = np.frombuffer(_shared(12 * len(sizes)), dtype=np.int32).reshape(-1, 3)
        self._bytes = np.frombuffer(_shared(total), dtype=np.uint8)

    def get(self, index: int) -> NDArray[np.uint8] | None:
        """The array of an image; None: it is not cached yet."""
        height, width, channels = self._shapes[index]
        if not height:
            return None
        start = self._starts[index]
        return self._bytes[start : start + height * width * channels].reshape(height, width, channels)

    def put(self, index: int, array: NDArray[np.uint8]) -> None:
        """Caches an array, unless it is larger than its maximum shape."""
        start = self._starts[index]
        if array.size > self._ends[index] - start:
            return
        self._bytes[start : start + array.size] = array.reshape(-1)
        # The height is written last: a process that sees it finds everything else in place.
        self._shapes[index, 1:] = array.shape[1:]
        self._shapes[index, 0] = array.shape[0]


def fits(shapes: Sequence[Shape]) -> bool:
    """Whether arrays of these shapes fit into a share of the free memory and disk, for each process of this machine."""
    total = sum(h * w * c for h, w, c in shapes) * int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return total < SHARE_OF_MEMORY * available_memory() and total < SHARE_OF_DISK * shutil.disk_usage(_folder()).free


def available_memory() -> int:
    """Bytes of free memory as Linux estimates them, within the limit of a container. 0: not known."""
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
    """Writable memory of `size` zero bytes, shared with every process forked from this one."""
    with tempfile.TemporaryFile(dir=_folder()) as file:
        file.truncate(max(size, 1))
        # Allocated now: writing to a page that no longer fits on the disk would kill the process.
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
        return mmap.mmap(file.fileno(), max(size, 1))
