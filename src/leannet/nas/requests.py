"""What the requests of adaptations and of searches have in common, and the file by which workers agree on one."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from leannet.errors import LeannetError
from leannet.rows import first_error
from leannet.rows.fields import Documented, Size
from leannet.shrink.begun import Begun
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


class BegunStudy(Begun):
    """What has begun in a folder, with the study of its workers."""

    format_version: Literal[1] = 1
    """Version of the JSON."""
    storage: str | None
    """Of the study; null: a file of SQLite in the folder."""
    study: str
    """Its name there, which no other has."""
