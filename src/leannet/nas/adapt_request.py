"""What an adaptation is asked to do, and where it stands: files that any number of workers share."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.nas.reductions import Reductions
from leannet.nas.requests import BegunStudy, Timed, requested
from leannet.rows.fields import Frozen, Size
from leannet.shrink.budgets import check_budgets

# A folder, and in one of each step; timed.json where a budget seemed to be met.
STEPS, OFFER, CHOSEN, TIMED = "steps", "offer.json", "chosen.json", "timed.json"


class Request(Timed):
    """An adaptation, as it was asked for."""

    run: str
    """The checkpoint of the network that is adapted; the folder of the adaptation has a copy."""
    budget: str = "60%"
    """What it may take then: a share of what it takes now, or a number with its unit."""
    reduction: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """The share of what the original takes that the first step takes away."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.98
    """By which every further step multiplies that; 1: always the same (MobileNetV3)."""
    steps: Size | None = None
    """The most steps."""
    select: Literal["accuracy", "ratio"] = "accuracy"
    """Which proposal wins a step: the most accurate (NetAdapt), or the one that loses least accuracy for what it takes
    away (MobileNetV3)."""
    short_steps: Size = 100
    """Training steps of a proposal."""
    short_rate: Annotated[float, Field(gt=0)] = 0.1
    """Their learning rate over that of the training that follows."""
    proposals: Size | None = None
    """The most proposals of a step, those first that keep most of a width; all where it is not said."""
    rows: tuple[str, ...] = ()
    """Rows or layers that may become narrower; empty: all."""
    keep: tuple[str, ...] = ()
    """Rows or layers that stay as wide as they are."""
    round_to: Size = 8
    """Widths become multiples of it."""
    least: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The share of its channels that every layer keeps."""

    @property
    def reductions(self) -> Reductions:
        """What steps take away."""
        return Reductions(self.reduction, self.decay)

    @classmethod
    def make(cls, **values: Any) -> "Request":
        """A request. Raises LeannetError for fields that are impossible."""
        request = requested(cls, "adapt", values)
        check_budgets({request.quantity: request.budget})
        if request.quantity == "latency_ms":
            request.timing.check()
        elif request.table is not None:
            raise LeannetError("--latency-table: expected a budget of milliseconds (--latency)")
        return request


class Adaptation(BegunStudy):
    """An adaptation that has begun."""

    file = "adapt.json"
    words = "an adaptation"

    request: Request
    """What was asked for."""
    weights: str
    """The SHA-256 of the checkpoint."""
    accuracy: float
    """Of the original, on the validation images."""
    before: float
    """What the original takes."""
    most: float
    """What the result may take."""


class Offered(Frozen):
    """A proposal of a step, as workers read it. cost: what the network would take. removed: groups of channels."""

    key: str
    row: str
    before: int
    after: int
    cost: float
    removed: tuple[int, ...]


class Offer(Frozen):
    """A step: what it starts from, what it has to reach, and its proposals."""

    step: int
    cost: float
    accuracy: float
    target: float
    proposals: tuple[Offered, ...]

    def save(self, file: Path) -> None:
        """Writes it, whole or not at all."""
        write_whole(file, self.model_dump_json(indent=1).encode())

    @classmethod
    def load(cls, file: Path) -> "Offer":
        """From its file."""
        return cls.model_validate_json(file.read_bytes())


class Chosen(Frozen):
    """The proposal that won a step, and what all of them reached: accuracies by key."""

    step: int
    key: str
    row: str
    before: int
    after: int
    cost: float
    accuracy: float
    accuracies: dict[str, float]

    def save(self, file: Path) -> None:
        """Writes it, whole or not at all."""
        write_whole(file, self.model_dump_json(indent=1).encode())

    @classmethod
    def load(cls, file: Path) -> "Chosen":
        """From its file."""
        return cls.model_validate_json(file.read_bytes())


def winner(offer: Offer, accuracies: dict[str, float], select: Literal["accuracy", "ratio"]) -> Chosen:
    """The proposal that wins; of equal ones the cheapest, then the first by name, so that all workers agree.

    accuracy: the highest (Yang et al., arXiv 1804.03230, algorithm 1). ratio: the largest change of accuracy over what
    the change takes away (Howard et al., arXiv 1905.02244, section 5.2).
    """

    def worth(each: Offered) -> tuple[float, float, str]:
        accuracy = accuracies[each.key]
        if select == "ratio":
            accuracy = (accuracy - offer.accuracy) / (offer.cost - each.cost)
        return -accuracy, each.cost, each.key

    best = min(offer.proposals, key=worth)
    return Chosen(
        step=offer.step,
        key=best.key,
        row=best.row,
        before=best.before,
        after=best.after,
        cost=best.cost,
        accuracy=accuracies[best.key],
        accuracies=accuracies,
    )
