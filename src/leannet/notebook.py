"""What a notebook shows: a live line that is replaced in place, and tables as Markdown. IPython is only met there."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from typing import Any

OFTEN = 0.2  # seconds between two changes of the live line: more would only burden the browser


WIDTH, HEIGHT, MARGIN = 330, 150, 34  # of a live curve, in pixels
MOST_POINTS = 240


@dataclass
class Curves:
    """Loss and accuracy over the steps of a training while it runs: of each batch, and of validation."""

    steps: list[tuple[float, float]] = field(default_factory=list)
    epochs: list[tuple[int, float, float]] = field(default_factory=list)

    def step(self, loss: float, accuracy: float) -> None:
        """One more step."""
        self.steps.append((loss, accuracy))

    def epoch(self, loss: float, accuracy: float) -> None:
        """Validation after the steps so far."""
        self.epochs.append((len(self.steps), loss, accuracy))

    def to_html(self) -> str:
        """Two small figures side by side, in the notebook's own text color; empty before the second step."""
        if len(self.steps) < 2:
            return ""
        losses = [(number, loss) for number, loss, _ in self.epochs]
        accuracies = [(number, 100 * accuracy) for number, _, accuracy in self.epochs]
        of_steps = list(zip(*self.steps, strict=True))
        figures = (
            _figure("loss", of_steps[0], losses, None),
            _figure("accuracy, %", tuple(100 * value for value in of_steps[1]), accuracies, 100.0),
        )
        return f'<div style="display: flex; flex-wrap: wrap; gap: 1em">{"".join(figures)}</div>'


def _figure(title: str, values: Sequence[float], checked: Sequence[tuple[int, float]], top: float | None) -> str:
    """A titled curve: the mean of groups of steps, and validation as points on a solid line."""
    group = -(-len(values) // MOST_POINTS)
    means = [
        (min(start + group, len(values)), sum(values[start : start + group]) / len(values[start : start + group]))
        for start in range(0, len(values), group)
    ]
    most = top or max(value for _, value in [*means, *checked]) or 1.0

    def place(point: tuple[float, float]) -> str:
        across = MARGIN + (WIDTH - MARGIN - 8) * point[0] / len(values)
        return f"{across:.1f},{HEIGHT - 18 - (HEIGHT - 40) * min(max(point[1] / most, 0.0), 1.0):.1f}"

    training = f'<polyline points="{" ".join(map(place, means))}" stroke-dasharray="3 2" opacity="0.6"/>'
    validation = f'<polyline points="{" ".join(map(place, checked))}"/>'
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="2.5" fill="currentColor"/>'
                   for x, y in (place(point).split(",") for point in checked))  # fmt: skip
    text = (
        f'<text x="{MARGIN}" y="12" font-weight="bold">{title}</text>'
        f'<text x="{WIDTH - 8}" y="12" text-anchor="end">dashed: training; solid: validation</text>'
        f'<text x="{MARGIN - 4}" y="26" text-anchor="end">{most:.3g}</text>'
        f'<text x="{MARGIN - 4}" y="{HEIGHT - 16}" text-anchor="end">0</text>'
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 4}" text-anchor="end">step {len(values):,}</text>'
    )
    axes = f'<path d="M{MARGIN},22V{HEIGHT - 18}H{WIDTH - 8}" opacity="0.4"/>'
    return (
        f'<svg role="img" aria-label="{title} over the steps" width="{WIDTH}" height="{HEIGHT}" '
        f'style="color: inherit; font: 10px sans-serif"><g fill="none" stroke="currentColor">{axes}{training}'
        f'{validation}</g>{dots}<g fill="currentColor">{text}</g></svg>'
    )


@dataclass(frozen=True)
class _Line:
    """The live line as it stands."""

    text: str
    done: int
    total: int
    curves: str = ""

    def _repr_html_(self) -> str:
        bar = f'<progress value="{self.done}" max="{max(self.total, 1)}" style="width: 12em"></progress>'
        words = f'<span style="font-variant-numeric: tabular-nums; white-space: pre-wrap">{escape(self.text)}</span>'
        return f"{bar} {words}{self.curves}"

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
        self.curves = Curves()
        self._handle: Any = display(_Line("", 0, total), display_id=True)

    def show(self, done: int, label: str, note: str, total: int | None) -> None:
        """Says how far the work is; most calls change nothing, being too soon after one that did."""
        self._total = total or self._total
        now = time.monotonic()
        if now - self._shown >= OFTEN:
            self._shown = now
            self._update(_Line(f"{label}  {note}".strip(), done, self._total, self.curves.to_html()))

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
