"""What images cost a network with gates: which decisions each took, and the mult-adds that it ran."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.cost.skipping import SkippingCost

Decisions = dict[str, NDArray[np.int8]]  # for each row that decides 1, 0, or -1 where it was not asked, of each image


@dataclass(frozen=True)
class ImageCosts:
    """Mult-adds of images, the gates' own included.

    macs: of each. total: of all rows. rates: for each row that decides the share of the images that it was asked for
    and said 1 of; None: it was asked for none.
    """

    macs: NDArray[np.int64]
    total: int
    rates: dict[str, float | None]

    @property
    def mean(self) -> float:
        """Of an image, expected over these."""
        return float(self.macs.mean())

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON: the distribution by its tenths."""
        tenths = np.percentile(self.macs, range(0, 101, 10)).tolist()
        fields = {key: value for key, value in asdict(self).items() if key != "macs"}
        return {"mean_macs": self.mean, "share": self.mean / self.total, "macs_by_tenths": tenths, **fields}


def image_costs(cost: SkippingCost, decisions: Decisions) -> ImageCosts:
    """What images cost that decided so."""
    names = cost.decisions
    taken = np.stack([decisions[name] for name in names], axis=1)
    ways, of_image = np.unique(taken, axis=0, return_inverse=True)  # images often go the same way
    macs = np.array([cost.of({name: bool(way == 1) for name, way in zip(names, each, strict=True)}) for each in ways])
    rates = {name: _rate(decisions[name]) for name in names}
    return ImageCosts(macs[of_image.reshape(-1)], cost.total, rates)


def _rate(decisions: NDArray[np.int8]) -> float | None:
    asked = decisions[decisions >= 0]
    return float(asked.mean()) if len(asked) else None
