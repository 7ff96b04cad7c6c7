"""The packages of engines: loaded when they are needed, and told to report nothing."""

from importlib import import_module
from typing import Any

from leannet.errors import LeannetError
from leannet.runtime import sessions  # noqa: F401  (it tells them)


def package(name: str) -> Any:
    """An engine's package. Raises LeannetError where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        extra = "litert" if name == "ai_edge_litert" else "deploy"
        raise LeannetError(f"this needs the package {name}: pip install 'leannet[{extra}]'") from None
