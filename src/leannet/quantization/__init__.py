"""From float32 to 8-bit integers, and to whatever form runs fastest here, at no more than a chosen loss."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "export_fastest": ".fastest",
        "quantize": ".quantizing",
    },
)

if TYPE_CHECKING:
    from leannet.quantization.fastest import export_fastest as export_fastest
    from leannet.quantization.quantizing import quantize as quantize
