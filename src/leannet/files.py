"""Files that are written whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from leannet.errors import LeannetError


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
