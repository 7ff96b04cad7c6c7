"""The folder of a run: checked, created, and locked for one training at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote

from leannet import __version__
from leannet.errors import LeannetError
from leannet.files import check_writable, run_lock, write_whole
from leannet.header import Header
from leannet.run_files import CONFIG, LAST, LOG, MODEL, STATE
from leannet.training import processes
from leannet.training.settings import Settings

RUN_FILES = (MODEL, LAST, LOG, str(STATE))


def check_out(out: str | Path | None, settings: Settings) -> None:
    """Raises LeannetError for a folder that holds another run, is a file, is among the images, or is not writable."""
    path = Path(out) if out is not None else Path("runs")
    run_files = [name for name in RUN_FILES if out is not None and (path / name).exists()]
    if run_files:
        resume = f"--resume {quote(str(out))}"
        raise LeannetError(f"--out {out}: holds another run ({run_files[0]}); choose a new folder, or {resume}")
    if any(parent.is_file() for parent in (path, *path.parents)):
        raise LeannetError(f"--out {out}: expected a new or empty folder, found a file")
    data = Path(settings.data).resolve()
    if data.is_dir() and path.resolve().is_relative_to(data):
        raise LeannetError(f"--out {path}: lies among the images of {settings.data}; choose a folder outside")
    check_writable(path)


def make_run(out: str | Path | None, data: str) -> Path:
    if out is not None:
        run = Path(out)
        run.mkdir(parents=True, exist_ok=True)
    else:
        stem, number = Path(data).stem, 1
        while True:  # another run may start at the same moment: the one that creates the folder gets it
            run = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
            try:
                run.mkdir(parents=True)
                break
            except FileExistsError:
                number += 1
    return run


def begin_run(run: Path, out: str | Path | None, settings: Settings, header: Header) -> None:
    """Writes the first file of a run, after its folder is locked."""
    check_out(out, settings)
    write_settings(run, settings, header)


def write_settings(run: Path, settings: Settings, header: Header) -> None:
    """config.toml: the resolved settings, and the command as a comment."""
    comment = f"# leannet {__version__}\n# {header.provenance.command}\n"
    write_whole(run / CONFIG, (comment + settings.to_toml()).encode())


@contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Locks the folder against other trainings; all processes of this training share the lock."""
    with ExitStack() as stack:
        processes.main_process_first(lambda: stack.enter_context(run_lock(run)))
        yield
