"""Standard output and error that never end the work: what they cannot take is replaced, or lost with a word."""

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

GONE = {errno.EPIPE, errno.EINVAL}  # the reader has seen enough; Windows says it the second way


class _Lenient(io.RawIOBase):
    """A stream of the system under another name. What it refuses is dropped, and the first reason is kept."""

    def __init__(self, raw: Any):
        self._raw = raw
        self.problem: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while len(rest):
                written = self._raw.write(rest)
                if written is None:  # it does not block, and is full
                    select.select([], [self._raw], [])
                rest = rest[written or 0 :]
        except OSError as error:
            self.problem = self.problem or error
        return size

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        return bool(self._raw.isatty())


@contextmanager
def lenient_streams() -> Iterator[None]:
    """Inside, no print fails: not for a character that the encoding lacks, a reader that has gone, or a full device.

    At the end standard error has a line where output was lost, unless its reader had left.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, output = _lenient(sys.stdout)
    sys.stderr, _ = _lenient(sys.stderr)
    try:
        yield
    finally:
        sys.stdout.flush()
        if output is not None and output.problem is not None and output.problem.errno not in GONE:
            words = output.problem.strerror or str(output.problem)
            print(f"leannet: standard output: {words}; what was to be printed is lost", file=sys.stderr)
        with suppress(ValueError):  # closed by the verb
            sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _lenient(stream: Any) -> tuple[Any, _Lenient | None]:
    """The same stream made lenient. One that is none of the system's, as in a notebook or a test, stays as it is."""
    if stream is None:  # closed before this program began: its number must not become that of a file of the work
        return open(os.devnull, "w", encoding="utf-8"), None
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # python -u has no buffer in between
    if not isinstance(raw, io.RawIOBase):
        return stream, None
    with suppress(OSError):
        stream.flush()
    lenient = _Lenient(raw)
    below: Any = lenient if raw is buffer else io.BufferedWriter(lenient)
    text = io.TextIOWrapper(
        below,
        encoding=stream.encoding,
        errors=stream.errors if stream.errors == "backslashreplace" else "replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    return text, lenient
