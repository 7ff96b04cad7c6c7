"""Rules on rows (`Architecture.rewrite`) that more than one part of the library asks for."""

from collections.abc import Sequence

from leannet.rows.base import RowBase
from leannet.rows.graph import Node


def one_sided(node: Node) -> Sequence[RowBase] | None:
    """Padding before a stride as TensorFlow's "same" rule has it: what is odd goes after, nothing before.

    Without a stride both rules are one for odd kernels.
    """
    row = node.row
    if getattr(row, "padding", None) != "symmetric" or getattr(row, "stride", 1) == 1:
        return None
    return [row.model_copy(update={"padding": "same"})]
