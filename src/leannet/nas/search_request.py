"""What a search is asked to do: a file that any number of workers share."""

from typing import Annotated, Any, Literal

from pydantic import Field

from leannet.microcontrollers import memory
from leannet.nas.begun import Begun, Timed, requested
from leannet.nas.rewards import LARGE, Reward
from leannet.nas.space import Space
from leannet.rows.fields import Flag, Size


class Request(Timed):
    """A search, as it was asked for."""

    space: Space
    """What is searched."""
    strategy: Literal["controller", "evolution", "random"] = "controller"
    """What proposes candidates."""
    evaluations: Size = 200
    """How many candidates are evaluated."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of what is drawn."""
    target: Annotated[float, Field(gt=0)]
    """What a network should take."""
    w: Annotated[float, Field(lt=0)] = LARGE
    """How much what it takes counts, against its accuracy: -0.07, or -0.15 for small networks."""
    hard: Flag = False
    """Whether only what takes more than the target loses, and much."""
    sram: str | None = None
    """The most working memory as 8-bit integers in TensorFlow Lite Micro."""
    flash: str | None = None
    """The largest file of those."""
    evaluate: Literal["supernet", "training"] = "supernet"
    """How candidates are evaluated: by weights that all share, or each by a short training."""
    rule: Literal["sandwich", "uniform"] = "sandwich"
    """How shared weights are trained."""
    short_epochs: Size = 1
    """Of each candidate, where it is trained."""
    images: Annotated[int, Field(strict=True, ge=2)] = 1024
    """Training images for batch norm's statistics of a candidate."""
    validation: Annotated[int, Field(strict=True, ge=2)] = 2000
    """Validation images that evaluate a candidate, at most."""
    device: str | None = None
    """The processor whose table it is, where that is not this machine's."""

    @property
    def reward(self) -> Reward:
        """What a candidate is worth."""
        return Reward.hard(self.target) if self.hard else Reward.soft(self.target, self.w)

    @property
    def memory(self) -> tuple[int | None, int | None]:
        """The most working memory and the largest file, in bytes."""
        sram = None if self.sram is None else memory(self.sram, "--sram")
        return sram, None if self.flash is None else memory(self.flash, "--flash")

    @classmethod
    def make(cls, **values: Any) -> "Request":
        """A request. Raises LeannetError for fields that are impossible."""
        request = requested(cls, "search", values)
        _ = request.memory  # raises for what is none
        if request.quantity == "latency_ms" and request.device is None:
            request.timing.check()
        return request


class Search(Begun):
    """A search that has begun. settings: of the training of the shared weights, or of each candidate."""

    file = "search.json"
    words = "a search"

    request: Request
    """What was asked for."""
