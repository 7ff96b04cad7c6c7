"""What a notebook shows: a live line that is replaced in place, and tables as Markdown. IPython is only met there."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import Any

OFTEN = 0.2  # seconds between two changes of the live line: more would only burden the browser


@dataclass(frozen=True)
class _Line:
    """The live line as it stands."""

    text: str
    done: int
    total: int

    def _repr_html_(self) -> str:
        bar = f'<progress value="{self.done}" max="{max(self.total, 1)}" style="width: 12em"></progress>'
        words = f'<span style="font-variant-numeric: tabular-nums; white-space: pre-wrap">{escape(self.text)}</span>'
        return f"{bar} {words}"

    def __repr__(self) -> str:
        return self.text


class _Nothing:
    """What stands in the place of a line that has done its work."""

    def _repr_html_(self) -> str:
        return ""

    def __repr__(self) -> str:
        return ""


class LiveLine:
    """One line of a cell's output, which changes while work goes on and is gone afterwards."""

    def __init__(self, total: int):
        display = import_module("IPython.display").display
        self._total, self._shown = total, float("-inf")
        self._handle: Any = display(_Line("", 0, total), display_id=True)

    def show(self, done: int, label: str, note: str, total: int | None) -> None:
        """Says how far the work is; most calls change nothing, being too soon after one that did."""
        self._total = total or self._total
        now = time.monotonic()
        if now - self._shown >= OFTEN:
            self._shown = now
            self._update(_Line(f"{label}  {note}".strip(), done, self._total))

    def clear(self) -> None:
        """Takes the line away."""
        self._update(_Nothing())

    def _update(self, shown: object) -> None:
        if self._handle is not None:
            self._handle.update(shown)


def markdown_table(headers: Sequence[str], lines: Sequence[Sequence[Any]], left: int = 1) -> str:
    """A table, the first `left` columns to the left and the others to the right. Names may hold anything."""
    rows = [[_plain(str(cell)) for cell in line] for line in (headers, *lines)]
    rows.insert(1, [*[":--"] * left, *["--:"] * (len(headers) - left)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave alone."""
    for special in "\\`*_|$[]~#":
        text = text.replace(special, f"\\{special}")
    return escape(" ".join(text.split()), quote=False)
