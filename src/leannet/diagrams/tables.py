"""A diagram as data: JSON with every box and edge, CSV with a line a box."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from leannet.diagrams.scene import Box, Diagram, Frame, Panel

COLUMNS = (
    "panel", "box", "rows", "kind", "x", "y", "width", "height", "repeats",
    "out_channels", "out_height", "out_width", "params", "macs", "share_of_macs", "receptive_field",
)  # fmt: skip


def to_dict(diagram: Diagram) -> dict[str, Any]:
    """As plain data, for JSON. Coordinates are pixels from the upper left corner; shapes are (C, H, W)."""
    return {
        "title": diagram.title,
        "width": diagram.width,
        "height": diagram.height,
        "panels": [
            {
                "name": panel.name,
                "boxes": [_box(box) for box in panel.boxes],
                "frames": [_box(frame) for frame in panel.frames],
                "edges": [
                    {"source": edge.source, "target": edge.target, "points": [list(p) for p in edge.line.points]}
                    for edge in panel.edges
                ],
            }
            for panel in diagram.panels
        ],
    }


def _box(box: Box | Frame) -> dict[str, Any]:
    area = box.area
    return {
        "box": box.key,
        "rows": list(box.rows),
        "kind": box.kind,
        "x": area.left,
        "y": area.top,
        "width": area.width,
        "height": area.height,
        **box.cost,
    }


def to_csv(diagram: Diagram) -> str:
    """A line a box, and a line a frame."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(line for panel in diagram.panels for line in _lines(panel))
    return text.getvalue()


def _lines(panel: Panel) -> Iterator[dict[str, Any]]:
    boxes: list[Box | Frame] = [*panel.boxes, *panel.frames]
    for box in boxes:
        line = _box(box) | {"panel": panel.name, "rows": " ".join(box.rows)}
        channels, height, width = line.get("out_shape", ("", "", ""))
        line |= {"out_channels": channels, "out_height": height, "out_width": width}
        yield {column: line.get(column, "") for column in COLUMNS}
