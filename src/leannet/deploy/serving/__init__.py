"""`serve`: an artefact, or a site made of one, over HTTP on this machine. ONNX Runtime runs it; no torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {"Limits": "limits", "serve": "running"}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"leannet.deploy.serving.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'leannet.deploy.serving' has no attribute '{name}'")


if TYPE_CHECKING:
    from leannet.deploy.serving.limits import Limits as Limits
    from leannet.deploy.serving.running import serve as serve
