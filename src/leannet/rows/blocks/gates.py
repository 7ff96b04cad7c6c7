"""The gates of SkipNet (Wang et al., arXiv 1711.09485, section 3.2), as its authors' code has them.

A gate reads the output of one block and scores whether the next one runs; a `decide` row makes a decision of the score,
and the next block reads it as its second input. The recurrent gate is three rows, of which the last two share their
weights over all gates: a summary of the map, a state that reads it and the state before, and the state's score.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from leannet.rows.blocks.base import BlockBase
from leannet.rows.fields import INPUT, Norm, RowError, Shape, Size
from leannet.rows.layers import (
    Activate,
    Add,
    Concat,
    Conv,
    GlobalPool,
    Linear,
    Multiply,
    Pool,
    RowBase,
    Slice,
    Softmax,
)

STATE = 10  # numbers of the hidden state in the paper, section 3.2


class FeedforwardGate(BlockBase):
    """The score of a feed-forward gate (SkipNet, figure 3).

    With two convolutions FFGate-I, behind a max pooling, for networks of up to a hundred layers; with one FFGate-II.
    Their mean is classified as skip or run, and the score is the probability of the second.

    (C, H, W) -> (1, 1, 1).
    """

    kind: Literal["feedforward_gate"] = "feedforward_gate"
    convolutions: Annotated[int, Field(strict=True, ge=1, le=2)] = 2
    """How many 3x3 convolutions: 2 (FFGate-I, with a max pooling before them) or 1 (FFGate-II)."""
    norm: Norm | None = Norm()
    """Normalization after each 3x3 convolution; null: none, and biases instead."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        channels = shapes[0].channels
        after = {"norm": self.norm, "bias": self.norm is None, "activation": "relu"}
        rows: list[RowBase] = []
        if self.convolutions == 2:
            rows += [
                Pool(name="halved", op="max", kernel=2, stride=2),
                Conv(name="conv_1", out_channels=channels, kernel=3, **after),
            ]
        last = f"conv_{self.convolutions}"
        return [
            *rows,
            Conv(name=last, out_channels=channels, kernel=3, stride=2, **after),
            GlobalPool(name="pool"),
            Conv(name="skip_or_run", out_channels=2, bias=True),
            Softmax(name="probabilities"),
            Slice(name="score", start=1, out_channels=1),
        ]


class GateSummary(BlockBase):
    """What a recurrent gate reads of a map: few numbers.

    The mean of each channel, and a 1x1 convolution with biases.

    (C, H, W) -> (size, 1, 1).
    """

    kind: Literal["gate_summary"] = "gate_summary"
    size: Size = STATE
    """How many numbers."""

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        return (GlobalPool(name="pool"), Conv(name="project", out_channels=self.size, bias=True))


class LstmCell(BlockBase):
    """A step of a long short-term memory (LSTM).

    Its gates stand in torch's order (input, forget, cell, output), with a bias for what is read and one for the hidden
    half of the state. Of the state the first half is hidden, the second the cell's.

    (C, H, W), (2 * size, 1, 1) -> (2 * size, 1, 1).
    """

    kind: Literal["lstm_cell"] = "lstm_cell"
    size: Size = STATE
    """Numbers of the hidden state, and as many of the cell's."""
    arity = 2

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        size = self.size
        if shapes[1] != Shape(2 * size, 1, 1):
            raise RowError("inputs", f"expected a state, {Shape(2 * size, 1, 1)}, as second input, found {shapes[1]}")
        rows: list[RowBase] = [
            Slice(name="hidden", inputs=("input_2",), start=0, out_channels=size),
            Slice(name="cell", inputs=("input_2",), start=size, out_channels=size),
            Linear(name="from_input", inputs=(INPUT,), out_channels=4 * size),
            Linear(name="from_hidden", inputs=("hidden",), out_channels=4 * size),
            Add(name="gates", inputs=("from_input", "from_hidden")),
        ]
        parts = ("input_gate", "forget_gate", "candidate", "output_gate")
        rows += [
            Slice(name=f"{part}_part", inputs=("gates",), start=number * size, out_channels=size)
            for number, part in enumerate(parts)
        ]
        rows += [
            Activate(name=part, inputs=(f"{part}_part",), activation="tanh" if part == "candidate" else "sigmoid")
            for part in parts
        ]
        return [
            *rows,
            Multiply(name="kept", inputs=("cell", "forget_gate")),
            Multiply(name="new", inputs=("candidate", "input_gate")),
            Add(name="next_cell", inputs=("kept", "new")),
            Activate(name="shown", activation="tanh"),
            Multiply(name="next_hidden", inputs=("shown", "output_gate")),
            Concat(name="state", inputs=("next_hidden", "next_cell")),
        ]


class GateScore(BlockBase):
    """The score of a recurrent gate, from its state.

    (2 * size, 1, 1) -> (1, 1, 1).
    """

    kind: Literal["gate_score"] = "gate_score"

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        (state,) = shapes
        if state.channels % 2:
            raise RowError("inputs", f"expected a state, hidden and the cell's, found {state}")
        return (
            Slice(name="hidden", start=0, out_channels=state.channels // 2),
            Linear(name="project", out_channels=1, activation="sigmoid"),
        )


class HighwayGate(BlockBase):
    """How much of a block is let through (Highway Networks).

    From the mean of each channel, one share for all of the map (Srivastava et al., arXiv 1505.00387, equation 3, has
    one for each value): a block that reads it mixes its output and its input, and never skips.

    (C, H, W) -> (1, 1, 1).
    """

    kind: Literal["highway_gate"] = "highway_gate"

    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        return (GlobalPool(name="pool"), Conv(name="transform", out_channels=1, bias=True, activation="sigmoid"))
