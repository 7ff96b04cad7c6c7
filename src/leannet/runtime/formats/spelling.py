"""What the formats share: what is missing from a table from operation to spelling is said before any work."""

from collections.abc import Callable, Container

from leannet.errors import LeannetError
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import Operation


def check(
    operations: Operations,
    table: Container[type[Operation]],
    format_name: str,
    refusal: Callable[[Operation, Operations], str | None] = lambda step, operations: None,
) -> None:
    """Raises LeannetError, naming the row, for an operation that a format lacks.

    refusal: why a format lacks some forms of an operation that it has; None: it does not.
    """
    for step in operations:
        missing = None if type(step) in table else f"{format_name} has no operation {type(step).__name__}"
        if (why := missing or refusal(step, operations)) is not None:
            raise LeannetError(f"row '{step.layer}': {why}")
