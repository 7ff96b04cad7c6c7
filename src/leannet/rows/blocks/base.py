"""What every block has. A new one is a class in a file of its own family, named in this folder's __init__.py."""

import abc
from collections.abc import Sequence

from leannet.rows.fields import Shape
from leannet.rows.layers import RowBase


class BlockBase(RowBase):
    """A row with rows inside."""

    @abc.abstractmethod
    def inside(self, *shapes: Shape) -> Sequence[RowBase]:
        """The rows this block stands for, given the shapes it reads; the last one is its output.

        They call the block's own input "input", and a second one "input_2". Raises RowError where the block cannot be,
        naming the field.
        """
