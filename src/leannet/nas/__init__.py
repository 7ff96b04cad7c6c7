"""Neural architecture search: networks for a device, by its latency as measured."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "LatencyTable": ".tables",
        "Space": ".space",
        "Stage": ".space",
        "adapt": ".adapting",
        "latency_table": ".timing",
        "read_space": ".spaces",
        "search": ".searching",
        "space_of": ".spaces",
    },
)

if TYPE_CHECKING:
    from leannet.nas.adapting import adapt as adapt
    from leannet.nas.searching import search as search
    from leannet.nas.space import Space as Space
    from leannet.nas.space import Stage as Stage
    from leannet.nas.spaces import read_space as read_space
    from leannet.nas.spaces import space_of as space_of
    from leannet.nas.tables import LatencyTable as LatencyTable
    from leannet.nas.timing import latency_table as latency_table
