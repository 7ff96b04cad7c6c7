"""More processes of this machine, for verbs whose work is shared by a folder."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from leannet.errors import IMPORTED, LeannetError

ARGUMENTS = {"run", "data"}
ON_RESUME = {"resume", "processes", "threads", "json", "quiet"}


def threads_of_each(chosen: dict[str, Any], processes: int) -> int | None:
    """Of several processes each has its share of the cores, unless --threads says otherwise; of one None: all."""
    from leannet.runtime.processor import cores

    if "threads" in chosen:
        return int(chosen["threads"])
    return max(1, cores() // processes) if processes > 1 else None


def check_resumed(context: typer.Context, chosen: dict[str, Any]) -> None:
    """Raises LeannetError where --resume stands beside what was decided when the work was begun."""
    named = {name for name in context.params if str(context.get_parameter_source(name)).endswith("COMMANDLINE")}
    others = sorted((named | set(chosen)) - ON_RESUME)
    if others:
        other = others[0].upper() if others[0] in ARGUMENTS else f"--{others[0].replace('_', '-')}"
        raise LeannetError(f"--resume goes on as it was begun: leave out {other}; with it go --processes, --threads, "
                           "--json and --quiet")  # fmt: skip


@contextmanager
def helpers(verb: str, processes: int, threads: int | None) -> Iterator[Callable[[Path], None]]:
    """What starts the other processes once the folder is there; they end with the block."""
    started: list[subprocess.Popen[bytes]] = []

    def begun(folder: Path) -> None:
        imports = [word for module in IMPORTED for word in ("--import", module)]
        words = [sys.executable, "-m", "leannet", *imports, verb, "--resume", str(folder), "--quiet"]
        words += ["--threads", str(threads)] if threads is not None else []
        started.extend(subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(processes - 1))

    try:
        yield begun
    finally:
        for process in started:
            process.terminate()
            process.wait()
