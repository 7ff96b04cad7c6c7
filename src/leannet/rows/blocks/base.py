"""What every block has. One of leannet's own is a class in the file of its family, named in this folder's __init__.py.

A block from outside is registered (registry.py).
"""

import abc
from collections.abc import Sequence
from typing import ClassVar

from leannet.rows.fields import INPUT, Shape
from leannet.rows.layers import Choose, RowBase


class BlockBase(RowBase):
    """A row that stands for several rows: what a paper draws as one box."""

    folds_norms: ClassVar[bool] = False  # whether its authors' deployed networks have no normalization anywhere

    @abc.abstractmethod
    def expand(self, *shapes: Shape) -> Sequence[RowBase]:
        """The rows that this block stands for; the output of the last one is the block's output.

        shapes: (C, H, W) of each input of the block. The rows call the block's own input "input", and a second one
        "input_2". Raises RowError, which names the impossible field.
        """


class ResidualBase(BlockBase):
    """A block that images can skip: a second input, if there is one, is the decision whether it runs."""

    arity = (1, 2)

    @staticmethod
    def _gated(rows: Sequence[RowBase], shapes: Sequence[Shape], otherwise: str = INPUT) -> Sequence[RowBase]:
        """The block's rows, and the choice between the last one and the row `otherwise`, where there is a decision."""
        if len(shapes) == 1:
            return rows
        return [*rows, Choose(name="chosen", inputs=(rows[-1].name, otherwise, "input_2"))]
