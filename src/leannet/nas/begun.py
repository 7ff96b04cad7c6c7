"""What the requests of adaptations and of searches have in common, and the file by which workers agree on one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import ValidationError

from leannet.errors import LeannetError
from leannet.files import write_whole
from leannet.rows import first_error
from leannet.rows.fields import Documented, Size
from leannet.shrink.timing import Timing

Quantity = Literal["latency_ms", "macs", "params"]


class Timed(Documented):
    """A request that is about what networks take."""

    quantity: Quantity = "latency_ms"
    """What is short."""
    engine: str = "onnxruntime"
    """In which milliseconds are measured."""
    precision: str = "float32"
    """Of the network that is timed."""
    threads: Size = 1
    """Of that engine."""
    table: str | None = None
    """A latency table to begin with; of a search it covers the space."""

    @property
    def timing(self) -> Timing:
        """Where milliseconds are measured."""
        return Timing(self.engine, self.precision, self.threads)


AnyTimed = TypeVar("AnyTimed", bound=Timed)


def requested(kind: type[AnyTimed], verb: str, values: Mapping[str, Any]) -> AnyTimed:
    """A request of these fields; those that are None are as by default. Raises LeannetError for impossible ones."""
    try:
        request = kind.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise LeannetError(f"{verb}: {first_error(error)}") from None
    request.timing.check_names()
    return request


class Begun(Documented):
    """What has begun in a folder: what its workers have to agree on."""

    file: ClassVar[str]  # its name in the folder
    words: ClassVar[str]  # for a person

    format_version: Literal[1] = 1
    """Version of the JSON."""
    settings: dict[str, Any]
    """Of the training."""
    storage: str | None
    """Of the study; null: a file of SQLite in the folder."""
    study: str
    """Its name there, which no other has."""
    command: str | None = None
    """What it was begun with."""

    def save(self, folder: Path) -> None:
        """Writes it into the folder."""
        write_whole(folder / self.file, (json.dumps(self.model_dump(mode="json"), indent=1) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From the folder. Raises LeannetError where there is none."""
        file = folder / cls.file
        if not file.exists():
            raise LeannetError(f"{folder}: expected the folder of {cls.words} ({cls.file}), found none")
        try:
            return cls.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise LeannetError(f"{file}: {first_error(error)}") from None
