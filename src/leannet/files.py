"""Files that are written whole or not at all, and folders that one process at a time writes to."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from leannet import run_files
from leannet.errors import LeannetError

SECONDS = 1.0  # a look at the lock takes less


def spare_inputs(outputs: Iterable[str | Path | None], inputs: Iterable[str | Path] = ()) -> None:
    """Raises LeannetError, before any work, where an output is an input, a run's, named twice, or not writable."""
    read, taken = {Path(each).resolve() for each in inputs}, set[Path]()
    for path in (Path(each) for each in outputs if each is not None):
        place = path.resolve()
        if place in read:
            raise LeannetError(f"{path}: is what this reads: choose another name to write to")
        if path.name in run_files.ALL and path.exists():
            raise LeannetError(f"{path}: is part of a run, which this would replace: choose another name")
        if place in taken:
            raise LeannetError(f"{path}: expected a name for each file, found it twice")
        check_writable(path)
        taken.add(place)


def check_page(out: str | Path | None, folder: str | Path | None) -> None:
    """Raises LeannetError, before any work, where a page, or a folder of its images, cannot be written."""
    if out is not None:
        page = Path(out)
        if page.suffix != ".html" or page.is_dir() or not page.absolute().parent.is_dir():
            raise LeannetError(f"--out {out}: expected a name ending in .html, in a folder that exists")
        check_writable(page)
    if folder is not None:
        if Path(folder).is_file():
            raise LeannetError(f"--figures {folder}: expected a folder, or room for one, found a file")
        check_writable(folder)


def check_writable(path: str | Path) -> None:
    """Raises LeannetError, before any work, where no file or folder of this name can be written.

    Folders above it may be missing. It is tried, since a mode says little: root may ignore it, a mount may not.
    """
    target = Path(path).absolute()
    if (file := next((each for each in target.parents if each.is_file()), None)) is not None:
        raise LeannetError(f"{path}: expected a folder to write into, found that {file} is a file")
    folder = next(each for each in (target, *target.parents) if each.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise LeannetError(f"{path}: cannot be written to ({error.strerror}): choose another place") from None


def write_whole(path: str | Path, data: bytes) -> None:
    """Writes a file so that it is either the old one or all of the new one, whenever the process ends."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise LeannetError(
            f"{path}: cannot be written ({error.strerror}); what was there before is still whole"
        ) from None


@contextmanager
def alone_in(run: Path) -> Iterator[None]:
    """Keeps other trainings out of a run folder meanwhile. Raises LeannetError where one is there."""
    lock = FileLock(run / run_files.LOCK, timeout=SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise LeannetError(f"{run}: another process is training in this folder; wait for it, or stop it") from None
    except OSError as error:
        raise LeannetError(f"{run}: cannot be written to ({error.strerror or error})") from None
    try:
        yield
    finally:
        lock.release()


def is_trained_in(run: Path) -> bool:
    """Whether a process trains in a run folder at this moment."""
    if not (run / run_files.LOCK).exists():
        return False
    try:
        with FileLock(run / run_files.LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a copy that may only be read
        return False
