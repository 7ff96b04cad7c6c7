"""`serve`: an artifact, or a site made of one, over HTTP on this machine. ONNX Runtime runs it; no torch."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Limits": ".limits",
        "serve": ".running",
    },
)

if TYPE_CHECKING:
    from leannet.serving.limits import Limits as Limits
    from leannet.serving.running import serve as serve
