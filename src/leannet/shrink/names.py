"""Words that several verbs share. Nothing is imported here, so that the command line's help is quick."""

from collections.abc import Iterable
from typing import Literal

Criterion = Literal["taylor", "l1", "l2", "bn_scale", "geometric_median", "activation", "apoz", "random"]


def is_of(path: str, names: Iterable[str]) -> bool:
    """Whether a row or layer is one of these, or inside one."""
    return any(path == name or path.startswith(f"{name}.") for name in names)
