"""What a search is asked to do: a file that any number of workers share."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from leannet.errors import LeannetError
from leannet.microcontrollers import Target, fit, memory
from leannet.nas.kept import Kept
from leannet.nas.requests import BegunStudy, Timed, requested
from leannet.nas.rewards import LARGE, Reward
from leannet.nas.space import Space
from leannet.rows.fields import Flag, Size

DRAWN = 100  # networks, one of which should fit, where the smallest does not


class Request(Timed):
    """A search, as it was asked for."""

    space: Space | Kept
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
    def limits(self) -> Target | None:
        """The memory that there is; None: any."""
        if self.sram is None and self.flash is None:
            return None
        sram = None if self.sram is None else memory(self.sram, "--sram")
        return Target("", "", sram, None if self.flash is None else memory(self.flash, "--flash"))

    def check_memory(self) -> None:
        """Raises LeannetError where neither the smallest network of the space nor one of many others fits."""
        if (limits := self.limits) is None:
            return
        smallest = fit(self.space.architecture(self.space.smallest))
        draw = np.random.default_rng(self.seed)
        if not smallest.fits(limits) and not any(
            fit(self.space.architecture(self.space.random(draw))).fits(limits) for _ in range(DRAWN)
        ):
            asked = {"--sram": self.sram, "--flash": self.flash}
            within = " and ".join(f"{flag} {text}" for flag, text in asked.items() if text is not None)
            raise LeannetError(
                f"search: expected networks within {within}; the smallest of the space needs {smallest.sram:,} "
                f"bytes of memory and {smallest.flash:,} of flash: larger limits, or a smaller space"
            )

    @classmethod
    def make(cls, **values: Any) -> "Request":
        """A request. Raises LeannetError for fields that are impossible."""
        request = requested(cls, "search", values)
        _ = request.limits  # raises for what is none
        if request.device is not None and request.table is None:
            raise LeannetError(f"--device {request.device}: names whose latency table it is: expected --latency-table")
        if request.table is not None and request.quantity != "latency_ms":
            raise LeannetError("--latency-table: expected a target of milliseconds (--latency)")
        if request.quantity == "latency_ms" and request.device is None:
            request.timing.check()
        return request


class Search(BegunStudy):
    """A search that has begun. settings: of the training of the shared weights, or of each candidate."""

    file = "search.json"
    words = "a search"

    request: Request
    """What was asked for."""
