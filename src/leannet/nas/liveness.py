"""Whether a worker of this machine is there."""

import os
import socket
from contextlib import suppress
from pathlib import Path

LIVE: set[str] = set()  # the names of this process's own workers


def place_here() -> str:
    """Where a process number says something: this start of this machine, as this container sees it."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def process_here() -> str:
    """This process: its number, and when it began, since numbers come again."""
    return f"{os.getpid()} {_state(os.getpid())[1]}"


def runs(process: str) -> bool:
    """Whether a process of this machine is there, and not only until its parent takes notice of its end."""
    number, _, began = process.partition(" ")
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        pass
    state, since = _state(int(number))
    return state != "Z" and since == began


def _state(process: int) -> tuple[str, str]:
    """The state of a process and when it began, as Linux writes them; empty where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]
