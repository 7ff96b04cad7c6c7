"""Messages and progress on standard error: a live line on terminals and in notebooks, elsewhere a line per epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from leannet.errors import LeannetError
from leannet.notebook import LiveLine

T = TypeVar("T")


def duration(seconds: float) -> str:
    """Seconds in readable units: 8 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def as_seconds(text: object) -> object:
    """Seconds from 90s, 30m, 1.5h; anything but text is returned unchanged. Raises LeannetError."""
    if not isinstance(text, str):
        return text
    units = {"s": 1, "m": 60, "h": 3600}
    try:
        return float(text[:-1]) * units[text[-1:]]
    except (ValueError, KeyError):
        raise LeannetError(f"time: expected a time such as 90s, 30m or 1.5h, found '{text}'") from None


class Console:
    """Shows the progress of long work. quiet: shows nothing."""

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self._rich = RichConsole(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._line: LiveLine | None = None

    def say(self, text: str, style: str | None = None) -> None:
        """Prints a line."""
        self._rich.print(text, style=style, markup=False)

    @contextmanager
    def bar(self, total: int) -> Iterator["Console"]:
        """A live line for the work inside, on a terminal and in a notebook."""
        if self._rich.is_jupyter and not self._rich.quiet:
            self._line = LiveLine(total)
            try:
                yield self
            finally:
                self._line.clear()
                self._line = None
            return
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}"))
        with Progress(*columns, console=self._rich, transient=True, disable=not self._rich.is_terminal) as progress:
            self._progress, self._task = progress, progress.add_task("", total=total, note="")
            try:
                yield self
            finally:
                self._progress = self._task = None

    def advance(self, done: int, label: str, note: str = "", total: int | None = None) -> None:
        """Moves the live line, if there is one. total: if it was not known before."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, description=label, note=note, total=total)
        if self._line is not None:
            self._line.show(done, label, note, total)

    def curve(self, loss: float, accuracy: float) -> None:
        """In a notebook, one more step of the live curves. accuracy: 0 to 1, of the training batch."""
        if self._line is not None:
            self._line.curves.step(loss, accuracy)

    def curve_epoch(self, loss: float, accuracy: float) -> None:
        """In a notebook, the validation loss and accuracy at the end of an epoch, in the live curves."""
        if self._line is not None:
            self._line.curves.epoch(loss, accuracy)

    def reading(self, items: Iterator[T], total: int) -> Iterator[T]:
        """Yields the items of a scan, with a live line."""
        return self.track(items, total, "reading every image once")

    def track(self, items: Iterator[T], total: int, label: str) -> Iterator[T]:
        """Yields the items, with a live line."""
        with self.bar(total):
            for number, item in enumerate(items, start=1):
                self.advance(number, label, f"{number:,} of {total:,}")
                yield item
