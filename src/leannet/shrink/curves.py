"""What each row alone can lose, as it was measured: the curves that a pruning can be guided by. No torch."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.shrink.widths import Width


@dataclass(frozen=True)
class Curve:
    """What a row alone loses. groups: of channels that go together; accuracies, losses: at each ratio."""

    row: str
    channels: int
    groups: int
    first_group: int  # its number, by which rows that make several widths are told apart
    ratios: tuple[float, ...]
    accuracies: tuple[float, ...]
    losses: tuple[float, ...]

    def price(self, loss: float) -> NDArray[np.float64]:
        """The rise of the loss when 0, 1, 2, ... of its groups are gone, never falling. loss: of the whole network."""
        at = np.array([0.0, *(ratio * self.groups for ratio in self.ratios)])
        rises = np.maximum.accumulate(np.maximum(np.array([0.0, *(each - loss for each in self.losses)]), 0.0))
        slope = (rises[-1] - rises[-2]) / max(at[-1] - at[-2], 1e-9)
        whole = rises[-1] + 2 * slope * (self.groups - at[-1])  # beyond what was measured it rises faster
        return np.interp(np.arange(self.groups + 1), [*at, self.groups], [*rises, whole])


@dataclass(frozen=True)
class Sensitivity:
    """The curves of a network. accuracy, loss: of it whole, on the same training images, in evaluation mode."""

    network: str
    rows_digest: str
    criterion: str
    images: int
    accuracy: float
    loss: float
    curves: tuple[Curve, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)

    def save(self, path: str | Path) -> None:
        """Writes the file that a pruning takes."""
        write_whole(path, (json.dumps(self.to_dict(), indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: str | Path) -> "Sensitivity":
        """From a file. Raises LeannetError where there is none, or it is something else."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            columns: list[dict[str, Any]] = data.pop("curves")
            lists = (
                {name: tuple(value) for name, value in each.items() if isinstance(value, list)} for each in columns
            )
            curves = tuple(Curve(**(each | some)) for each, some in zip(columns, lists, strict=True))
            return cls(**data, curves=curves)
        except OSError as error:
            raise LeannetError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise LeannetError(
                f"{path}: expected what leannet sensitivity --out writes, found something else"
            ) from None


def key_of(width: Width) -> tuple[str, int]:
    """By which a width and its curve are known."""
    return width.row, int(width.groups[0])


def prices(curves: Sensitivity, of: Sequence[Width]) -> list[NDArray[np.float64] | None]:
    """For each width what the loss rises by when 0, 1, 2, ... of its groups are gone; None: not measured."""
    by_key = {(curve.row, curve.first_group): curve for curve in curves.curves}
    return [by_key[key_of(width)].price(curves.loss) if key_of(width) in by_key else None for width in of]
