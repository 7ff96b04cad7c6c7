"""Files written whole or not at all, and locks on run folders."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from leannet import run_files
from leannet.errors import LeannetError

LOCK_SECONDS = 1.0  # checking whether a lock is free takes less


def spare_inputs(outputs: Iterable[str | Path | None], inputs: Iterable[str | Path] = ()) -> None:
    """Raises LeannetError, before any work, if an output is an input, a file of a run, given twice, or not writable."""
    input_paths, output_paths = {Path(path).resolve() for path in inputs}, set[Path]()
    for path in (Path(output) for output in outputs if output is not None):
        resolved = path.resolve()
        if resolved in input_paths:
            raise LeannetError(f"{path}: is an input of this command: choose another name to write to")
        if path.name in run_files.ALL and path.exists():
            raise LeannetError(f"{path}: is a file of a run, which this would replace: choose another name")
        if resolved in output_paths:
            raise LeannetError(f"{path}: expected a different name for each file, found it twice")
        check_writable(path)
        output_paths.add(resolved)


def check_page(out: str | Path | None, folder: str | Path | None) -> None:
    """Raises LeannetError, before any work, if a page or the folder of its figures cannot be written."""
    if out is not None:
        page = Path(out)
        if page.suffix != ".html" or page.is_dir() or not page.absolute().parent.is_dir():
            raise LeannetError(f"--out {out}: expected a name ending in .html, in a folder that exists")
        check_writable(page)
    if folder is not None:
        if Path(folder).is_file():
            raise LeannetError(f"--figures {folder}: expected a folder, or a name for a new one, found a file")
        check_writable(folder)


def check_writable(path: str | Path) -> None:
    """Raises LeannetError, before any work, if a file or folder of this name cannot be written.

    Parent folders may be missing. This writes a temporary file, as permission bits are unreliable: root ignores them,
    and a mount may be read-only.
    """
    target = Path(path).absolute()
    if (file := next((parent for parent in target.parents if parent.is_file()), None)) is not None:
        raise LeannetError(f"{path}: expected a folder to write into, found that {file} is a file")
    folder = next(parent for parent in (target, *target.parents) if parent.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise LeannetError(f"{path}: cannot be written to ({error.strerror}): choose another place") from None


def write_whole(path: str | Path, data: bytes) -> None:
    """Writes a file so that it is the old one or all of the new one, even if the process is killed."""
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # another process may write the same file
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
            f"{path}: cannot be written ({error.strerror}); an earlier file of this name is unchanged"
        ) from None


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Locks a run folder against other trainings. Raises LeannetError if one is running there."""
    from filelock import FileLock, Timeout  # imports asyncio, for which verbs that train nothing need not wait

    lock = FileLock(run / run_files.LOCK, timeout=LOCK_SECONDS)
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


def is_training_in(run: Path) -> bool:
    """Whether a process is training in a run folder now."""
    if not (run / run_files.LOCK).exists():
        return False
    from filelock import FileLock, Timeout

    try:
        with FileLock(run / run_files.LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a read-only copy
        return False
