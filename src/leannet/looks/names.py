"""Long names, cut where they tell the least, and names that say nothing."""

from collections.abc import Iterable

from leannet.errors import LeannetError


def short(name: str, most: int = 32) -> str:
    """At most so many letters: the beginning and the end, which tell names apart, about an ellipsis."""
    if len(name) <= most:
        return name
    tail = max(1, most // 2)
    return f"{name[: max(0, most - 1 - tail)]}…{name[-tail:]}"


def check_layer(layer: str | Iterable[str] | None) -> None:
    """Raises LeannetError for a layer without a name, which would be taken for none given."""
    if "" in ([layer] if isinstance(layer, str) else list(layer or ())):
        raise LeannetError("--layer '': expected a row or a layer, as leannet count RUN lists them")
