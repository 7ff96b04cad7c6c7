"""What a network costs, from its rows alone. No torch."""

from leannet.cost.counting import CONVENTION, By, Count, Group, LayerCount, count

__all__ = ["CONVENTION", "By", "Count", "Group", "LayerCount", "count"]
