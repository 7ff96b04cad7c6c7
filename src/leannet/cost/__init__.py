"""What a network costs, from its rows alone. No torch."""

from leannet.cost.conventions import CONVENTIONS, as_counted_by
from leannet.cost.counting import CONVENTION, Count, Group, LayerCount, count
from leannet.cost.graph import Graph, RowGraph, graph, lifetimes

__all__ = [
    "CONVENTION",
    "CONVENTIONS",
    "Count",
    "Graph",
    "Group",
    "LayerCount",
    "RowGraph",
    "as_counted_by",
    "count",
    "graph",
    "lifetimes",
]
