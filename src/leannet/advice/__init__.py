"""Which network to use: measured here, under the limits that are named."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "advise": ".advising",
    },
)

if TYPE_CHECKING:
    from leannet.advice.advising import advise as advise
