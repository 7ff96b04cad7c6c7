"""Architectures as figures, from their rows alone. No torch."""

from leannet.diagrams.drawing import draw, typical_unit
from leannet.diagrams.scene import Diagram
from leannet.diagrams.svg import to_svg
from leannet.diagrams.tables import to_csv, to_dict
from leannet.diagrams.writing import check_name, write

__all__ = ["Diagram", "check_name", "draw", "to_csv", "to_dict", "to_svg", "typical_unit", "write"]
