"""The layer that a detector ends in: from maps of classes and boxes to the objects that are most likely there.

As the other kinds, nothing here needs torch.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from leannet.rows.base import LayerBase
from leannet.rows.fields import RowError, Shape

SIDES = 4  # of a box: how far its left, top, right and bottom are from a point
VALUES = 6  # of an object: left, top, right, bottom, score, class
# What is taken off a logit for each place before it, so that equal ones have one order in every engine: a step of
# float32 between 8 and 16.
TIE = 2.0**-19


class TopBoxes(LayerBase):
    """The most likely objects: boxes, scores and classes.

    The places whose likeliest class has the largest logits, and of all their classes the largest: what non-maximum
    suppression would leave out was never learned (OneNet, arXiv 2012.05780, section 3.3). It reads the classes and the
    boxes of each level in turn: (K, H, W) logits, and (4, H, W) how far left, top, right and bottom are from the middle
    of the place.

    (K, H, W), (4, H, W), ... -> (6, most, 1): left, top, right, bottom in pixels, score, number of the class.
    """

    kind: Literal["top_boxes"] = "top_boxes"
    strides: tuple[int, ...]
    """Of each level, pixels of the image from one place to the next."""
    unit: Literal["stride", "pixel"] = "stride"
    """What 1 of a map of boxes is: a level's stride, or a pixel of the image."""
    most: Annotated[int, Field(strict=True, ge=1)] = 100
    """How many objects an image has at most."""
    arity = None

    def out_shape(self, *shapes: Shape) -> Shape:
        if not self.strides or len(shapes) != 2 * len(self.strides):
            raise RowError(
                "strides", f"expected one for each pair of inputs, found {len(self.strides)} for {len(shapes)} inputs"
            )
        if min(self.strides) < 1:
            raise RowError("strides", f"expected pixels, 1 or more, found {min(self.strides)}")
        for classes, boxes in zip(shapes[::2], shapes[1::2], strict=True):
            if boxes != Shape(SIDES, *classes[1:]) or classes.channels != shapes[0].channels:
                raise RowError(
                    "inputs",
                    f"expected maps of {shapes[0].channels} classes, each with one of {SIDES} channels of its size, "
                    f"found {classes} and {boxes}",
                )
        return Shape(VALUES, self.numbers(shapes)[1], 1)

    def numbers(self, shapes: Sequence[Shape]) -> tuple[int, int]:
        """How many places are taken, and how many objects of all their classes. No place but these can have one of the
        `most` likely: so many have a likelier one."""
        places = min(self.most, sum(shape.height * shape.width for shape in shapes[::2]))
        return places, min(self.most, shapes[0].channels * places)
