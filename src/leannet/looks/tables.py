"""What a look found, as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from leannet.errors import LeannetError
from leannet.files import write_whole


def check_table(path: Path | None) -> None:
    """Raises LeannetError, before any work, where no CSV can be written under that name."""
    if path is not None and (path.suffix != ".csv" or path.is_dir() or not path.absolute().parent.is_dir()):
        raise LeannetError(f"{path}: expected a name ending in .csv, in a folder that exists")


def write_table(path: str | Path, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Writes a header and a line each; floats with seven figures, which is what float32 holds."""
    path = Path(path)
    check_table(path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([f"{value:.7g}" if isinstance(value, float) else value for value in line])
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))  # file names need not be text
