"""A folder that any web server hands out: the network runs in the browser."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "make_site": ".site",
    },
)

if TYPE_CHECKING:
    from leannet.web.site import make_site as make_site
