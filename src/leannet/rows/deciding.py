"""The layers that networks decide with, image by image: scores, decisions, and the choice between two values.

What only one side of a choice needs is not computed for images of the other side, where the one who runs the rows can
leave it out (`rows.sides`). As the other kinds, nothing here needs torch.
"""

from typing import Annotated, Literal

from pydantic import Field

from leannet.rows.base import LayerBase
from leannet.rows.fields import RowError, Shape, Width

DECISION = Shape(1, 1, 1)


class Softmax(LayerBase):
    """Probabilities: softmax of a vector.

    (C, 1, 1) -> (C, 1, 1), whose sum is 1.
    """

    kind: Literal["softmax"] = "softmax"

    def out_shape(self, *shapes: Shape) -> Shape:
        if shapes[0][1:] != (1, 1):
            raise RowError("inputs", f"expected a vector, 1 x 1 x C, found {shapes[0]}")
        return shapes[0]


class Largest(LayerBase):
    """The largest value of a vector.

    Of probabilities the confidence, by which an early exit is taken.

    (C, 1, 1) -> (1, 1, 1).
    """

    kind: Literal["largest"] = "largest"

    def out_shape(self, *shapes: Shape) -> Shape:
        if shapes[0][1:] != (1, 1):
            raise RowError("inputs", f"expected a vector, 1 x 1 x C, found {shapes[0]}")
        return DECISION


class Zeros(LayerBase):
    """Zeros for each image: the state before the first.

    What the first cell of a recurrent gate reads as its state. Of its input only the number of images counts.

    (C, H, W) -> (out_channels, 1, 1).
    """

    kind: Literal["zeros"] = "zeros"
    out_channels: Width
    """How many zeros there are for each image."""

    def out_shape(self, *shapes: Shape) -> Shape:
        return Shape(self.out_channels, 1, 1)


class Decide(LayerBase):
    """A decision, 1 or 0: whether a score is above a threshold.

    In training the gradient of the decision is that of the score (straight through, as SkipNet's supervised
    pre-training, section 3.3), or the decision is the score itself, or it is drawn.

    (1, 1, 1) -> (1, 1, 1).
    """

    kind: Literal["decide"] = "decide"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The score above which the decision is 1."""
    training: Literal["hard", "soft", "drawn", "noisy", "off"] = "hard"
    """In training: hard (as otherwise, with the score's gradient), soft (the score itself), drawn (1 with the score as
    its probability, without a gradient, for REINFORCE), noisy (drawn, with the score's gradient), off (0: no image
    leaves at an exit).
    """

    def out_shape(self, *shapes: Shape) -> Shape:
        if shapes[0] != DECISION:
            raise RowError("inputs", f"expected a score, {DECISION}, found {shapes[0]}")
        return DECISION


class Choose(LayerBase):
    """One of two inputs, by a decision, image by image.

    The first where the third input is 1, the second where it is 0: y = d * first + (1 - d) * second, so that a share,
    as in training and in highway networks, mixes them. What only one of the two needs is not computed for images that
    take the other.

    (C, H, W), (C, H, W), (1, 1, 1) -> (C, H, W).
    """

    kind: Literal["choose"] = "choose"
    arity = 3

    def out_shape(self, *shapes: Shape) -> Shape:
        first, second, decision = shapes
        if first != second:
            raise RowError("inputs", f"expected a choice of two values of one shape, found {first} and {second}")
        if decision != DECISION:
            raise RowError("inputs", f"expected a decision, {DECISION}, as third input, found {decision}")
        return first
