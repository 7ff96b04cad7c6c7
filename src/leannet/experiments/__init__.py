"""The experiment as one page: two trained networks side by side, from their curves to what their layers make."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__, {"Experiment": ".running", "experiment": ".running", "write_page": ".page"}
)

if TYPE_CHECKING:
    from leannet.experiments.page import write_page as write_page
    from leannet.experiments.running import Experiment as Experiment
    from leannet.experiments.running import experiment as experiment
