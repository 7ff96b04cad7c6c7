"""More processes of this machine, for verbs whose work is shared by a folder."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leannet.errors import IMPORTED


def share_cores(chosen: dict[str, Any], processes: int) -> None:
    """Gives each process its share of the cores, unless --threads says otherwise."""
    if processes > 1 and "threads" not in chosen:
        chosen["threads"] = max(1, (os.cpu_count() or 1) // processes)


@contextmanager
def helpers(verb: str, processes: int, chosen: dict[str, Any]) -> Iterator[Callable[[Path], None]]:
    """What starts the other processes once the folder is there; they end with the block."""
    started: list[subprocess.Popen[bytes]] = []

    def begun(folder: Path) -> None:
        imports = [word for module in IMPORTED for word in ("--import", module)]
        words = [sys.executable, "-m", "leannet", *imports, verb, "--resume", str(folder), "--quiet"]
        words += ["--threads", str(chosen["threads"])] if "threads" in chosen else []
        started.extend(subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(processes - 1))

    try:
        yield begun
    finally:
        for process in started:
            process.terminate()
            process.wait()
