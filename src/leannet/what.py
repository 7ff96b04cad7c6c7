"""WHAT, as the command line takes it: a zoo name, an architecture file, a run, or a checkpoint. No torch.

A width and a resolution may follow, as in `mobilenet_v2:0.5@160`, `mobilenet_v1@192` or `runs/a@128`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from leannet.errors import LeannetError, nearest
from leannet.header import read_header
from leannet.rows import Architecture
from leannet.zoo import FAMILIES, architecture
from leannet.zoo.registry import file_here

NUMBER, DIGITS = r"-?[0-9]*\.?[0-9]+", r"-?[0-9]+"
PATTERN = re.compile(r"(.+?)(?::([^:@]*))?(?:@([^:@]*))?")  # name, width, resolution


@dataclass(frozen=True)
class Word:
    """A WHAT in its pieces: `mobilenet_v2:0.5@160` is ("mobilenet_v2", 0.5, 160). None: not said."""

    name: str
    width: float | None = None
    resolution: int | None = None

    @property
    def in_zoo(self) -> bool:
        """Whether the name is one of the zoo's."""
        return self.name in FAMILIES


def parse(what: str) -> Word:
    """Splits a WHAT into name, width and resolution. What is a file or folder as it stands is a name alone.

    Raises LeannetError where no number follows a colon, or no whole number an @.
    """
    if what in FAMILIES or Path(what).exists():
        return Word(what)
    pieces = PATTERN.fullmatch(what)
    if pieces is None:
        return Word(what)
    name, width, resolution = pieces.groups()
    family = re.split("[:@]", what)[0]
    if (width is None and resolution is None) or not (name in FAMILIES or Path(name).exists() or family in FAMILIES):
        return Word(what)
    expected = f"{what}: expected NAME:WIDTH@RESOLUTION, as mobilenet_v2:0.5@160, mobilenet_v2:0.5 or mobilenet_v2@160"
    if name != family and family in FAMILIES:
        raise LeannetError(expected)
    if width is not None and not re.fullmatch(NUMBER, width):
        raise LeannetError(f"{expected}, found the width '{width}'")
    if resolution is not None and not re.fullmatch(DIGITS, resolution):
        raise LeannetError(f"{expected}, found the resolution '{resolution}'")
    return Word(name, None if width is None else float(width), None if resolution is None else int(resolution))


def parse_widths(text: str) -> list[float]:
    """Width multipliers from "1,0.75,0.5". Raises LeannetError for what is no such list."""
    return [float(number) for number in _numbers("--width", text, NUMBER, "1,0.75,0.5")]


def parse_resolutions(text: str | None) -> list[int | None]:
    """Resolutions in pixels from "224,192"; None is the network's own. Raises LeannetError for what is no such list."""
    return [None] if text is None else [int(number) for number in _numbers("--resolution", text, DIGITS, "224,192")]


def _numbers(flag: str, text: str, pattern: str, example: str) -> list[str]:
    numbers = [number.strip() for number in text.split(",")]
    for number in numbers:
        if not re.fullmatch(pattern, number):
            raise LeannetError(f"{flag}: expected numbers with commas between, as {example}, found '{text}'")
    return numbers


def resolve(
    what: str,
    width: float = 1.0,
    resolution: int | None = None,
    classes: int | None = None,
    in_channels: int | None = None,
) -> Architecture:
    """The architecture that a word means; the options change it. Raises LeannetError where it means none.

    width, resolution: where the word itself says none.
    """
    word = parse(what)
    width = width if word.width is None else word.width
    resolution = resolution if word.resolution is None else word.resolution
    if word.in_zoo:
        return architecture(word.name, width, resolution, classes, 3 if in_channels is None else in_channels)
    path = Path(word.name)
    if path.suffix == ".json" and path.exists():
        result = Architecture.load(path)
    elif path.exists():
        result = read_header(path).architecture
    elif path.suffix and not re.search("[:@]", path.suffix):
        raise LeannetError(f"{what}: no such file; expected a zoo name, an architecture JSON, a run or a checkpoint")
    else:
        raise LeannetError(
            f"no network is named '{what}', and there is no such file or run{file_here(word.name)}; "
            f"nearest: {nearest(re.split('[:@]', what)[0], FAMILIES)}; all: leannet models"
        )
    if width != 1.0:
        raise LeannetError(f"{what}: its rows have their widths; a width multiplier is for zoo names")
    if resolution is not None:
        result = result.with_input(resolution, resolution, in_channels)
    elif in_channels is not None:
        result = result.with_input(result.input.height, result.input.width, in_channels)
    return result if classes is None else result.with_classes(classes)
