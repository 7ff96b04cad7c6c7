"""What a network costs, from its rows alone. No torch."""

from leannet.cost.counting import CONVENTION, Count, Group, LayerCount, count

__all__ = ["CONVENTION", "Count", "Group", "LayerCount", "count"]
