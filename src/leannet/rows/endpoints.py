"""What an architecture reads and gives: its image, and its outputs with their roles."""

from typing import Any, Literal

from leannet.rows.fields import Documented, Name, Shape, Size, Width

Role = Literal["auxiliary", "features", "decision", "class_map", "box_map"]


class Input(Documented):
    """The image that an architecture reads: (channels, height, width)."""

    channels: Width = 3
    """Channels of the image: 3 for RGB, 1 for gray."""
    height: Size = 224
    """Height in pixels."""
    width: Size = 224
    """Width in pixels."""

    @property
    def shape(self) -> Shape:
        return Shape(self.channels, self.height, self.width)


class Output(Documented):
    """An output of a network. In JSON the name of its row alone, where it has no role."""

    row: Name
    """The row that makes it."""
    role: Role | None = None
    """auxiliary: a head that helps to train what is before it, with a loss of 0.3 of the first output's, and is left
    out otherwise (GoogLeNet, section 5); features: a feature map that a teacher's is compared with, left out otherwise;
    decision: what a gate scores or decides, which it learns from, left out otherwise; class_map and box_map: what
    boxes are found in, which a detector learns from, level after level, left out otherwise; null: it is what the
    network is for.
    """


def read_output(value: Any) -> Any:
    """An output as JSON has it: the name of its row alone, or an object."""
    return {"row": value} if isinstance(value, str) else value
