"""The zoo's register: a dict and a decorator."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from leannet.errors import LeannetError, nearest
from leannet.rows import Architecture
from leannet.zoo.foreign import Source

FamilyFunction = Callable[[float, int, int, int], Architecture]


@dataclass(frozen=True)
class Family:
    """A network by its name, at any width, resolution, number of classes and input channels."""

    name: str
    summary: str
    paper: str
    resolution: int  # the family's own
    classes: int
    rows: FamilyFunction  # (width, resolution, classes, in_channels) -> Architecture
    notes: tuple[str, ...] = ()  # what a reader of the paper's table should know
    sources: tuple[Source, ...] = ()  # the libraries whose weights load


FAMILIES: dict[str, Family] = {}


def family(
    name: str,
    summary: str,
    paper: str,
    resolution: int = 224,
    classes: int = 1000,
    notes: tuple[str, ...] = (),
    sources: tuple[Source, ...] = (),
) -> Callable[[FamilyFunction], FamilyFunction]:
    """Registers a function (width, resolution, classes, in_channels) -> Architecture under a name."""

    def register(function: FamilyFunction) -> FamilyFunction:
        if name in FAMILIES:
            raise KeyError(f"the zoo has a {name} already")
        FAMILIES[name] = Family(name, summary, paper, resolution, classes, function, notes, sources)
        return function

    return register


def models(pattern: str = "*") -> list[str]:
    """The zoo's names that match a pattern with wildcards, sorted. A word without wildcards matches anywhere."""
    wildcards = pattern if any(mark in pattern for mark in "*?[") else f"*{pattern}*"
    return sorted(name for name in FAMILIES if fnmatch(name, wildcards))


def find(name: str) -> Family:
    """The family of that name. Raises LeannetError with the three nearest names."""
    if name not in FAMILIES:
        raise LeannetError(
            f"no network is named '{name}'{file_here(name)}; nearest: {nearest(name, FAMILIES)}; all: leannet models"
        )
    return FAMILIES[name]


def file_here(name: str) -> str:
    """What to say of a name for which there is an architecture file; empty where there is none."""
    return f"; for the file here give {name}.json" if Path(f"{name}.json").is_file() else ""


def architecture(
    name: str,
    width: float = 1.0,
    resolution: int | None = None,
    classes: int | None = None,
    in_channels: int = 3,
) -> Architecture:
    """The rows of a zoo network.

    width: the family's own multiplier. resolution: height and width in pixels; None: the family's own.
    classes: None: the family's own (1000, or 10 for the 32-pixel forms).
    Raises LeannetError for an unknown name, and for a resolution the network cannot take, naming the smallest it can.
    """
    family = find(name)
    resolution = family.resolution if resolution is None else resolution
    classes = family.classes if classes is None else classes
    for option, value in (("classes", classes), ("resolution", resolution), ("in_channels", in_channels)):
        if value < 1:
            raise LeannetError(f"{option} must be 1 or more, found {value}")
    if not 0 < width <= 16:
        raise LeannetError(f"width must be above 0 and at most 16, found {width:g}")
    try:
        return family.rows(width, resolution, classes, in_channels)
    except ValueError as error:
        smallest = _smallest(family, width, resolution, in_channels)
        if smallest is None:
            raise
        cause = str(error).split("Value error, ")[-1].split(" [type=")[0]
        raise LeannetError(
            f"{name} cannot take {resolution} x {resolution} pixels: {cause}; the smallest it takes is {smallest}"
        ) from None


def _smallest(family: Family, width: float, above: int, in_channels: int) -> int | None:
    for resolution in range(above + 1, family.resolution + 1):
        try:
            family.rows(width, resolution, 2, in_channels)
        except ValueError:
            continue
        return resolution
    return None


def label(name: str, width: float) -> str:
    """How an architecture names itself: the family, and the width where it is not 1."""
    return name if width == 1 else f"{name}_{width:g}"
