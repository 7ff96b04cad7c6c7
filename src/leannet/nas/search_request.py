"""What a search is asked to do: a file that any number of workers share."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.microcontrollers import memory
from leannet.nas.adapt_request import Quantity
from leannet.nas.rewards import LARGE, Reward
from leannet.nas.space import Space
from leannet.rows import first_error
from leannet.rows.fields import Documented, Flag, Size
from leannet.shrink.timing import Timing

FILE = "search.json"


class Request(Documented):
    """A search, as it was asked for."""

    space: Space
    """What is searched."""
    strategy: Literal["controller", "evolution", "random"] = "controller"
    """What proposes candidates."""
    evaluations: Size = 200
    """How many candidates are evaluated."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of what is drawn."""
    quantity: Quantity = "latency_ms"
    """What the target is of."""
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
    engine: str = "onnxruntime"
    """In which milliseconds are measured."""
    precision: str = "float32"
    """Of the network that is timed."""
    threads: Size = 1
    """Of that engine."""
    table: str | None = None
    """A latency table that covers the space."""
    device: str | None = None
    """The processor whose table it is, where that is not this machine's."""

    @property
    def timing(self) -> Timing:
        """Where milliseconds are measured."""
        return Timing(self.engine, self.precision, self.threads)

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
        try:
            request = cls.model_validate({name: value for name, value in values.items() if value is not None})
        except ValidationError as error:
            raise LeannetError(f"search: {first_error(error)}") from None
        request.timing.check_names()
        _ = request.memory  # raises for what is none
        if request.quantity == "latency_ms" and request.device is None:
            request.timing.check()
        return request


class Search(Documented):
    """A search that has begun: what workers have to agree on."""

    format_version: Literal[1] = 1
    """Version of the JSON."""
    request: Request
    """What was asked for."""
    settings: dict[str, Any]
    """Of the training of the shared weights, or of each candidate."""
    storage: str | None
    """Of the study; null: a file of SQLite in the folder."""
    study: str
    """Its name there, which no other has."""
    command: str | None = None
    """What it was begun with."""

    def save(self, folder: Path) -> None:
        """Writes it into the folder."""
        write_whole(folder / FILE, (json.dumps(self.model_dump(mode="json"), indent=1) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> "Search":
        """From the folder. Raises LeannetError where there is none."""
        file = folder / FILE
        if not file.exists():
            raise LeannetError(f"{folder}: expected the folder of a search ({FILE}), found none")
        try:
            return cls.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise LeannetError(f"{file}: {first_error(error)}") from None
