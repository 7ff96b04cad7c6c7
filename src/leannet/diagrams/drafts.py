"""Boxes before they have their places: how large they must be for their text, and how they are painted."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from leannet.diagrams.letters import text_width
from leannet.diagrams.scene import Area, Line, Panel, Shape, Text

Part = Shape | Line | Text
PAD = 10  # pixels between a box and its text
NAME, TITLE, SMALL, TAG = 12.5, 12, 11, 9.5  # font sizes
ROUND, BAR = 26, 22  # heights of a circle and of a bar
TAG_HEIGHT, TAG_GAP = 14, 4
STRIP = 24  # height of the crossing lines of a shuffle
GROUPS = ("conv", "depthwise", "block_1", "fully_connected")  # colors of groups that are shuffled


@dataclass
class Draft:
    """A box without a place. `paint` draws it into the area it is given, which for a bar may be wider."""

    key: str
    rows: tuple[str, ...]
    kind: str
    width: int
    height: int
    paint: Callable[[Area], Sequence[Part]]
    form: Literal["box", "bar", "circle", "point"] = "box"
    labels: tuple[str, ...] = ("",)  # beside per_group value that leaves it
    note: str = ""
    cost: dict[str, Any] = field(default_factory=dict)
    inside: Panel | None = None  # of a block that is drawn expanded, in a frame
    title: str = ""  # of the frame
    enters: tuple[int, ...] = ()
    leaves: int = 0


def even(size: float) -> int:
    """The next even whole number, so that halves are whole."""
    return 2 * math.ceil(size / 2)


def point(key: str) -> Draft:
    """Where a line begins or ends in nothing."""
    return Draft(key, (), "point", 0, 0, lambda area: (), form="point")


def card(
    key: str,
    rows: tuple[str, ...],
    kind: str,
    style: str,
    name: str,
    lines: Sequence[str],
    badge: str = "",
    share: float | None = None,
    largest_share: float = 1,
) -> Draft:
    """A row of a network: its name, what it is, how often, and its share of mult-adds, also as a bar.

    largest_share: the share at which the bar is full.
    """
    percent = "" if share is None else f"{100 * share:.1f} %"
    first = text_width(name, NAME, True) + (14 + text_width(badge, NAME, True) if badge else 0)
    last = text_width(lines[-1], SMALL) + (14 + text_width(percent, SMALL) if percent else 0)
    width = 2 * PAD + max(first, last, *(text_width(line, SMALL) for line in lines))
    deck = 6 if badge else 0
    height = 30 + 14 * len(lines) + deck

    def paint(area: Area) -> list[Part]:
        front = Area(area.left, area.top, area.right, area.bottom - deck)
        parts: list[Part] = []
        for step in (2, 1) if deck else ():
            behind = Area(area.left + 4 * step, front.top + 10, area.right - 4 * step, front.bottom + 3 * step)
            parts.append(Shape(behind, style))
        parts.append(Shape(front, style))
        parts.append(Text(front.left + PAD, front.top + 17, name, NAME, bold=True))
        if badge:
            parts.append(Text(front.right - PAD, front.top + 17, badge, NAME, bold=True, anchor="end"))
        for number, line in enumerate(lines, start=1):
            parts.append(Text(front.left + PAD, front.top + 17 + 14 * number, line, SMALL, tone="dim"))
        if percent:
            parts.append(Text(front.right - PAD, front.top + 17 + 14 * len(lines), percent, SMALL, anchor="end"))
        if share:
            length = max(1.0, (front.width - 2 * PAD) * share / largest_share)
            bar = Area(front.left + PAD, front.bottom - 8, front.left + PAD + length, front.bottom - 5)
            parts.append(Shape(bar, f"{style}.bar", radius=0))
        return parts

    return Draft(key, rows, kind, even(width), height, paint)


def wrapped(parts: Sequence[str], size: float, limit: float) -> list[str]:
    """Parts with commas between them, in lines of at largest_share `limit` pixels where a part is not longer itself."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]}, {part}"
        if text_width(longer + ",", size) <= limit:
            lines[-1] = longer
        else:
            lines[-1] += ","
            lines.append(part)
    return lines


def pill(key: str, title: str, below: str = "") -> Draft:
    """What a diagram begins with: the image, or the rows that a block reads."""
    width = 2 * PAD + 8 + max(text_width(title, TITLE, True), text_width(below, SMALL))
    height = 40 if below else 26

    def paint(area: Area) -> list[Part]:
        x, _ = area.center
        parts: list[Part] = [
            Shape(area, "plain", radius=height / 2),
            Text(x, area.top + 17, title, TITLE, bold=True, anchor="middle"),
        ]
        return [*parts, Text(x, area.top + 31, below, SMALL, anchor="middle", tone="dim")] if below else parts

    return Draft(key, (), "input", even(width), height, paint)


def layer(
    key: str, rows: tuple[str, ...], kind: str, style: str, title: str, name: str, tags: Sequence[str] = ()
) -> Draft:
    """A layer of a block: what it does, its name, and as tags what follows inside of it."""
    tag_widths = [text_width(tag, TAG) + 10 for tag in tags]
    below = text_width(name, SMALL) + (12 + sum(tag_widths) + TAG_GAP * (len(tags) - 1) if tags else 0)
    width = 2 * PAD + max(text_width(title, TITLE, True), below)

    def paint(area: Area) -> list[Part]:
        parts: list[Part] = [
            Shape(area, style),
            Text(area.left + PAD, area.top + 17, title, TITLE, bold=True),
            Text(area.left + PAD, area.top + 33, name, SMALL, tone="dim"),
        ]
        right = area.right - PAD
        for tag, wide in zip(reversed(tags), reversed(tag_widths), strict=True):
            box = Area(right - wide, area.top + 22, right, area.top + 22 + TAG_HEIGHT)
            parts.append(Shape(box, "tag", radius=TAG_HEIGHT / 2))
            parts.append(Text(box.center[0], box.top + 10.5, tag, TAG, anchor="middle"))
            right -= wide + TAG_GAP
        return parts

    return Draft(key, rows, kind, even(width), 42, paint)


def shuffle(key: str, rows: tuple[str, ...], kind: str, style: str, title: str, name: str, groups: int) -> Draft:
    """A channel shuffle, with the lines of the paper's figure 1: every group goes to every group."""
    plain = layer(key, rows, kind, style, title, name)
    shown = min(groups, len(GROUPS))
    per_group = shown if shown > 2 else 4

    def paint(area: Area) -> list[Part]:
        top, bottom = area.top + 40, area.bottom - 6
        places = [
            area.left + PAD + (area.width - 2 * PAD) * (n + 0.5) / (shown * per_group) for n in range(shown * per_group)
        ]
        lines = [
            Line(((places[g * per_group + i], top), (places[i * shown + g], bottom)), GROUPS[g], width=1.3)
            for g in range(shown)
            for i in range(per_group)
        ]
        return [*plain.paint(area), *lines]

    return Draft(key, rows, kind, plain.width, plain.height + STRIP, paint)


def circle(key: str, rows: tuple[str, ...], kind: str, style: str, sign: Literal["+", "x"], after: str = "") -> Draft:
    """A sum or a product; longer where an activation follows."""
    width = ROUND + (even(text_width(after, TAG) + 10) if after else 0)

    def paint(area: Area) -> list[Part]:
        x, y = area.left + ROUND / 2, area.center[1]
        d = 5.5 if sign == "+" else 4
        ends = (((x - d, y), (x + d, y)), ((x, y - d), (x, y + d)))
        if sign == "x":
            ends = (((x - d, y - d), (x + d, y + d)), ((x - d, y + d), (x + d, y - d)))
        parts: list[Part] = [Shape(area, style, radius=ROUND / 2), *(Line(e, "ink", width=1.8) for e in ends)]
        return [*parts, Text(area.left + ROUND - 1, y + 3.5, after, TAG)] if after else parts

    return Draft(key, rows, kind, width, ROUND, paint, form="circle")


def bar(key: str, rows: tuple[str, ...], kind: str, style: str, title: str) -> Draft:
    """What concatenates or splits channels: as wide as what it concatenates."""
    width = even(text_width(title, TITLE, True) + 2 * PAD)

    def paint(area: Area) -> list[Part]:
        x, y = area.center
        return [Shape(area, style, radius=3), Text(x, y + 4.3, title, TITLE, bold=True, anchor="middle")]

    return Draft(key, rows, kind, width, BAR, paint, form="bar")
