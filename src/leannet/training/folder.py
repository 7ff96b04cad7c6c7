"""The folder of a run: free, made, and one training's alone."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from leannet import __version__
from leannet.errors import LeannetError
from leannet.files import alone_in, check_writable, write_whole
from leannet.header import Header
from leannet.run_files import CONFIG, LAST, LOG, MODEL, STATE
from leannet.training import processes
from leannet.training.settings import Settings

RUN_FILES = (MODEL, LAST, LOG, str(STATE))


def check_out(out: str | Path | None, settings: Settings) -> None:
    """Refuses a run folder that holds another run, is a file, or lies among the images."""
    path = Path(out) if out is not None else Path("runs")
    held = [name for name in RUN_FILES if out is not None and (path / name).exists()]
    if held:
        raise LeannetError(f"--out {out}: holds another run ({held[0]}); choose a new folder, or --resume {out}")
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
        while True:  # another run may start at the same moment: who makes the folder has it
            run = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
            try:
                run.mkdir(parents=True)
                break
            except FileExistsError:
                number += 1
    return run


def begin_run(run: Path, out: str | Path | None, settings: Settings, header: Header) -> None:
    """The first file of a run, once no other training can come between."""
    check_out(out, settings)
    write_settings(run, settings, header)


def write_settings(run: Path, settings: Settings, header: Header) -> None:
    """config.toml: the resolved settings, and the command as a comment."""
    words = f"# leannet {__version__}\n# {header.provenance.command}\n"
    write_whole(run / CONFIG, (words + settings.to_toml()).encode())


@contextmanager
def alone_together(run: Path) -> Iterator[None]:
    """Keeps other trainings out of the folder; the processes of this one are one to them."""
    with ExitStack() as stack:
        processes.main_process_first(lambda: stack.enter_context(alone_in(run)))
        yield
