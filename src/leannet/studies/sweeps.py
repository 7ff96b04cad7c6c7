"""Networks at several widths and resolutions, with published accuracies: Tables 6 and 7 of MobileNetV1.

Howard et al., arXiv 1704.04861, sections 3.3 and 3.4. No torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leannet.cost import Count, count, graph
from leannet.cost.published import Published, find_all
from leannet.errors import LeannetError
from leannet.rows import Architecture
from leannet.what import parse, resolve


@dataclass(frozen=True)
class SweepPoint:
    """One network at one width and resolution. published: with the source of each figure."""

    what: str  # "mobilenet_v1:0.75@192"
    name: str
    width: float
    architecture: Architecture
    cost: Count
    peak_activation_bytes: int
    published: tuple[tuple[Published, str], ...]

    @property
    def resolution(self) -> int:
        """Height of the image in pixels."""
        return self.architecture.input.height

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON. Published mult-adds and parameters are in millions, as they are printed."""
        return {
            "what": self.what,
            "name": self.name,
            "width": self.width,
            "resolution": self.resolution,
            "classes": self.architecture.classes,
            "params": self.cost.params,
            "macs": self.cost.macs,
            "weight_bytes": self.cost.weight_bytes,
            "peak_activation_bytes": self.peak_activation_bytes,
            "published": [
                {
                    "accuracy": round(figures.top1 / 100, 6),
                    "macs_millions": figures.macs_m,
                    "params_millions": figures.params_m,
                    "source": source,
                }
                for figures, source in self.published
            ],
        }


@dataclass(frozen=True)
class Sweep:
    """Several networks, in the order in which they were named."""

    points: tuple[SweepPoint, ...]

    @property
    def sources(self) -> list[str]:
        """Where the published figures are from, each source once."""
        return list(dict.fromkeys(source for point in self.points for _, source in point.published))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"networks": [point.to_dict() for point in self.points]}


def sweep(
    what: Sequence[str],
    widths: Sequence[float] = (1.0,),
    resolutions: Sequence[int | None] = (None,),
    classes: int | None = None,
    in_channels: int | None = None,
) -> Sweep:
    """Counts every network at every width and resolution, widths outside; equal ones once.

    what: words such as "mobilenet_v1" or "mobilenet_v2:0.5@160"; what a word says itself is not varied.
    resolutions: None is the network's own.
    Raises LeannetError for a word that means no network, and a resolution that one cannot take.
    """
    points: dict[tuple[str, float, int], SweepPoint] = {}
    for word in what:
        pieces = parse(word)
        for width in widths if pieces.width is None else (pieces.width,):
            for resolution in resolutions if pieces.resolution is None else (pieces.resolution,):
                point = _point(pieces.name, width, resolution, classes, in_channels)
                points.setdefault((pieces.name, width, point.resolution), point)
    if not points:
        raise LeannetError("sweep: expected a network, a width and a resolution at least, found none")
    return Sweep(tuple(points.values()))


def _point(name: str, width: float, resolution: int | None, classes: int | None, in_channels: int | None) -> SweepPoint:
    architecture = resolve(name, width, resolution, classes, in_channels)
    pixels = architecture.input.height
    is_published = classes is None and in_channels is None
    return SweepPoint(
        what=f"{name}:{width:g}@{pixels}" if parse(name).in_zoo else f"{name}@{pixels}",
        name=name,
        width=width,
        architecture=architecture,
        cost=count(architecture),
        peak_activation_bytes=graph(architecture).peak_activation_bytes,
        published=tuple(find_all(name, width, pixels)) if is_published else (),
    )
