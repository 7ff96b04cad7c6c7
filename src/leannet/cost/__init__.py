"""What a network costs, from its rows alone. No torch."""

from leannet.cost.counting import CONVENTION, Count, Group, LayerCount, count
from leannet.cost.graph import Shape, graph

__all__ = ["CONVENTION", "Count", "Group", "LayerCount", "Shape", "count", "graph"]
