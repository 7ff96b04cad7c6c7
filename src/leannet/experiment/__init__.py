"""The experiment as one page: two trained networks side by side, from their curves to what their layers make."""

from typing import TYPE_CHECKING

from leannet.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__, {"Experiment": ".running", "run_experiment": ".running", "write_page": ".page"}
)

if TYPE_CHECKING:
    from leannet.experiment.page import write_page as write_page
    from leannet.experiment.running import Experiment as Experiment
    from leannet.experiment.running import run_experiment as run_experiment
