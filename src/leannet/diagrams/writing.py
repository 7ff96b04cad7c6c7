"""Diagrams as files: SVG, PNG, PDF, CSV."""

from pathlib import Path

from leannet.diagrams.scene import Diagram
from leannet.diagrams.svg import to_svg
from leannet.diagrams.tables import to_csv
from leannet.errors import LeannetError
from leannet.files import write_whole

ENDINGS = (".svg", ".png", ".pdf", ".csv")


def check_name(path: str | Path) -> None:
    """Raises LeannetError, before any work, where no diagram can be written under that name."""
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise LeannetError(f"{path}: expected a name ending in {', '.join(ENDINGS)}, or - for SVG on standard output")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise LeannetError(f"{path}: expected a file name in a folder that exists")


def write(diagram: Diagram, path: str | Path) -> None:
    """Writes a diagram by the name's ending: a figure, or as .csv its boxes. Raises LeannetError where it cannot."""
    path = Path(path)
    check_name(path)
    if path.suffix == ".svg":
        write_whole(path, to_svg(diagram).encode())
    elif path.suffix == ".csv":
        write_whole(path, to_csv(diagram).encode())
    else:
        from leannet.diagrams.figure import write_diagram

        write_diagram(diagram, path)
