"""WHAT, as the command line takes it: a zoo name, an architecture file, a run, or a checkpoint. No torch."""

from pathlib import Path

from leannet.errors import LeannetError, nearest
from leannet.header import read_header
from leannet.rows import Architecture
from leannet.zoo import FAMILIES, architecture


def resolve(
    what: str,
    width: float = 1.0,
    resolution: int | None = None,
    classes: int | None = None,
    in_channels: int | None = None,
) -> Architecture:
    """The architecture that a word means; the options change it. Raises LeannetError where it means none."""
    if what in FAMILIES:
        return architecture(what, width, resolution, classes, 3 if in_channels is None else in_channels)
    path = Path(what)
    if path.suffix == ".json" and path.exists():
        found = Architecture.load(path)
    elif path.exists():
        found = read_header(path).architecture
    elif path.suffix:
        raise LeannetError(f"{what}: no such file; expected a zoo name, an architecture JSON, a run or a checkpoint")
    else:
        raise LeannetError(
            f"no network is named '{what}', and there is no such file or run; "
            f"nearest: {nearest(what, FAMILIES)}; all: leannet models"
        )
    if width != 1.0:
        raise LeannetError(f"{what}: its rows have their widths; a width multiplier is for zoo names")
    if resolution is not None:
        found = found.with_input(resolution, resolution, in_channels)
    elif in_channels is not None:
        found = found.with_input(found.input.height, found.input.width, in_channels)
    return found if classes is None else found.with_classes(classes)
