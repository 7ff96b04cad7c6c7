"""Architectures as pictures, from their rows alone. No torch."""

from leannet.drawings.drawing import draw, typical_unit
from leannet.drawings.scene import Drawing
from leannet.drawings.svg import to_svg
from leannet.drawings.tables import to_csv, to_dict
from leannet.drawings.writing import check_name, write

__all__ = ["Drawing", "check_name", "draw", "to_csv", "to_dict", "to_svg", "typical_unit", "write"]
